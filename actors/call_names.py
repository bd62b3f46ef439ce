"""The names under which the sessions of calls and their links are registered, and the groups."""

from __future__ import annotations


def call_name(call: str) -> tuple[str, str]:
    """The name of the session of a call."""
    return ("call", call)


def xref_name(xref: str) -> tuple[str, str]:
    """The name of the session of a routing dialogue."""
    return ("xref", xref)


def link_name(link: str) -> tuple[str, str]:
    """The name of the actor of a link session."""
    return ("link", link)


def ucid_name(ucid: str) -> tuple[str, str]:
    """The name of the latest session of a call's universal id, which transfers do not change."""
    return ("ucid", ucid)


def once_name(key: str) -> tuple[str, str]:
    """The name of the session that has been asked something under an idempotency key."""
    return ("once", key)


def ucid_group(ucid: str) -> tuple[str, str]:
    """The group of the sessions of the legs of a call, by its universal id."""
    return ("ucid", ucid)


def ani_group(ani: str) -> tuple[str, str]:
    """The group of the sessions of a caller's number."""
    return ("ani", ani)
