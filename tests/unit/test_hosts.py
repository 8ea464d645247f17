"""The hosts of a DATABASE_URL, each by itself."""

from __future__ import annotations

import pytest
from mink_server.storage.hosts import hosts_of


@pytest.mark.parametrize(
    ("dsn", "names", "each"),
    [
        (
            "postgresql://u:p%40@a:1,b/db?sslmode=require",
            ["a:1", "b"],
            ["//u:p%40@a:1/db?sslmode=require", "//u:p%40@b/db?sslmode=require"],
        ),
        ("postgresql://[::1]:5,b", ["[::1]:5", "b"], ["//[::1]:5", "//b"]),
        ("postgres://u@/db?host=/run/a,/run/b&port=1,2", ["/run/a:1", "/run/b:2"], ["host=/run/a&port=1", "host=/run/b&port=2"]),
        ("postgresql:///db?port=7&host=a,b", ["a:7", "b:7"], ["host=a&port=7", "host=b&port=7"]),
        ("postgresql:///db?host=/a%20b,c&passfile=/x", ["/a b", "c"], ["passfile=/x&host=/a%20b", "passfile=/x&host=c"]),
    ],
)
def test_each_host_has_a_dsn_of_its_own_with_all_the_rest(dsn: str, names: list[str], each: list[str]) -> None:
    hosts = hosts_of(dsn)
    assert [host.name for host in hosts] == names
    for host, part in zip(hosts, each, strict=True):
        assert host.dsn.startswith(dsn.partition(":")[0] + ":")
        assert host.dsn.endswith(part)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql:///db",
        "",
        "nonsense",
        "postgresql://[a/db",
        "postgresql:///db?host=a,b,c&port=1,2",
        "postgresql:///db?service=x",
    ],
)
def test_what_names_no_host_or_cannot_be_read_is_left_to_who_connects(dsn: str) -> None:
    assert [host.dsn for host in hosts_of(dsn)] == [dsn]


def test_one_host_is_one() -> None:
    assert hosts_of("postgresql://u:pw@db/mink") == [("db", "postgresql://u:pw@db/mink")]
