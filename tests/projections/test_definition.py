"""What a projection may look like, and that a wrong one is refused by the name of what is wrong."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from mink_client.projections import (
    Definition,
    DefinitionError,
    NoTransaction,
    OnPoison,
    Postgres,
    Projection,
    RebuildMode,
    RestartPolicy,
    RetryPolicy,
    SQLite,
    handles,
    handles_batch,
)


class Orders(Projection):
    categories = ("Order",)

    @handles("OrderPlaced", "OrderChanged")
    async def placed(self, event: Any, tx: Any) -> None: ...

    @handles("OrderCancelled")
    async def cancelled(self, event: Any) -> None: ...


def made(**attributes: Any) -> type[Projection]:
    return type("Made", (Orders,), attributes)


def test_a_class_gives_all_that_a_worker_needs() -> None:
    found = Definition.of(Orders)
    assert (found.name, found.revision, found.partitions, found.start) == ("Orders", 1, 1, "beginning")
    assert found.categories == ("Order",)
    assert found.types == ("OrderCancelled", "OrderChanged", "OrderPlaced")
    assert (found.streams, found.stream_prefixes) == ((), ())
    assert (found.on_poison, found.on_new_revision) == (OnPoison.STOP, RebuildMode.IN_PLACE)
    assert (found.retry, found.restart) == (RetryPolicy(), RestartPolicy())
    assert isinstance(found.target, NoTransaction)
    assert (found.can_clear, found.can_switch) == (False, False)
    assert Definition.of(found) is found
    assert Definition.of(Orders()).name == "Orders"


def test_the_order_in_which_things_are_written_does_not_matter() -> None:
    one = Definition.of(made(categories=["B", "A", "B"]))
    assert one.categories == ("A", "B")


def test_attributes_are_taken() -> None:
    retry, restart = RetryPolicy(attempts=1), RestartPolicy(attempts=0)
    found = Definition.of(
        made(
            name="my orders", streams=("Order-1",), stream_prefixes={"Order-"}, revision=3, partitions=8, start=100,
            on_poison="park", retry=retry, restart=restart, target=SQLite("x.db"),
            placed=None, cancelled=None, all=handles_batch(lambda self, events, tx: None), types=["A"],
        )
    )  # fmt: skip
    assert (found.name, found.streams, found.stream_prefixes) == ("my orders", ("Order-1",), ("Order-",))
    assert (found.revision, found.partitions, found.start, found.types) == (3, 8, 100, ("A",))
    assert (found.on_poison, found.retry, found.restart) == (OnPoison.PARK, retry, restart)
    assert found.handlers.batch is not None


def test_a_batch_handler_gets_all_types_unless_they_are_named() -> None:
    class All(Projection):
        @handles_batch
        async def all(self, events: Any) -> None: ...

    assert Definition.of(All).types == ()


def test_what_overrides_a_handler_is_one() -> None:
    class Louder(Orders):
        async def placed(self, event: Any, tx: Any) -> None: ...

    found = Definition.of(Louder())
    assert found.handlers.by_type["OrderPlaced"].call.__func__ is Louder.placed  # type: ignore[attr-defined]


def test_one_function_may_be_decorated_twice() -> None:
    class Both(Projection):
        @handles("A")
        @handles("B")
        async def both(self, event: Any) -> None: ...

    assert Definition.of(Both).types == ("A", "B")


@pytest.mark.parametrize(
    ("target", "hooks", "can"),
    [
        (None, {}, (False, False)),
        (None, {"clear": 0, "switch": 0}, (True, True)),
        (Postgres(env="X"), {}, (False, False)),
        (Postgres(env="X"), {"clear": 0}, (True, False)),
        (Postgres(env="X", schema="a"), {}, (True, False)),
        (Postgres(env="X", schema="a", side_by_side=True), {}, (True, True)),
    ],
)
def test_what_can_be_rebuilt_and_how(target: Any, hooks: dict[str, Any], can: tuple[bool, bool]) -> None:
    async def hook(self: Any, tx: Any) -> None: ...

    found = Definition.of(made(target=target, **dict.fromkeys(hooks, hook)))
    assert (found.can_clear, found.can_switch) == can
    assert found.on_new_revision is (RebuildMode.SIDE_BY_SIDE if can[1] else RebuildMode.IN_PLACE)


def test_a_module_is_a_projection() -> None:
    module = ModuleType("shop.order_totals")
    source = """
import types, sys
from mink_client.projections import handles
categories = ["Order"]
partitions = 2
@handles("OrderPlaced")
async def placed(event, tx): ...
async def setup(tx): ...
"""
    exec(source, vars(module))
    found = Definition.of(module)
    assert (found.name, found.partitions, found.types) == ("order_totals", 2, ("OrderPlaced",))
    assert found.hooks.setup is not None


def handler() -> Any:
    async def nothing(self: Any, event: Any, tx: Any) -> None: ...

    return nothing


async def generator(self: Any, event: Any) -> Any:
    yield event


@pytest.mark.parametrize(
    ("attributes", "attribute", "problem"),
    [
        ({"streem_prefixes": ["a"]}, "streem_prefixes", "is not known; did you mean stream_prefixes?"),
        ({"stream": "Order-1"}, "stream", "did you mean streams?"),
        ({"partition": 3}, "partition", "did you mean partitions?"),
        ({"on_posion": "park"}, "on_posion", "did you mean on_poison?"),
        ({"name": ""}, "name", "1 to 200"),
        ({"name": "a\nb"}, "name", "control"),
        ({"name": 3}, "name", "text"),
        ({"categories": "Order"}, "categories", "a list of text"),
        ({"categories": [""]}, "categories", "not empty"),
        ({"streams": [3]}, "streams", "text"),
        ({"stream_prefixes": 3}, "stream_prefixes", "a list"),
        ({"types": ["OrderPlaced"]}, "types", "OrderCancelled has a handler"),
        ({"types": ["OrderPlaced", "OrderChanged", "OrderCancelled", "Z"]}, "types", "Z has no handler"),
        ({"revision": 0}, "revision", "1 to"),
        ({"revision": True}, "revision", "1 to"),
        ({"partitions": 257}, "partitions", "1 to 256"),
        ({"partitions": "2"}, "partitions", "1 to 256"),
        ({"start": "now"}, "start", "'beginning', 'end'"),
        ({"start": -1}, "start", "position"),
        ({"on_poison": "ignore"}, "on_poison", "'stop' or 'skip' or 'park'"),
        ({"on_new_revision": "sideways"}, "on_new_revision", "in_place"),
        ({"on_new_revision": "side_by_side"}, "on_new_revision", "side_by_side=True"),
        ({"retry": 3}, "retry", "RetryPolicy"),
        ({"restart": RetryPolicy()}, "restart", "RestartPolicy"),
        ({"target": "postgresql://a:geheim@b"}, "target", "Postgres"),
        ({"target": Postgres}, "target", "not the class"),
        ({"more": handles("OrderPlaced")(handler())}, "more", "OrderPlaced"),
        ({"more": handles_batch(handler())}, "more", "either the one or the other"),
        ({"more": handles_batch(handles("X")(handler()))}, "more", "either types or batches"),
        ({"more": handles_batch(handler()), "most": handles_batch(handler())}, "most", "as more does"),
        ({"more": handles("X")(generator)}, "more", "yield"),
        ({"more": handles("X")(lambda self: None)}, "more", "takes (event)"),
        ({"more": handles("X")(lambda self, a, b, c: None)}, "more", "takes (event)"),
        ({"more": handles("X")(lambda self, a, *, b: None)}, "more", "takes (event)"),
        ({"setup": 3}, "setup", "a function"),
        ({"setup": lambda self, a, b: None}, "setup", "takes ()"),
        ({"target": SQLite("x")}, "placed", "async def"),
        ({"target": Postgres(env="X"), "more": handles("X")(lambda self, e, tx: None)}, "more", "plain function"),
        ({"target": Postgres(env="X"), "setup": lambda self, tx: None}, "setup", "plain function"),
    ],
)
def test_what_is_wrong_is_named(attributes: dict[str, Any], attribute: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Definition.of(made(**attributes))
    assert caught.value.attribute == attribute
    assert problem in caught.value.problem
    assert "Made" in str(caught.value)
    assert "geheim" not in str(caught.value)


class Nothing(Projection):
    @handles("A")
    async def a(self, event: Any) -> None: ...


def test_a_mistyped_filter_is_refused_in_classes_objects_and_modules() -> None:
    wrong = type("Wrong", (Nothing,), {"category": ["Order"]})
    module = ModuleType("shop.wrong")
    exec("from mink_client.projections import handles\ncategory = ['Order']\n@handles('A')\nasync def a(event): ...", vars(module))
    for thing in (wrong, wrong(), module):
        with pytest.raises(DefinitionError, match=r"category: is not known; did you mean categories\?"):
            Definition.of(thing)


@pytest.mark.parametrize(
    "attributes",
    [
        {"category": "Order", "categories": ["Order"]},
        {"state": "new", "table": "orders", "batch": 100, "version": 3, "position": 0, "PARTITION": 3, "_stream": "x"},
        {"stream": lambda self: None, "partition": True, "names": ["a"], "title": "x", "url": "y", "timeout": 3},
    ],
)
def test_what_users_have_beside_it_is_theirs(attributes: dict[str, Any]) -> None:
    Definition.of(type("Own", (Nothing,), attributes))


def test_something_without_handlers_is_refused() -> None:
    class Empty(Projection): ...

    with pytest.raises(DefinitionError, match="@handles"):
        Definition.of(Empty)


@pytest.mark.parametrize("thing", [Projection, int, 3, "x", None])
def test_something_else_is_no_projection(thing: object) -> None:
    with pytest.raises(DefinitionError, match="derived from Projection"):
        Definition.of(thing)


def test_a_class_that_takes_arguments_is_given_as_an_object() -> None:
    class Wants(Orders):
        def __init__(self, url: str) -> None:
            self.url = url

    with pytest.raises(DefinitionError, match="object instead of the class"):
        Definition.of(Wants)
    assert Definition.of(Wants("x")).name == "Wants"


def test_the_decorator_wants_types() -> None:
    for wrong in ((), (3,), ("",), (handler(),)):
        with pytest.raises(DefinitionError, match="OrderPlaced"):
            handles(*wrong)  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"\(at handler.<locals>.nothing\)"):
        handles(handler())


def test_postgres_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(DefinitionError, match=r"pip install 'mink-client\[worker\]'"):
        Postgres(env="X")
