"""Projections are found by the name that is given on a command line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mink_client.projections import DefinitionError, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE = """
from mink_client.projections import Projection, handles
class Orders(Projection):
    @handles("A")
    async def a(self, event): ...
    class Inner(Projection):
        @handles("B")
        async def b(self, event): ...
"""
ITSELF = """
from mink_client.projections import handles
@handles("A")
async def a(event): ...
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, with a package in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    package = tmp_path / "shop_for_tests"
    package.mkdir()
    for name, text in {
        "__init__": "",
        "one": ONE,
        "itself": ITSELF,
        "two": ONE + ONE.replace("Orders", "Others"),
        "made": ONE + "orders = Orders()\nnumber = 3\n",
        "needs": "import not_there_at_all",
        "broken": "1 / 0",
        "wrong": ONE.replace('"A"', ""),
        "syntax": "def (",
        "imported": "from shop_for_tests.one import Orders\n",
    }.items():
        (package / f"{name}.py").write_text(text)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("shop_for_tests")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shop_for_tests.one:Orders", "Orders"),
        ("shop_for_tests.one:Orders.Inner", "Inner"),
        ("shop_for_tests.one", "Orders"),
        ("shop_for_tests.itself", "itself"),
        ("shop_for_tests.made:orders", "Orders"),
        ("shop_for_tests.imported:Orders", "Orders"),
    ],
)
def test_a_projection_is_found_from_the_working_folder(here: Path, name: str, found: str) -> None:
    assert load(name).name == found


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "package.module:Name is wanted"),
        ("shop_for_tests.one:", "package.module:Name is wanted"),
        (":Orders", "package.module:Name is wanted"),
        ("shop/one.py", "package.module:Name is wanted, not 'shop/one.py'; did you mean shop.one?"),
        ("shop_for_tests.one.py:Orders", "did you mean shop_for_tests.one:Orders?"),
        ("shop_for_tests.nothing", "there is no module shop_for_tests.nothing"),
        ("nobody_has_this.one:Orders", "there is no module nobody_has_this"),
        ("shop_for_tests.one:Order", "has no 'Order'; it has Orders"),
        ("shop_for_tests.needs", "there is no module not_there_at_all"),
        ("shop_for_tests.broken", "ZeroDivisionError"),
        ("shop_for_tests.syntax", "SyntaxError"),
        ("shop_for_tests.wrong", "handles: takes event types"),
        ("shop_for_tests.two", "say which one: shop_for_tests.two:Orders"),
        ("shop_for_tests.made:number", "derived from Projection"),
        ("shop_for_tests", "@handles"),
    ],
)
def test_what_is_not_found_is_said(here: Path, name: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        load(name)
    assert problem in str(caught.value)


def test_projections_need_neither_asyncpg_nor_what_else_a_worker_needs() -> None:
    code = """
import sys
import mink_client.projections, mink_client.projections.applying
assert not {"asyncpg", "typer", "rich", "starlette", "uvicorn", "prometheus_client"} & set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
