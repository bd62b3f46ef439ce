"""How a link is configured, what it knows and what it counted: plain data."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field

from protocols.cti import flow, framing, heartbeat
from protocols.cti.messages import HeartbeatTimes, Side
from protocols.cti.parsing import MessageLimits

Phase: TypeAlias = Literal["greeting", "verifying", "open", "closed"]
"""Greeting: no hello yet. Verifying: the caller checks the hello's token."""


class LinkConfig(Struct, frozen=True, kw_only=True):
    """The limits of one link, the keys of `[cti]` by the same names.

    Attributes:
        max_frame_bytes: longest payload, both directions.
        handshake_timeout_ms: from the connection to the whole `hello`.
        window: requests received and not yet answered.
        max_frames_per_s: frames received in a second; as many may come at once.
        write_buffer_bytes: output that a slow reader may leave unread. The link itself buffers
            nothing: its caller closes it over this with reason "slow-reader".
        request_timeout_ms: after it a request counts no more in the window.
        hb: heartbeats.
        messages: limits of a single message.
    """

    max_frame_bytes: int = framing.MAX_FRAME_BYTES
    handshake_timeout_ms: int = 2_000
    window: int = 1_000
    max_frames_per_s: int = 20_000
    write_buffer_bytes: int = 4_194_304
    request_timeout_ms: int = 300
    hb: HeartbeatTimes = field(default_factory=HeartbeatTimes)
    messages: MessageLimits = field(default_factory=MessageLimits)


class LinkState(Struct, kw_only=True):
    """All that a link knows but the bytes of an incomplete frame.

    Attributes:
        framing: "undecided" until five bytes have come.
        wall_offset: what makes the caller's monotonic seconds seconds since the epoch.
        next_in: the number that the next frame must have; next_out: the one it will be sent with.
    """

    opened_at: float
    wall_offset: float
    watch: heartbeat.HeartbeatState
    bucket: flow.TokenBucket
    window: flow.Window
    phase: Phase = "greeting"
    framing: framing.Framing = "undecided"
    name: str | None = None
    side: Side | None = None
    session: str | None = None
    next_in: int = 1
    next_out: int = 1
    bytes_in: int = 0
    bytes_out: int = 0
    repetitions: int = 0
    refused: dict[int, int] = field(default_factory=dict)


class LinkStatistics(Struct, frozen=True, kw_only=True):
    """A link at one instant, for operators.

    Attributes:
        frames_in: frames received after the `hello`, repeated ones left out.
        frames_out: frames sent after the `hello`'s answer.
        repetitions: frames dropped because their number had been seen.
        refused: frames answered with `error`, by code.
        waiting: requests in the window.
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
    refused: dict[int, int]
    waiting: int
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
        window=flow.Window(limit=config.window),
    )


def statistics(state: LinkState) -> LinkStatistics:
    """Show a link as it is now."""
    return LinkStatistics(
        phase=state.phase,
        name=state.name,
        side=state.side,
        session=state.session,
        frames_in=state.next_in - 1,
        frames_out=state.next_out - 1,
        bytes_in=state.bytes_in,
        bytes_out=state.bytes_out,
        repetitions=state.repetitions,
        refused=dict(state.refused),
        waiting=len(state.window.open),
        missed_heartbeats=state.watch.missed,
        last_received=state.watch.received,
    )
