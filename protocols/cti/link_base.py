"""What every part of a link needs: its phases, what it writes, how it ends."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from protocols.cti import framing, heartbeat, link_session, link_state, refusals
from protocols.cti.events import Closed, CloseReason, Event, Refused, Transmit
from protocols.cti.link_end import LinkEnd, WrongPhaseError
from protocols.cti.link_state import LinkState
from protocols.cti.messages import Ack, Error, ErrorCode, Message
from protocols.cti.parsing import to_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocols.cti.link_state import LinkConfig, LinkStatistics, Phase

Step = Literal["hello", "accept", "lost", "close"]

_PHASES: Final[Mapping[tuple[Phase, Step], Phase]] = MappingProxyType(
    {
        ("greeting", "hello"): "verifying",
        ("verifying", "accept"): "open",
        ("verifying", "lost"): "greeting",
        ("greeting", "close"): "closed",
        ("verifying", "close"): "closed",
        ("open", "close"): "closed",
    }
)


class LinkBase(LinkEnd[LinkState, framing.Decoder]):
    """The output and the end of a link; see `link.Link`.

    Args:
        config: its limits.
        now: the caller's monotonic clock when the connection was accepted, seconds.
        wall: the same instant in seconds since the epoch.
    """

    lasting = True
    unit = "frame"
    successor = "the peer resumed the link session by another connection"

    def __init__(self, config: LinkConfig, *, now: float, wall: float) -> None:
        state = link_state.start(config, now=now, wall=wall)
        super().__init__(config, state, framing.Decoder(config.max_frame_bytes))

    def send(self, message: Message, now: float) -> bytes:
        """Number a message and make its bytes, to be written in the order of the calls.

        An answer (`route.select`, `route.end`, `error`) takes its request out of the window; an
        `error` confirms the frame that it refuses.

        Raises:
            WrongPhaseError: the link is not open.
            FramingError: the message is too long for a frame; no number was used.
        """
        session, state = self.session, self.state
        if session is None or state.phase != "open":
            raise WrongPhaseError(f"send in phase {state.phase}")
        data = link_session.send(session, message, now)
        state.watch.sent = now
        state.frames_out += 1
        state.bytes_out += len(data)
        return data

    def ack(self, now: float) -> bytes:
        """Make the bytes that tell the peer how far its frames are durable.

        Args:
            now: monotonic seconds.

        Returns:
            An `ack`; nothing where the peer has been told.

        Raises:
            WrongPhaseError: the link is not open.
        """
        session, state = self.session, self.state
        if session is None or state.phase != "open":
            raise WrongPhaseError(f"ack in phase {state.phase}")
        last_i = session.durable_in
        if last_i <= state.told_in:
            return b""
        state.told_in = last_i
        return self.send(Ack(last_i=last_i), now)

    def unheard(self, seconds: float) -> None:
        """Nothing was read of the connection for some seconds, which do not count."""
        heartbeat.note_unheard(self.state.watch, seconds)
        if self.state.phase != "open":
            self.state.opened_at += seconds

    def statistics(self) -> LinkStatistics:
        """What the link counted so far, and what its link session holds."""
        return link_state.statistics(self.state, self.session)

    # For the parts of a link

    def _step(self, step: Step) -> None:
        phase = _PHASES.get((self.state.phase, step))
        if phase is None:
            raise WrongPhaseError(f"{step} in phase {self.state.phase}")
        self.state.phase = phase

    def _plain(self, message: Message) -> bytes:
        """Make the bytes of a message that has no number."""
        data = framing.encode(to_frame(message), max_bytes=self.config.max_frame_bytes)
        self.state.bytes_out += len(data)
        return data

    def _count_out(self, data: bytes) -> bytes:
        self.state.frames_out += 1
        self.state.bytes_out += len(data)
        return data

    def _refuse_frame(
        self, refused: Refused, now: float, until: float = link_session.FOR_EVER
    ) -> list[Event]:
        """Refuse a numbered frame, which counts as handled; the link goes on.

        Args:
            refused: why.
            now: monotonic seconds.
            until: when the peer is told in any case, where refusals are withheld.
        """
        self._count_refusal(refused.code)
        if self.config.withhold_refusals:
            refusals.refuse(self._open_session("refuse"), _error(refused), now, until)
            return [refused]
        return [Transmit(self.send(_error(refused), now)), refused]

    def _fail(
        self,
        reason: CloseReason,
        code: ErrorCode,
        msg: str,
        field: str | None = None,
        ref: int = 0,
    ) -> list[Event]:
        """Tell the peer why the link is closed, and close it."""
        refused = Refused(code, msg, field, ref)
        self._count_refusal(code)
        if self.state.phase == "open" and self.session is not None:
            data = self._count_out(link_session.number(self.session, _error(refused)))
        else:
            data = self._plain(_error(refused))
        self._step("close")
        return [Transmit(data), refused, Closed(reason, msg, code)]


def _error(refused: Refused) -> Error:
    return Error(code=refused.code, ref=refused.ref, msg=refused.msg, field=refused.field)
