"""Whether vigie knows what the feed told it: its sessions beside the ledger's calls."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from protocols.numbering import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from protocols.feed.records import CallEntry

STATES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "queued": frozenset({"queued"}),
        "delivered": frozenset({"ringing"}),
        "established": frozenset({"connected"}),
        "retrieved": frozenset({"connected"}),
        "conferenced": frozenset({"connected"}),
        "held": frozenset({"held"}),
        "cleared": frozenset({"wrapup", "closed"}),
        "abandoned": frozenset({"wrapup", "closed"}),
    }
)
"""In which states a session may be after a call event; an event that is not here tells nothing."""


class Difference(Struct, frozen=True):
    """One thing that the two know differently.

    Attributes:
        call: the switch's id of the call.
        field: "session" when vigie has none of the call, otherwise ani, rp, target, state,
            "events" (how many it has applied) or "timings" (one that it has not heard of).
        sent: what the feed sent or was answered; a number as vigie should have read it.
        known: what vigie says.
    """

    call: str
    field: str
    sent: str
    known: str | None


def compare(
    calls: Iterable[CallEntry], sessions: Mapping[str, Mapping[str, Any]], region: str = ""
) -> list[Difference]:
    """Compare the feed's calls with vigie's sessions.

    Args:
        calls: of the ledger.
        sessions: by call, as `GET /api/v1/sessions/{id}` gives them.
        region: by whose plan vigie reads national numbers, ISO 3166-1; "" reads none.

    Returns:
        What differs, in the order of the calls; empty when all is well. A call that was refused
        need have no session.
    """
    differences: list[Difference] = []
    for entry in calls:
        session = sessions.get(entry.call)
        if session is None and entry.refused:
            continue
        if session is None:
            differences.append(Difference(entry.call, "session", "open or closed", None))
        else:
            differences += _compare_call(entry, session, region)
    return differences


def _compare_call(entry: CallEntry, session: Mapping[str, Any], region: str) -> list[Difference]:
    known_target = (session.get("routing") or {}).get("target")
    pairs = [
        ("ani", normalise(entry.ani, region).number, session.get("ani") or ""),
        ("rp", entry.rp, session.get("rp")),
    ]
    if entry.target is not None:
        pairs.append(("target", entry.target, known_target))
    found = [
        Difference(entry.call, name, sent, known) for name, sent, known in pairs if sent != known
    ]
    found += _compare_events(entry, session)
    states = STATES.get(entry.last_event or "")
    if states and session.get("state") not in states:
        allowed = " or ".join(sorted(states))
        found.append(Difference(entry.call, "state", allowed, session.get("state")))
    return found


def _compare_events(entry: CallEntry, session: Mapping[str, Any]) -> list[Difference]:
    """Whether each event was applied, and once: those not acknowledged may have been."""
    found: list[Difference] = []
    applied = session.get("events")
    if applied is not None and not entry.acked <= applied <= entry.applied:
        found.append(Difference(entry.call, "events", _range(entry), str(applied)))
    timings = session.get("timings") or {}
    acked = [ev for ev in entry.events if ev][: entry.acked]
    missing = [ev for ev in acked if ev not in timings]
    if applied is not None and missing:
        found.append(Difference(entry.call, "timings", ", ".join(missing), ", ".join(timings)))
    return found


def _range(entry: CallEntry) -> str:
    sent = str(entry.applied)
    return sent if entry.acked == entry.applied else f"{entry.acked} to {sent}"
