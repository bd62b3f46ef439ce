"""The context of a call as its peers see it: what has changed, who is told, who still has the call.

Pure functions of the record of a session, as those of ``session_data``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from actors.session_api import USER_DATA_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.session_data import Session


def difference(before: Session, after: Session) -> tuple[dict[str, Any], list[str]]:
    """What of the context has changed, by the keys that a caller changes it by.

    Args:
        before: the record then.
        after: the record now.

    Returns:
        The new values, and the keys that are gone.
    """
    was, now = _context(before), _context(after)
    changed = {key: value for key, value in now.items() if key not in was or was[key] != value}
    return changed, [key for key in was if key not in now]


def values_of(session: Session, keys: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """The values of some keys of the context as they are now, and those of the keys without one."""
    context = _context(session)
    asked = list(dict.fromkeys(keys))
    known = {key: context[key] for key in asked if key in context}
    return known, [key for key in asked if key not in context]


def context_of(session: Session) -> tuple[dict[str, Any], list[str]]:
    """The whole context, as a change from nothing."""
    return _context(session), []


def _context(session: Session) -> dict[str, Any]:
    plain = {key: getattr(session, key) for key in ("auth_level", "lang", "digits")}
    context = {key: value for key, value in plain.items() if value is not None}
    return context | {USER_DATA_KEY + key: value for key, value in session.ud.items()}


def after_snapshot(
    session: Session, cti: str, calls: frozenset[str], at: float, until: float
) -> Session:
    """Note whether a CTI still has the call.

    Args:
        session: the record.
        cti: the CTI's name.
        calls: that it has.
        at: when it said so, seconds since the epoch; what has happened since counts more.
        until: when the session is closed if the call is one that the CTI had, likewise.
    """
    if not calls.isdisjoint((session.call, *session.names)):
        if session.orphan is None and session.cti is not None:
            return session
        return replace(session, cti=session.cti or cti, orphan=None)
    if session.cti != cti or session.updated >= at or session.orphan is not None:
        return session
    return replace(session, orphan=until)


def links_of(session: Session) -> tuple[str, ...]:
    """The link sessions that have told of the call, the one heard last at the end."""
    return session.applied[::2]
