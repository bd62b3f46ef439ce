"""What a later release might make of a session: a field more, another by a better name."""

from __future__ import annotations

import msgspec

from actors.session_data import Session
from actors.session_record import VERSION, Schema
from supervision.release.versions import Conversions

USUAL = 5


class LaterSession(Session, frozen=True, omit_defaults=True):
    """A session of the version after this one.

    Attributes:
        digits: what the caller has keyed in; written as ``keyed``.
        urgency: what was in the user data under ``urgency`` before; 1 is most urgent.
    """

    digits: str | None = msgspec.field(name="keyed", default=None)
    urgency: int = USUAL


def up(value):
    """Rename digits, and take the urgency out of the user data."""
    state, session = value
    if "digits" in session:
        session["keyed"] = session.pop("digits")
    ud = session.get("ud", {})
    if "urgency" in ud:
        session["urgency"] = int(ud.pop("urgency"))
    return [state, session]


def down(value):
    """What ``up`` did, backwards."""
    state, session = value
    if "keyed" in session:
        session["digits"] = session.pop("keyed")
    if "urgency" in session:
        session.setdefault("ud", {})["urgency"] = str(session.pop("urgency"))
    return [state, session]


LATER = Schema(VERSION + 1, LaterSession, Conversions(up={VERSION: up}, down={VERSION + 1: down}))
