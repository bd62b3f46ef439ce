"""The hosts that a DSN names, each with a DSN of its own (libpq, 32.1.1.3)."""

from __future__ import annotations

from itertools import zip_longest
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from msgspec import Struct

from actors.database_words import hosts

MOST = 16
"""Hosts that are looked at; those after are not used."""

_OURS = ("host", "port", "target_session_attrs")
"""Parameters that are not passed on where there are several hosts: each gets its own, and which
attributes its sessions have is looked at by the connectors."""


class Target(Struct, frozen=True):
    """One host.

    Attributes:
        host: How operators know it: never with a user or a password.
        dsn: How it is connected to; a secret.
    """

    host: str
    dsn: str


def targets(dsn: str) -> tuple[Target, ...]:
    """Return the hosts of a DSN, in its order, each once.

    Args:
        dsn: A URL, ``postgresql://USER@A:5432,B:5432/NAME`` or with ``?host=A,B&port=5432,5432``.

    Returns:
        One target for each; of a DSN that cannot be read, or names one host or none, itself.
    """
    try:
        url = urlsplit(dsn)
    except ValueError:
        return (Target(hosts(dsn), dsn),)
    user, at, places = url.netloc.rpartition("@")
    if not at and "@" in dsn:
        return (Target(hosts(dsn), dsn),)  # a password with a slash
    rest = parse_qsl(url.query, keep_blank_values=True)
    kept = [(name, value) for name, value in rest if name not in _OURS]
    split = _of_netloc(places, rest) if "," in places else [] if places else _of_query(rest)
    found: dict[str, str] = {}
    for place, query in split:
        own = urlencode([*kept, *query], quote_via=quote)
        one = f"{url.scheme}://{user}{at}{place}{url.path}"
        found.setdefault(place or _shown(query), f"{one}?{own}" if own else one)
    if len(found) < 2:  # noqa: PLR2004 - nothing to be split
        return (Target(hosts(dsn), dsn),)
    return tuple(Target(host, one) for host, one in found.items())[:MOST]


def _of_netloc(places: str, rest: list[tuple[str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Hosts before the path; with those that have no port gets that of the query."""
    port = dict(rest).get("port", "")
    query = [("port", port)] if port and "," not in port else []
    return [(place, [] if _has_port(place) else query) for place in places.split(",") if place]


def _has_port(place: str) -> bool:
    return ":" in place.rpartition("]")[2]


def _of_query(rest: list[tuple[str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Hosts in the query, where Unix sockets are named: as many ports, one for all, or none."""
    named = dict(rest)
    names = [name for name in named.get("host", "").split(",") if name]
    ports = [port for port in named.get("port", "").split(",") if port]
    if len(ports) == 1:
        ports *= len(names)
    pairs = zip_longest(names, ports[: len(names)])
    return [("", [("host", name), *([("port", port)] if port else [])]) for name, port in pairs]


def _shown(query: list[tuple[str, str]]) -> str:
    return ":".join(value for _, value in query)
