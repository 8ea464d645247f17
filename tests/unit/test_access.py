"""Who may do what: the table, and what is left of a request of somebody who does not reach all streams."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mink.v1 import event_store_pb2, operations_pb2, projections_pb2, snapshots_pb2
from mink_server.core.access import Identity, Role
from mink_server.core.errors import PermissionDeniedError, ShuttingDownError, UnauthenticatedError
from mink_server.core.filters import EventFilter
from mink_server.core.narrowing import narrowed, narrowed_prefix, shortest
from mink_server.rpc.access import RULES, check_role, rule_of
from mink_server.rpc.caller import Caller
from mink_server.rpc.handlers import method_of
from mink_server.telemetry.call import Call, Method

FILES = (event_store_pb2, snapshots_pb2, projections_pb2, operations_pb2)
SERVICES = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
METHODS = [method_of(method) for service in SERVICES for method in service.methods]


def limited(*prefixes: str, roles: frozenset[Role] = frozenset(Role)) -> Identity:
    return Identity("limited", roles, shortest(prefixes))


def test_every_method_has_a_row_and_every_row_a_method():
    assert set(RULES) == {method.path for method in METHODS}


def test_what_has_no_row_takes_the_role_admin_and_all_streams():
    rule = rule_of(Method("mink.v1.EventStore", "NewMethod", "unary"))
    assert rule.role is Role.ADMIN
    with pytest.raises(PermissionDeniedError):
        rule.reach(limited("a"), rule.role, object())


def test_admin_includes_every_role_and_no_other_includes_one():
    for has, wanted in itertools.product(Role, Role):
        identity = Identity("x", frozenset([has]))
        if has in (wanted, Role.ADMIN):
            check_role(identity, wanted)
        else:
            with pytest.raises(PermissionDeniedError) as denied:
                check_role(identity, wanted)
            assert (denied.value.role, denied.value.stream) == (wanted, "")


# About no stream, or checked message by message.
OF_NO_STREAM = {"AppendSession", "Diagnose"} | {
    method.name for method in METHODS if method.service == "mink.v1.Projections" and method.name != "ListParkedEvents"
}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_somebody_limited_gets_no_request_through_that_is_not_limited(method):
    """The whole table: a request about a stream outside is refused, one about everything refused or narrowed."""
    descriptor = next(m for s in SERVICES for m in s.methods if method_of(m) == method)
    request = descriptor.input_type._concrete_class()
    fields = descriptor.input_type.fields_by_name
    rule = rule_of(method)
    if "stream" in fields:
        request.stream = "Other-1"
    elif "appends" in fields and not descriptor.client_streaming:
        request.appends.add(stream="Order-1")
        request.appends.add(stream="Other-1")
    elif method.name in OF_NO_STREAM:
        return
    identity = limited("Order-")
    try:
        rule.reach(identity, rule.role, request)
    except PermissionDeniedError:
        return
    assert "Other-1" not in str(request)
    assert "Order-" in str(request)


NAMES = ["".join(letters) for n in range(1, 5) for letters in itertools.product("ab-", repeat=n)]
names = st.one_of(st.sampled_from(["a", "a-", "a-b", "ab", "b"]), st.text("ab-", min_size=1, max_size=3))


@settings(max_examples=500, deadline=None)
@given(
    reach=st.lists(names, min_size=1, max_size=3),
    streams=st.frozensets(names, max_size=2),
    prefixes=st.lists(names, max_size=3),
    categories=st.frozensets(names, max_size=2),
    types=st.frozensets(st.sampled_from(["t", "u"]), max_size=1),
)
def test_a_narrowed_filter_passes_what_passes_the_filter_and_is_reached(reach, streams, prefixes, categories, types):
    identity = limited(*reach)
    where = EventFilter(streams, tuple(prefixes), categories, types)
    parts = [
        *(EventFilter(streams=frozenset([s])) for s in streams),
        *(EventFilter(stream_prefixes=(p,)) for p in prefixes),
        *(EventFilter(categories=frozenset([c])) for c in categories),
    ]
    # Names long enough that whatever a part can choose, and an identity reach, has one of them.
    somewhere = [any(part.matches(s, "t") and identity.reaches(s) for s in NAMES) for part in parts]
    if not all(somewhere):
        with pytest.raises(PermissionDeniedError) as denied:
            narrowed(where, identity)
        assert denied.value.stream
        return
    found = narrowed(where, identity)
    for stream, event_type in itertools.product(NAMES, ["t", "u"]):
        assert found.matches(stream, event_type) == (where.matches(stream, event_type) and identity.reaches(stream)), stream
    assert found.chooses_streams
    assert narrowed(found, identity) == found


@pytest.mark.parametrize("kind", ["streams", "stream_prefixes", "categories"])
def test_each_single_choice_is_narrowed_to_what_is_reached(kind):
    """Every prefix with every choice, of names of up to three letters: the combinations above are made of these."""
    short = [name for name in NAMES if len(name) <= 3]
    for reached, chosen in itertools.product(short, short):
        identity = limited(reached)
        where = EventFilter(**{kind: (chosen,) if kind == "stream_prefixes" else frozenset([chosen])})
        expected = {s for s in NAMES if where.matches(s, "t") and identity.reaches(s)}
        try:
            found = narrowed(where, identity)
        except PermissionDeniedError:
            assert expected == set(), (reached, chosen)
            continue
        assert {s for s in NAMES if found.matches(s, "t")} == expected, (reached, chosen)


def test_who_reaches_all_streams_keeps_the_filter():
    where = EventFilter(streams=frozenset(["x"]))
    assert narrowed(where, Identity("all", frozenset(Role))) is where


@given(reach=st.lists(names, min_size=1, max_size=3), prefix=st.text("ab-", max_size=3))
def test_a_listing_is_narrowed_if_there_is_one_way(reach, prefix):
    identity = limited(*reach)
    wanted = {s for s in NAMES if s.startswith(prefix) and identity.reaches(s)}
    inside = [p for p in identity.prefixes if p.startswith(prefix)]
    if prefix.startswith(identity.prefixes) or len(inside) == 1:
        assert {s for s in NAMES if s.startswith(narrowed_prefix(prefix, identity))} == wanted
        return
    with pytest.raises(PermissionDeniedError, match="say which prefix" if inside else "lies outside"):
        narrowed_prefix(prefix, identity)


class Context:
    def invocation_metadata(self):
        return ()


class Known:
    """Identities whose one member the test changes."""

    def __init__(self, identity):
        self.generation = 0
        self.identity = identity

    def change(self, identity):
        self.identity = identity
        self.generation += 1


def caller(known, role=Role.READ):
    call = Call(METHODS[0], Context())
    call.identity = known.identity
    return call, Caller(call, known, lambda: known.identity, role)


def test_a_caller_is_asked_again_only_when_something_has_changed():
    known = Known(Identity("a", frozenset([Role.READ])))
    call, who = caller(known)
    known.identity = None
    who.check()
    known.generation += 1
    with pytest.raises(UnauthenticatedError, match="revoked or has expired"):
        who.check()
    assert call.identity.name == "a"


def test_a_caller_who_loses_the_role_or_reaches_others_is_stopped():
    known = Known(Identity("a", frozenset([Role.READ])))
    _, who = caller(known)
    known.change(Identity("a", frozenset([Role.READ, Role.APPEND])))
    who.check()
    known.change(Identity("a", frozenset([Role.READ]), ("x",)))
    with pytest.raises(ShuttingDownError):
        who.check()
    assert who.now().prefixes == ("x",)
    known.change(Identity("a", frozenset([Role.APPEND])))
    with pytest.raises(PermissionDeniedError):
        who.now()
