"""What the API needs from the rest of the node, as protocols; the node provides them.

Every method is called on the node's loop. Where a method is async its caller may be cancelled when
the request's time is up.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    Done,
    FindSessions,
    IdempotentKey,
    OpenSession,
    PatchSession,
    RouteFromIvr,
    SessionView,
)


class ReadinessReport(Struct, frozen=True, kw_only=True):
    """Whether the node takes traffic, and each part's word on it.

    Attributes:
        ready: What `/readyz` answers: 200 or 503.
        parts: State of each part by name, such as `{"cti": "accepting", "database": "down"}`.
    """

    ready: bool
    parts: dict[str, str]


class NodeCounts(Struct, frozen=True, kw_only=True):
    """How much there is in the node now, and what it has done since it started.

    Attributes:
        sessions: Sessions in memory.
        links: CTI links open.
        actors: Actors that live.
        restarts: Actors restarted by their supervisor.
        dead_letters: Messages that nobody took.
        handled: Messages handled.
        generation: Number of this node process since the anchor started.
        uptime_s: How long this node process has run, seconds.
    """

    sessions: int
    links: int
    actors: int
    restarts: int
    dead_letters: int
    handled: int
    generation: int
    uptime_s: float


class Readiness(Protocol):
    """Tells whether the node takes traffic."""

    def report(self) -> ReadinessReport:
        """The state of each part, now."""
        ...

    def recovered(self) -> bool:
        """Whether the sessions are there that the last process left; true for good from then on."""
        ...


class Sessions(Protocol):
    """The calls' sessions.

    Each method that is given an id raises `NoSuchSession` for an unknown one, `SessionClosed` when
    the session no longer answers, and `Busy` when it cannot answer now. A change is durable when
    its method returns; where it raises `Busy` it may have been made. What carries a key is done
    once, and `KeyUsedOtherwise` raised for one that came with other content before.
    """

    def knows(self, call: str, once: IdempotentKey | None) -> bool:
        """Whether `open` would open nothing: the call has a session, or the key is known."""
        ...

    async def open(self, request: OpenSession) -> Done:
        """Open a session, or find the one that the call has.

        Returns:
            The session, and whether it was opened by this request.

        Raises:
            Busy: The node has as many sessions as it may.
            UserDataLimit: The user data is too large.
        """
        ...

    async def get(self, session: str) -> SessionView:
        """The session as it is now."""
        ...

    async def find(self, request: FindSessions) -> list[SessionView]:
        """Look sessions up; closed ones are found in the store."""
        ...

    async def patch(self, session: str, request: PatchSession) -> SessionView:
        """Change a session.

        Raises:
            RevConflict: The change was based on another revision.
            UserDataLimit: The user data would be too large.
        """
        ...

    async def add_step(self, session: str, request: AddJourneyStep) -> Done:
        """Note a step of the caller's journey.

        Raises:
            StepDataLimit: The step's data is too large.
        """
        ...

    async def route(self, session: str, request: RouteFromIvr) -> Done:
        """Decide where the call goes."""
        ...

    async def close(self, session: str, request: CloseSession) -> Done:
        """End the session; it answers for its linger time."""
        ...
