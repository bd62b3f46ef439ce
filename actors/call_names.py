"""The names under which the sessions of calls are registered, and the groups they are in."""

from __future__ import annotations


def call_name(call: str) -> tuple[str, str]:
    """The name of the session of a call."""
    return ("call", call)


def xref_name(xref: str) -> tuple[str, str]:
    """The name of the session of a routing dialogue."""
    return ("xref", xref)


def ani_group(ani: str) -> tuple[str, str]:
    """The group of the sessions of a caller's number."""
    return ("ani", ani)
