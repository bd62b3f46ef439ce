"""How a link is configured, what it knows and what it counted: plain data."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from msgspec import Struct, field

from protocols.cti import flow, framing, heartbeat, link_session
from protocols.cti.link_session import LinkSession
from protocols.cti.messages import HeartbeatTimes, Resume, Side
from protocols.cti.parsing import MessageLimits

Phase: TypeAlias = Literal["greeting", "verifying", "open", "closed"]
"""Greeting: no hello yet. Verifying: the caller checks the hello's token."""


class LinkConfig(Struct, frozen=True, kw_only=True):
    """The limits of one link, the keys of `[cti]` by the same names.

    Attributes:
        max_frame_bytes: longest payload, both directions.
        handshake_timeout_ms: from the connection to the whole `hello`.
        window: requests received and not yet answered, and as many other frames that are not
            confirmed.
        held_frames: other frames that are not confirmed, while commits fail.
        max_frames_per_s: frames received in a second; as many may come at once.
        write_buffer_bytes: output that a slow reader may leave unread. The link itself buffers
            nothing: its caller closes it over this with reason "slow-reader".
        replay_frames: numbers that a peer which resumes may be behind.
        replay_bytes: bytes of the frames kept for it.
        request_timeout_ms: after it a request counts no more in the window.
        withhold_refusals: an `error` for a frame is told when the record that covers the frame is
            durable; its caller takes it from `refusals.take`. Without, it is told at once.
        hb: heartbeats.
        messages: limits of a single message.
    """

    max_frame_bytes: int = framing.MAX_FRAME_BYTES
    handshake_timeout_ms: int = 2_000
    window: int = 1_000
    held_frames: int = 100_000
    max_frames_per_s: int = 20_000
    write_buffer_bytes: int = 4_194_304
    replay_frames: int = 10_000
    replay_bytes: int = 4_194_304
    request_timeout_ms: int = 300
    withhold_refusals: bool = False
    hb: HeartbeatTimes = field(default_factory=HeartbeatTimes)
    messages: MessageLimits = field(default_factory=MessageLimits)


class LinkState(Struct, kw_only=True):
    """All that a connection knows but its link session and the bytes of an incomplete frame.

    Attributes:
        framing: "undecided" until five bytes have come.
        wall_offset: what makes the caller's monotonic seconds seconds since the epoch.
        session: the id of the link session.
        resume: the link session that the peer wants to go on with, while its hello waits.
        next_in: the number that the next frame must have.
        told_in: the last of the peer's frames that it was told to be durable.
        settled: requests that have their answer, should the peer send them again.
    """

    opened_at: float
    wall_offset: float
    watch: heartbeat.HeartbeatState
    bucket: flow.TokenBucket
    phase: Phase = "greeting"
    framing: framing.Framing = "undecided"
    name: str | None = None
    side: Side | None = None
    session: str | None = None
    resume: Resume | None = None
    next_in: int = 1
    told_in: int = 0
    settled: set[int] = field(default_factory=set)
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    repetitions: int = 0
    complaints: int = 0
    refused: dict[int, int] = field(default_factory=dict)


class LinkStatistics(Struct, frozen=True, kw_only=True):
    """A link at one instant, for operators.

    Attributes:
        frames_in: frames received after the `hello`, repeated ones left out.
        frames_out: frames sent after the `hello`'s answer, repeated ones included.
        repetitions: frames whose number had been seen.
        complaints: frames of vigie's that the peer answered with `error`.
        refused: frames answered with `error`, by code.
        waiting: requests in the window.
        unconfirmed: frames received whose effect is not durable yet.
        durable_in: every frame of the peer up to it is durable.
        kept_frames, kept_bytes: what is kept for a peer that resumes.
        missed_heartbeats: in a row, now.
        last_received: when the last message came, seconds of the caller's monotonic clock.
    """

    phase: Phase
    name: str | None
    side: Side | None
    session: str | None
    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int
    repetitions: int
    complaints: int
    refused: dict[int, int]
    waiting: int
    unconfirmed: int
    durable_in: int
    kept_frames: int
    kept_bytes: int
    missed_heartbeats: int
    last_received: float


def start(config: LinkConfig, *, now: float, wall: float) -> LinkState:
    """Make the state of a new connection.

    Args:
        config: the link's limits.
        now: the caller's monotonic clock, seconds.
        wall: the same instant in seconds since the epoch.
    """
    return LinkState(
        opened_at=now,
        wall_offset=wall - now,
        watch=heartbeat.start(now),
        bucket=flow.new_bucket(config.max_frames_per_s, now),
    )


def session_limits(config: LinkConfig) -> link_session.Limits:
    """The limits of the link sessions of such links."""
    return link_session.Limits(
        replay_frames=config.replay_frames,
        replay_bytes=config.replay_bytes,
        window=config.window,
        held=config.held_frames,
        request_s=config.request_timeout_ms / 1000,
        max_frame_bytes=config.max_frame_bytes,
    )


class Counting(Protocol):
    """What either framing's state counts, as ``LinkState`` says."""

    phase: Phase
    name: str | None
    side: Side | None
    session: str | None
    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int
    repetitions: int
    complaints: int
    refused: dict[int, int]


def statistics(state: LinkState, session: LinkSession | None) -> LinkStatistics:
    """Show a link as it is now."""
    counted = link_session.count(session) if session else link_session.Counted()
    return shown(state, counted, missed=state.watch.missed, received=state.watch.received)


def shown(
    state: Counting, counted: link_session.Counted, *, missed: int, received: float
) -> LinkStatistics:
    """Show a link, of whatever framing.

    Args:
        state: of its connection.
        counted: of its link session.
        missed: heartbeats in a row.
        received: when the last message came, monotonic seconds.
    """
    return LinkStatistics(
        phase=state.phase,
        name=state.name,
        side=state.side,
        session=state.session,
        frames_in=state.frames_in,
        frames_out=state.frames_out,
        bytes_in=state.bytes_in,
        bytes_out=state.bytes_out,
        repetitions=state.repetitions,
        complaints=state.complaints,
        refused=dict(state.refused),
        waiting=counted.waiting,
        unconfirmed=counted.unconfirmed,
        durable_in=counted.durable_in,
        kept_frames=counted.kept_frames,
        kept_bytes=counted.kept_bytes,
        missed_heartbeats=missed,
        last_received=received,
    )
