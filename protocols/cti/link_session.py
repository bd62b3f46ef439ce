"""A link session: what of a CTI link survives its connections; plain data and what is done to it.

A connection (`link.Link`) carries frames; the link session knows their numbers. Of the peer's
frames it knows which were received, which are *confirmed* (their effect is durable, or they have
none) and up to where all are (`confirmed_in`), up to where that itself is recorded (`durable_in`:
what `ack` and `hello` may say). Of vigie's frames it keeps what a peer that resumes must get again.

What need not be sent again leaves nothing behind but its number: whoever asks for it gets `void`.
So answers cost memory only until their request's deadline, heartbeats and acks none at all.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Struct, field, structs

from protocols.cti import flow, framing
from protocols.cti.messages import (
    Ack,
    Error,
    Heartbeat,
    HeartbeatOk,
    Message,
    QueueSelect,
    RouteEnd,
    RouteSelect,
    RpRegistered,
    Side,
    Void,
)
from protocols.cti.parsing import packed

ACK_FRAMES = 32
"""Frames confirmed and not yet recorded after which a record is due; an `ack` follows its commit.

Half of what contract 3 allows for the `ack`, the other half is for the commit; so is the time."""

ACK_S = 0.025
"""Seconds after which a record is due once a frame has been confirmed."""

MAX_RECENT = 32
"""Refusals and registrations that go with the record, the latest."""

MAX_NUMBER = 2**53 - 1
"""The greatest number of a frame: the greatest whole number that every JSON reader keeps."""

Recent: TypeAlias = Error | RpRegistered

_RECENT = (Error, RpRegistered)
_NOT_REPEATED: Final = frozenset({Ack, Heartbeat, HeartbeatOk, Void})
FOR_EVER = float("inf")
"""When a frame expires that is always repeated."""


class Limits(Struct, frozen=True):
    """What a link session may hold.

    Attributes:
        replay_frames: numbers that a peer which resumes may be behind.
        replay_bytes: bytes of the frames kept for it.
        window: requests without an answer, and as many other frames that are not confirmed.
        held: other frames that are not confirmed, while commits fail.
        request_s: seconds that an answer is worth repeating where its request is not known.
        max_frame_bytes: longest payload.
    """

    replay_frames: int = 10_000
    replay_bytes: int = 4_194_304
    window: int = 1_000
    held: int = 100_000
    request_s: float = 0.3
    max_frame_bytes: int = framing.MAX_FRAME_BYTES


class Kept(Struct, frozen=True, gc=False):
    """A frame of vigie's that is sent again while `until` has not passed.

    Attributes:
        data: its bytes, number included.
        until: monotonic seconds; infinite for what never expires.
        ref: the number of the request that it answers, 0 where it answers none.
    """

    data: bytes
    until: float
    ref: int = 0


class Withheld(Struct, frozen=True, gc=False):
    """A refusal that waits until the record that covers the refused frame is durable.

    Attributes:
        error: to be sent.
        until: when it is sent all the same, monotonic seconds.
    """

    error: Error
    until: float


class Record(Struct, frozen=True, kw_only=True):
    """What of a link session outlives the node.

    Attributes:
        last_in: every frame of the peer up to it is durable.
        recent: refusals and registrations that the peer may not have got, with their numbers.
    """

    id: str
    name: str
    side: Side
    last_in: int
    recent: tuple[Recent, ...] = ()


class LinkSession(Struct, kw_only=True):
    """One link session.

    Attributes:
        next_in: one more than the highest number received of the peer, on any connection.
        confirmed_in: every frame of the peer up to it is confirmed.
        recording: as far as a record has been handed to the journal.
        durable_in: as far as a record is durable.
        early: numbers above `confirmed_in` that are confirmed.
        others: numbers of frames that are no requests and not confirmed.
        ack_at: when the next record is due, monotonic seconds; None while none is.
        window: the requests that wait for their answer.
        next_out: the number of vigie's next frame; 0 in a restored session until the peer resumes.
        floor: a peer that has handled less cannot resume.
        answers, lasting: frames kept by number: until their request's deadline, and for ever.
        kept_bytes: what they take.
        recent: the latest refusals and registrations.
        withheld: refusals that are not told yet, see `refusals`.
        restored: a node has crashed since it began; requests that were answered and not durable
            come again, in no time and besides those that the peer may have waiting.
        patient: the journal takes no commits now: `limits.held` frames may wait for it.
        caps: of what its peer has named, what vigie serves it with.
    """

    id: str
    name: str
    side: Side
    limits: Limits
    window: flow.Window
    next_in: int = 1
    confirmed_in: int = 0
    recording: int = 0
    durable_in: int = 0
    early: set[int] = field(default_factory=set)
    others: set[int] = field(default_factory=set)
    ack_at: float | None = None
    next_out: int = 1
    floor: int = 0
    answers: dict[int, Kept] = field(default_factory=dict)
    lasting: dict[int, Kept] = field(default_factory=dict)
    kept_bytes: int = 0
    recent: list[Recent] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    restored: bool = False
    patient: bool = False
    caps: tuple[str, ...] = ()


def begin(session: str, name: str, side: Side, limits: Limits) -> LinkSession:
    """Begin a new link session.

    Args:
        session: its id.
        name: the peer's.
        side: the peer's.
        limits: what it may hold.
    """
    window = flow.Window(limit=limits.window)
    return LinkSession(id=session, name=name, side=side, limits=limits, window=window)


class Counted(Struct, frozen=True, kw_only=True):
    """A link session in numbers, for operators; as in `LinkStatistics`."""

    waiting: int = 0
    unconfirmed: int = 0
    durable_in: int = 0
    kept_frames: int = 0
    kept_bytes: int = 0


def count(session: LinkSession) -> Counted:
    """Show a link session as it is now."""
    return Counted(
        waiting=len(session.window.open),
        unconfirmed=session.next_in - 1 - session.confirmed_in - len(session.early),
        durable_in=session.durable_in,
        kept_frames=len(session.answers) + len(session.lasting),
        kept_bytes=session.kept_bytes,
    )


# The record


def record(session: LinkSession) -> Record:
    """What is to be put into the journal now, with all that is confirmed."""
    return Record(
        id=session.id,
        name=session.name,
        side=session.side,
        last_in=session.confirmed_in,
        recent=(*session.recent, *(_covered(session) if session.withheld else ())),
    )


def _covered(session: LinkSession) -> list[Error]:
    """Refusals that wait for this record; they have no number of vigie's yet."""
    return [one.error for one in session.withheld if one.error.ref <= session.confirmed_in]


def restore(record: Record, limits: Limits) -> LinkSession:
    """Make a link session of its record, after a node has crashed.

    What was received and not recorded is unknown: the peer sends it again. Numbers out go on where
    the peer says it is.
    """
    session = begin(record.id, record.name, record.side, limits)
    session.next_in = record.last_in + 1
    session.confirmed_in = session.recording = session.durable_in = record.last_in
    session.next_out, session.restored = 0, True
    session.recent = list(record.recent)
    return session


# Frames of the peer


def confirm(session: LinkSession, i: int, now: float) -> None:
    """Note that the effect of the peer's frame `i` is durable, or that it has none.

    One that is confirmed already, or was not received since the session was restored, changes
    nothing.
    """
    if i <= session.confirmed_in or i >= session.next_in:
        return
    session.others.discard(i)
    early = session.early
    if i != session.confirmed_in + 1:
        early.add(i)
        return
    while i + 1 in early:
        i += 1
        early.discard(i)
    session.confirmed_in = i
    if session.ack_at is None:
        session.ack_at = now + ACK_S


def take(session: LinkSession, i: int) -> None:
    """Note that the peer's frame `i`, the next one, was received."""
    session.next_in = i + 1


def admit_other(session: LinkSession, i: int, *, ends: bool = False) -> bool:
    """Let a frame in that is no request; False where as many wait as may.

    One that `ends` a call or a dialogue always gets in: it makes room.
    """
    most = session.limits.held if session.patient else session.limits.window
    if len(session.others) >= most and not ends:
        return False
    session.others.add(i)
    return True


def unconfirmed(session: LinkSession) -> list[int]:
    """The numbers of the peer's frames that were received and are not confirmed."""
    numbers = range(session.confirmed_in + 1, session.next_in)
    return [i for i in numbers if i not in session.early]


def ackable(session: LinkSession, now: float, *, urgent: bool = False) -> int | None:
    """Tell whether a record is due.

    Args:
        session: whose.
        now: monotonic seconds.
        urgent: not only an ack waits for it; then it is due once the one before is durable.

    Returns:
        The number up to which it covers the peer's frames: put `record` into the journal, and call
        `recorded` with this number after the commit. None where none is due.
    """
    if session.ack_at is None:
        return None
    urgent = urgent or bool(session.withheld)
    early = now < session.ack_at and session.confirmed_in - session.recording < ACK_FRAMES
    if early and not (urgent and session.recording == session.durable_in):
        return None
    session.ack_at = None
    session.recording = session.confirmed_in
    return session.recording


def recorded(session: LinkSession, last_i: int) -> None:
    """Note that the record that covers the peer's frames up to `last_i` is durable."""
    session.durable_in = max(session.durable_in, last_i)


def adopted(session: LinkSession, now: float) -> None:
    """Record anew what was being recorded when the one who waited for it died."""
    session.recording = session.durable_in
    session.ack_at = now if session.confirmed_in > session.durable_in else None


# Frames of vigie


def send(session: LinkSession, message: Message, now: float) -> bytes:
    """Number a message, keep it for a peer that resumes, and make its bytes.

    An answer takes its request out of the window; a refusal confirms the frame that it refuses.
    Where there is a connection, this is called by `Link.send`; without one, the caller calls it and
    drops the bytes.

    Raises:
        FramingError: the message is too long for a frame; no number was used.
        ValueError: the session was restored, and its peer has not resumed yet.
    """
    i = session.next_out
    data = number(session, message)
    if type(message) not in _NOT_REPEATED:
        _keep(session, i, message, data, now)
    return data


def number(session: LinkSession, message: Message) -> bytes:
    """As `send` for what is about the connection only: it is never sent again."""
    i = session.next_out
    if i == 0:
        raise ValueError("a restored session has no numbers until its peer resumes")
    payload = packed(structs.replace(message, i=i))
    data = framing.enclose(payload, max_bytes=session.limits.max_frame_bytes)
    session.next_out = i + 1
    return data


def _keep(session: LinkSession, i: int, message: Message, data: bytes, now: float) -> None:
    if type(message) is RouteSelect:  # by far the most frequent
        ref, request = flow.answered(session.window, message.xref)
        until = now + session.limits.request_s if request is None else request.until
        session.answers[i] = Kept(data, until, ref)
    elif isinstance(message, QueueSelect):
        session.lasting[i] = Kept(data, now + message.for_ms / 1000)
    else:
        session.lasting[i] = Kept(data, FOR_EVER, _handled(session, i, message, now))
    session.kept_bytes += len(data)
    _trim(session, now)


def _handled(session: LinkSession, i: int, message: Message, now: float) -> int:
    """Note what a message of vigie's, other than an answer, does to the frame that it is about.

    Returns:
        That frame's number, 0 where there is none.
    """
    if isinstance(message, _RECENT):
        session.recent = [*session.recent[1 - MAX_RECENT :], structs.replace(message, i=i)]
    if isinstance(message, Error):
        flow.close(session.window, message.ref)
        confirm(session, message.ref, now)
        return message.ref
    if isinstance(message, RouteEnd):
        return flow.answered(session.window, message.xref)[0]
    return 0


def _trim(session: LinkSession, now: float) -> None:
    """Forget what has expired, and the oldest beyond the bounds."""
    session.floor = max(session.floor, session.next_out - 1 - session.limits.replay_frames)
    for frames in (session.answers, session.lasting):
        while frames:
            i = next(iter(frames))
            kept = frames[i]
            if kept.until > now and i > session.floor:
                break
            del frames[i]
            session.kept_bytes -= len(kept.data)
    while session.kept_bytes > session.limits.replay_bytes:
        kinds = [frames for frames in (session.answers, session.lasting) if frames]
        oldest = min(kinds, key=lambda frames: next(iter(frames)))
        session.floor = next(iter(oldest))
        session.kept_bytes -= len(oldest.pop(session.floor).data)
