"""The hosts that a DATABASE_URL names, each in a DSN of its own: a host that does not answer must not use up the others' time."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit


class Host(NamedTuple):
    """One host of a DSN."""

    name: str
    """Host and port, for logs; empty if the DSN names none."""
    dsn: str
    """The DSN with this host alone."""


def hosts_of(dsn: str) -> list[Host]:
    """The hosts in the order in which they stand there; one without a name if the DSN names none, or cannot be read."""
    try:
        parts = urlsplit(dsn)
        auth, at, listed = parts.netloc.partition("@") if "@" in parts.netloc else ("", "", parts.netloc)
        if listed:
            return [Host(host, parts._replace(netloc=f"{auth}{at}{host}").geturl()) for host in listed.split(",")]
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        return [Host("", dsn)]  # who connects with it will say what is wrong
    if not options.get("host"):
        return [Host("", dsn)]
    names = options.pop("host").split(",")
    ports = options.pop("port", "").split(",")
    if len(ports) not in (1, len(names)):
        return [Host("", dsn)]
    found = []
    for number, name in enumerate(names):
        port = ports[number % len(ports)]
        query = urlencode({**options, "host": name, **({"port": port} if port else {})}, quote_via=quote, safe="/")
        found.append(Host(f"{name}:{port}" if port else name, parts._replace(query=query).geturl()))
    return found
