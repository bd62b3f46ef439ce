"""The end of a link in either framing: its phase, what was not taken apart yet, how it is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from protocols.cti.events import Closed, CloseReason

if TYPE_CHECKING:
    from protocols.cti.link_session import LinkSession
    from protocols.cti.link_state import LinkConfig, LinkStatistics, Phase
    from protocols.cti.messages import ErrorCode


class WrongPhaseError(RuntimeError):
    """The caller asked for what the link's phase does not allow; a mistake of the caller."""


class Ended(Protocol):
    """What is known of a connection, whatever its framing; ``LinkState`` says what it means."""

    phase: Phase
    opened_at: float
    refused: dict[int, int]


class TakesApart(Protocol):
    """What takes messages out of bytes."""

    @property
    def pending(self) -> bytes:
        """Bytes of an incomplete message."""

    @property
    def pending_bytes(self) -> int:
        """How many those are."""

    def feed(self, data: bytes, /) -> None:
        """Take more."""


State = TypeVar("State", bound=Ended)
Apart = TypeVar("Apart", bound=TakesApart)


class LinkEnd(ABC, Generic[State, Apart]):
    """What links in both framings do alike.

    Args:
        config: the limits that both framings have.
        state: of the new connection.
        decoder: of its framing.

    Attributes:
        lasting: whether its link session outlives it, for a peer that resumes.
        unit: what a message is called in its framing.
        successor: why a connection ends whose place another one takes.
        session: the link session that it carries; None until it is open.
    """

    lasting: ClassVar[bool]
    unit: ClassVar[str]
    successor: ClassVar[str]

    def __init__(self, config: LinkConfig, state: State, decoder: Apart) -> None:
        self.config = config
        self.state = state
        self.session: LinkSession | None = None
        self._decoder = decoder

    @abstractmethod
    def statistics(self) -> LinkStatistics:
        """What the link counted so far, and what its link session holds."""

    @abstractmethod
    def _fail(self, reason: CloseReason, code: ErrorCode, msg: str) -> list[Any]:
        """Tell the peer why the link is closed, and close it."""

    # Its end

    def eof(self) -> list[Any]:
        """The peer closed its side; nothing more will come."""
        if self._decoder.pending_bytes:
            return self.close("truncated", f"the connection ended within a {self.unit}")
        return self.close("peer", "the connection was closed by the peer")

    def replaced(self) -> list[Any]:
        """Another connection takes this one's place; this one says nothing more."""
        return self.close("replaced", self.successor)

    def close(self, reason: CloseReason, msg: str, code: ErrorCode | None = None) -> list[Any]:
        """End the link; its link session may be resumed where it is lasting.

        Args:
            reason: why.
            msg: for the log and, with a code, for the peer.
            code: framing A's, for what the peer is told first; None tells it nothing.
        """
        if self.state.phase == "closed":
            return []
        if code is not None:
            return self._fail(reason, code, msg)
        self.state.phase = "closed"
        return [Closed(reason, msg)]

    # Another process goes on with it

    @property
    def arrived(self) -> bytes:
        """What has come and was not taken apart: an incomplete message."""
        return self._decoder.pending

    def carry(self, state: State, session: LinkSession | None, arrived: bytes) -> None:
        """Be where another process's end of the connection was.

        Args:
            state: its state.
            session: the link session that it carries.
            arrived: its ``arrived``.
        """
        self.state = state
        self.session = session
        if arrived:
            self._decoder.feed(arrived)

    # For the parts of a link

    def _open_session(self, what: str) -> LinkSession:
        if self.state.phase != "open" or self.session is None:
            raise WrongPhaseError(f"{what} in phase {self.state.phase}")
        return self.session

    def _count_refusal(self, code: ErrorCode) -> None:
        self.state.refused[code] = self.state.refused.get(code, 0) + 1
