"""What PostgreSQL's failures are called, for operators: pure. Never a parameter, never a secret."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from actors.database import CircuitOpen, DatabaseDown, QueryFailed, QueryTimeout, QueueFull

SCHEMA_ERRORS = ("42", "3F")
"""SQLSTATE classes syntax error or access rule violation, and invalid schema name: no such table,
no such column, no right to it."""

# PostgreSQL, appendix A.
_NAMES = {
    "08007": "nobody knows whether it was done",
    "25006": "the database is read-only",
    "28000": "the server does not let this user in",
    "28P01": "the server refuses the password",
    "3D000": "there is no such database",
    "42501": "the user of the database lacks a right",
    "42P01": "a table is missing",
    "42703": "a column is missing",
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "53300": "the server has too many connections",
    "55P03": "a lock was not to be had",
    "57014": "the server cancelled it",
    "57P01": "the server is being shut down",
    "57P03": "the server is starting or stopping",
}

HIDDEN = "***"
_LEAST_SECRET = 2
"""Shorter ones are not looked for in texts: there would be little left of them."""


def said(sqlstate: str, message: str) -> str:
    """Return what a server said, with the name of it where it has one.

    Args:
        sqlstate: Five characters.
        message: The server's own words, without its detail, which may have data of callers.
    """
    name = _NAMES.get(sqlstate)
    return f"{message} ({sqlstate})" if name is None else f"{name}: {message} ({sqlstate})"


def words(failure: Any) -> str:
    """Return a failure of the database in words.

    Args:
        failure: As a query is answered, or an exception.
    """
    match failure:
        case DatabaseDown(why):
            return why
        case QueryFailed(sqlstate, message):
            return said(sqlstate, message)
        case QueryTimeout(phase, timeout_s):
            what = "no connection was free for" if phase == "wait" else "not done within"
            return f"the database is slow: {what} {timeout_s:g} s"
        case CircuitOpen(retry_s):
            return f"the database failed too often: asked again in {retry_s:.1f} s"
        case QueueFull(limit):
            return f"{limit} queries wait already (database.queue_limit)"
        case _:
            return f"{type(failure).__name__}: {failure}"


def is_schema_error(failure: Any) -> bool:
    """Whether a failure is the fault of the schema, or of the rights to it."""
    return isinstance(failure, QueryFailed) and failure.sqlstate.startswith(SCHEMA_ERRORS)


def hosts(dsn: str) -> str:
    """Return where a DSN leads; empty where it cannot be told apart from its secrets.

    Args:
        dsn: A URL.
    """
    try:
        url = urlsplit(dsn)
    except ValueError:
        return ""
    _, at, there = url.netloc.rpartition("@")
    if not at and "@" in dsn:
        return ""  # a password with a slash: what looks like the host is a part of it
    return there or ",".join(parse_qs(url.query).get("host", []))


def without_secrets(text: str, dsn: str) -> str:
    """Return a text with the password of a DSN replaced wherever it is.

    Args:
        text: The words of a server or a driver.
        dsn: A URL.
    """
    for secret in sorted(_secrets(dsn), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def _secrets(dsn: str) -> set[str]:
    """The password, as it is written and as it is meant, wherever a URL may have one."""
    _, _, rest = dsn.partition("://")
    place, _, query = rest.partition("?")
    user, at, _ = (place if "@" in place else rest).rpartition("@")
    found = {user.partition(":")[2]} if at else set()
    for name, values in parse_qs(query).items():
        if "password" in name:
            found.update(values)
    found.update({unquote(secret) for secret in found})
    return {secret for secret in found if len(secret) >= _LEAST_SECRET}
