"""What a call's session knows, and how it changes: immutable records and pure functions.

Nothing is changed in place: the supervisor keeps the record that an incarnation left behind and
gives it to the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from actors.dialogues import Dialogue
from actors.session_api import (
    USER_DATA_KEY,
    IdempotentKey,
    JourneyStep,
    RevStale,
    RouteAnswer,
    Routing,
    SessionView,
    UserDataTooLarge,
)
from protocols.cti.messages import AniType
from protocols.cti.parsing import not_icm_portable

if TYPE_CHECKING:
    from actors.config import SessionsConfig
    from actors.session_api import AddJourneyStep, PatchSession, SessionState
    from protocols.cti.messages import CallEvent

NO_USER_DATA: Mapping[str, Any] = {}
NO_TIMINGS: Mapping[str, float] = {}
MS_DIGITS = 3
EVENTS_KEPT = 16
"""Call events that are known, the latest."""
STEP = "route."
"""What keys of timings begin with that tell what a step of the last decision took."""

_STEPS: dict[str, str] = {}
Took: TypeAlias = tuple[tuple[str, float], ...]

ENDS = ("cleared", "abandoned")
"""Call events that end a call whenever they come."""
FRAMES_KEPT = 16
"""Frames of each link session that are known to be applied."""
LINKS_KEPT = 4
"""Link sessions whose frames are known."""
KEYS_KEPT = 64
"""Idempotency keys that are known: more than an application uses on a call within the time in which
it repeats a request."""


class Once(Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """A request that is applied once, and what a repetition of it is told.

    Attributes:
        key: its idempotency key.
        kind: what was asked: ``open``, ``step``, ``route`` or ``close``.
        detail: a number that its answer had and a view no longer tells.
        answer: the decision, of a route.
    """

    key: IdempotentKey
    kind: str
    detail: int = 0
    answer: RouteAnswer | None = None


class Session(Struct, frozen=True, omit_defaults=True):
    """The context of one call; times are seconds since the epoch.

    Attributes:
        names: the ids that the call has got by transfers, besides its own.
        leg: the id that the call goes by now; None is its own.
        heard: the latest call events in the order in which they happened: what, when (seconds since
            the epoch), its number.
        dialogues: routing dialogues by xref, until they are forgotten.
        closed: when and why it was closed.
        events: how many call events have been applied.
        applied: link sessions, the one heard last at the end, each with the numbers of the latest
            frames of it that have been applied, joined by commas: flat, for there are many of us.
        once: the latest requests that came with an idempotency key.
        cti: the name of the CTI that has asked for a route of the call.
        orphan: when it is closed because that CTI has the call no more, unless it tells of it.
        routings: how often the call was routed where, see ``loop_guard``.
        traced: the universal id by which a later session of the call finds this one; only the
            latest has it.
        prev_call: the call that this one comes of.
        ucid: the universal call id.
    """

    session: str
    call: str
    opened: float
    updated: float
    rev: int = 1
    ani: str | None = None
    ani_type: AniType | None = None
    dnis: str | None = None
    digits: str | None = None
    lang: str | None = None
    media: str | None = None
    rp: str | None = None
    auth_level: int = 0
    journey: tuple[JourneyStep, ...] = ()
    routing: Routing | None = None
    timings: Mapping[str, float] = NO_TIMINGS
    ud: Mapping[str, Any] = NO_USER_DATA
    names: tuple[str, ...] = ()
    leg: str | None = None
    heard: tuple[tuple[str, float, int | None], ...] = ()
    dialogues: tuple[tuple[str, Dialogue], ...] = ()
    closed: tuple[float, str] | None = None
    events: int = 0
    applied: tuple[str, ...] = ()
    once: tuple[Once, ...] = ()
    cti: str | None = None
    orphan: float | None = None
    routings: tuple[str | int, ...] = ()
    traced: str | None = None
    prev_call: str | None = None
    ucid: str | None = None


def left(since: float, period: float, wall: float) -> float:
    """Seconds of a period that are left; however the clock was set, none or all of it at most.

    Args:
        since: when it began, seconds since the epoch.
        period: seconds.
        wall: seconds since the epoch.
    """
    return min(max(since + period - wall, 0.0), period)


def expires(session: Session, sessions: SessionsConfig) -> float:
    """When a session ends if nothing happens to it, seconds since the epoch.

    Args:
        session: the record.
        sessions: the bounds.
    """
    if session.closed is not None:
        return session.closed[0] + sessions.linger_s
    return session.updated + sessions.idle_expiry_s


def view(session: Session, state: SessionState, expires: float | None) -> SessionView:
    """What others may see of a session.

    Args:
        session: the record.
        state: where the call stands.
        expires: when it ends if nothing happens to it, seconds since the epoch.
    """
    return SessionView(
        session=session.session,
        rev=session.rev,
        state=state,
        call=session.call,
        opened=session.opened,
        updated=session.updated,
        expires=expires,
        ani=session.ani,
        ani_type=session.ani_type,
        dnis=session.dnis,
        digits=session.digits,
        lang=session.lang,
        media=session.media,
        rp=session.rp,
        auth_level=session.auth_level,
        journey=list(session.journey),
        routing=session.routing,
        timings=_timings(session),
        ud=dict(session.ud),
        events=session.events,
        not_icm_portable=not_icm_portable(session.ud) if session.ud else [],
        prev_call=session.prev_call or UNSET,
        ucid=session.ucid or UNSET,
    )


def _timings(session: Session) -> dict[str, float]:
    """Milliseconds: what the last decision and its steps took, when events came after opening."""
    routing = {} if session.routing is None else {"route": session.routing.ms}
    return {**routing, **session.timings}


def user_data_bytes(ud: Mapping[str, Any]) -> int:
    """The size of user data as it travels on a link, bytes."""
    return len(msgspec.msgpack.encode(ud))


def patched(
    session: Session, patch: PatchSession, limit: int, wall: float
) -> Session | RevStale | UserDataTooLarge:
    """Change what a caller may change, if the change was based on the current revision.

    Args:
        session: the record.
        patch: keys and values that ``check_changes`` has passed.
        limit: greatest size of the user data, bytes.
        wall: seconds since the epoch.
    """
    if patch.rev != session.rev:
        return RevStale(session.rev)
    plain = {key: value for key, value in patch.set.items() if not key.startswith(USER_DATA_KEY)}
    for key in patch.delete:
        if not key.startswith(USER_DATA_KEY):
            plain[key] = 0 if key == "auth_level" else None
    ud = _user_data(session, patch)
    if user_data_bytes(ud) > limit:
        return UserDataTooLarge(limit)
    changed = replace(session, **plain, ud=ud)
    if changed == session:
        return session
    return replace(changed, rev=session.rev + 1, updated=wall)


def _user_data(session: Session, patch: PatchSession) -> dict[str, Any]:
    dropped = {key.removeprefix(USER_DATA_KEY) for key in patch.delete}
    kept = {key: value for key, value in session.ud.items() if key not in dropped}
    added = {
        key.removeprefix(USER_DATA_KEY): value
        for key, value in patch.set.items()
        if key.startswith(USER_DATA_KEY)
    }
    return kept | added


def with_step(session: Session, step: AddJourneyStep, longest: int, wall: float) -> Session:
    """Note a step of the caller's journey; beyond ``longest`` steps the oldest gives way."""
    noted = JourneyStep(ts=wall, step=step.step, ev=step.ev, app=step.app, data=step.data)
    return replace(session, journey=(*session.journey, noted)[-longest:], updated=wall)


def repeated(session: Session, event: CallEvent) -> bool:
    """Whether an event has been heard, from the other link or this one.

    One that is older than all that are known may have been heard and forgotten: it is taken for
    that, unless it ends the call.
    """
    heard = session.heard
    if (event.ev, event.ts, event.seq) in heard:
        return True
    if len(heard) < EVENTS_KEPT or event.ts >= heard[0][1]:
        return False
    return event.ev not in ENDS or is_of_old_leg(session, event)


def is_late(session: Session, event: CallEvent) -> bool:
    """Whether what happened after an event has been heard already."""
    return bool(session.heard) and event.ts < session.heard[-1][1]


def leg_of(event: CallEvent) -> str | None:
    """The id that a call goes by after an event which tells of a transfer; None of others."""
    return event.new_call or (event.call if event.prev_call is not None else None)


def told(session: Session, event: CallEvent, wall: float) -> Session:
    """Note an event of the call: when it came, and by which id the call goes on.

    Args:
        session: the record.
        event: not heard before.
        wall: seconds since the epoch.
    """
    late = bool(session.heard) and is_late(session, event)
    heard = (*session.heard, (event.ev, event.ts, event.seq))
    if late:
        heard = tuple(sorted(heard, key=_happened))
    leg = session.leg if late and session.leg is not None else leg_of(event) or session.leg
    since = round((wall - session.opened) * 1000, MS_DIGITS)
    return replace(
        session,
        heard=heard[-EVENTS_KEPT:],
        timings={**session.timings, event.ev: since},
        leg=leg,
        updated=wall,
        events=session.events + 1,
    )


def _happened(heard: tuple[str, float, int | None]) -> float:
    return heard[1]


def is_of_old_leg(session: Session, event: CallEvent) -> bool:
    """Whether an event is about an id that the call has left behind by a transfer."""
    return session.leg is not None and event.call != session.leg


def with_dialogue(session: Session, xref: str, dialogue: Dialogue | None) -> Session:
    """Set a dialogue, or forget it with None."""
    known = session.dialogues
    if known and (len(known) > 1 or known[0][0] != xref):  # seldom
        known = tuple([pair for pair in known if pair[0] != xref])
        return replace(session, dialogues=known if dialogue is None else (*known, (xref, dialogue)))
    return replace(session, dialogues=() if dialogue is None else ((xref, dialogue),))


def dialogue_of(session: Session, xref: str) -> Dialogue | None:
    """The dialogue of an xref, while it is remembered."""
    for known, dialogue in session.dialogues:
        if known == xref:
            return dialogue
    return None


def unrouted(session: Session, dialogue: Dialogue) -> Session:
    """Take back the last routing decision of a reroute, which nobody was told."""
    return replace(session, routing=dialogue.before) if dialogue.tried else session


def routed(
    session: Session, dialogue: Dialogue, now: float, wall: float, took: Took | None = None
) -> Session:
    """Note the last routing decision and what it took; that no target was left changes nothing.

    Args:
        session: the record.
        dialogue: answered.
        now: monotonic seconds.
        wall: seconds since the epoch.
        took: milliseconds by the name of the step; None: what was noted before still holds.
    """
    decision = dialogue.decision
    assert decision is not None
    if not decision.target:
        return session
    spent = round((now - dialogue.asked_at) * 1000, MS_DIGITS)
    routing = Routing(
        target=decision.target,
        rtype=decision.rtype,
        reason=decision.reason,
        ts=wall,
        ms=spent,
        why=decision.why,
    )
    if took is None:
        return replace(session, routing=routing, updated=wall)
    known = session.timings
    timings = {key: known[key] for key in known if not key.startswith(STEP)} if known else {}
    for step, ms in took:
        timings[_STEPS.get(step) or _named(step)] = ms
    return replace(session, routing=routing, updated=wall, timings=timings)


def _named(step: str) -> str:
    """The key of a step's time, the same string in all sessions."""
    return _STEPS.setdefault(step, f"{STEP}{step}")


# What has been done already


def is_applied(session: Session, link: str, i: int) -> bool:
    """Whether a frame has been applied; known of the latest of each link session.

    Args:
        session: the record.
        link: the link session.
        i: the frame's number.
    """
    applied = session.applied
    if link not in applied[::2]:
        return False
    numbers = applied[2 * applied[::2].index(link) + 1]
    return f",{i}," in f",{numbers},"


def with_frame(session: Session, link: str, i: int) -> Session:
    """Note that a frame has been applied."""
    applied, numbers = session.applied, ""
    if link in applied[::2]:
        at = 2 * applied[::2].index(link)
        numbers = applied[at + 1]
        applied = applied[:at] + applied[at + 2 :]
    if numbers.count(",") + 1 >= FRAMES_KEPT:
        numbers = numbers.partition(",")[2]
    numbers = f"{numbers},{i}" if numbers else str(i)
    others = applied[2 - 2 * LINKS_KEPT :]
    return replace(session, applied=(*others, link, numbers))


def with_once(session: Session, once: Once) -> Session:
    """Note a request with an idempotency key; an earlier note of the same key gives way."""
    others = tuple(known for known in session.once if known.key.key != once.key.key)
    return replace(session, once=(*others, once)[-KEYS_KEPT:])


def once_of(session: Session, key: str) -> Once | None:
    """What is known of an idempotency key."""
    return next((known for known in session.once if known.key.key == key), None)
