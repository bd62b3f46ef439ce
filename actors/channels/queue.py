"""channelQueue: has conversations routed, and asks again for those that wait.

A telephone call is asked for by its CTI; nobody asks for a mail. This does: when it has come, when
the router keeps an agent for it, and now and then, for rules and agents change. Whom it asks for is
looked up again after a restart, a crash of the node, or an upgrade: what waits is in the sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from actors.channels.counts import CHANNELS
from actors.channels.messages import waits
from actors.router_messages import NAME as ROUTER
from actors.router_messages import KeptCalls, ShowKept
from actors.session_api import GetSession, NotDurable, RouteAnswer, RouteFromIvr, SessionView
from supervision import GenServer, Response, Timeout

if TYPE_CHECKING:
    from actors.session_pool import SessionPool
    from actors.standby import Standby

NAME = "channelQueue"

LOOK_S = 1.0
"""How often it is looked for whom an agent is kept, while something waits."""
SCAN_S = 60.0
"""How often all conversations are looked at, so that none is forgotten."""
ANSWER_S = 2.0
AT_ONCE = 100
"""Sessions asked in one look."""


class Arrived(Struct, frozen=True):
    """Cast: a conversation waits at a routing point.

    Attributes:
        session: its session.
        rp: where.
    """

    session: str
    rp: str


class QueueArgs(Struct, frozen=True):
    """What channelQueue starts with.

    Attributes:
        pool: the sessions that live.
        standby: whether the node serves.
        ask_again_s: how often the router is asked for what waits, seconds.
    """

    pool: SessionPool
    standby: Standby
    ask_again_s: float


class Entry(Struct):
    """A conversation that waits: where, and when to ask for it again, monotonic seconds."""

    rp: str
    due: float


class QueueState(Struct):
    """What channelQueue knows.

    Attributes:
        waiting: conversations without an agent, by session.
        asking: sessions whose answer is awaited, by request.
        scanned_at: when all were looked at last, monotonic seconds; None: never.
        unseen: calls that the scan has yet to look at.
        routed: conversations that were given a target.
    """

    waiting: dict[str, Entry] = {}
    asking: dict[int, str] = {}
    scanned_at: float | None = None
    unseen: list[Any] = []
    routed: int = 0


class ChannelQueue(GenServer):
    """See the module; its argument is a `QueueArgs`."""

    state: QueueState

    def init(self, args: QueueArgs) -> None:
        """Look for what waits as soon as the node serves."""
        self._args = args
        self.state = QueueState()
        self._kept: int | None = None
        self.register(NAME)
        self.start_timer(LOOK_S, "look")

    def handle_cast(self, request: Any) -> None:
        """Have what has come routed at once."""
        if not isinstance(request, Arrived):
            super().handle_cast(request)
            return
        self.state.waiting[request.session] = Entry(request.rp, self.now())
        self._route(request.session)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Look, or hear what was decided."""
        match message:
            case Timeout():
                self._look()
                self.start_timer(LOOK_S, "look")
            case Response(request_id, value, error):
                self._answered(request_id, value, error)
            case _:
                super().handle_info(message, sender)

    def format_status(self, state: QueueState) -> dict[str, Any]:
        """Numbers; not who waits, for these are callers."""
        return {"waiting": len(state.waiting), "asking": len(state.asking), "routed": state.routed}

    # Looking

    def _look(self) -> None:
        if self._args.standby.waiting or not self._args.pool.ready:
            return
        self._scan()
        now = self.now()
        due = [session for session, entry in self.state.waiting.items() if entry.due <= now]
        for session in due[:AT_ONCE]:
            self._route(session)
        if self.state.waiting and self._kept is None:
            self._kept = self.request(ROUTER, ShowKept(), ANSWER_S)

    def _scan(self) -> None:
        """Look at all conversations, some at a time: the registry knows their sessions by name."""
        state, now = self.state, self.now()
        if not state.unseen and (state.scanned_at is None or now >= state.scanned_at + SCAN_S):
            state.scanned_at = now
            state.unseen = [name for name in self.kernel.registry.names() if _is_ours(name)]
        seen, state.unseen = state.unseen[:AT_ONCE], state.unseen[AT_ONCE:]
        for name in seen:
            address = self.whereis(name)
            if address is not None and str(address.name) not in state.waiting:
                state.asking[self.request(address, GetSession(), ANSWER_S)] = str(address.name)

    def _route(self, session: str) -> None:
        entry = self.state.waiting[session]
        address = self._args.pool.address_of(session)
        if address is None:
            del self.state.waiting[session]
            return
        entry.due = self.now() + self._args.ask_again_s
        request = self.request(address, RouteFromIvr(entry.rp), ANSWER_S)
        self.state.asking[request] = session

    # Answers

    def _answered(self, request: int, value: Any, error: Any) -> None:
        if request == self._kept:
            self._kept = None
            self._serve(value)
            return
        session = self.state.asking.pop(request, None)
        if session is None:
            return
        entry = self.state.waiting.get(session)
        match value:
            case SessionView():
                self._found(value)
            case RouteAnswer() if entry is not None and "queue" not in (value.treat or {}):
                self.state.routed += 1
                del self.state.waiting[session]
            case None if error is not None and entry is not None:
                entry.due = self.now() + LOOK_S  # it is between two lives
            case NotDurable() if entry is not None:
                entry.due = self.now() + LOOK_S
            case RouteAnswer() | NotDurable() | None:
                pass
            case _:  # it is over
                self.state.waiting.pop(session, None)

    def _found(self, view: SessionView) -> None:
        is_open = view.state not in {"closed", "wrapup"}
        if is_open and view.media in CHANNELS and view.rp and waits(view.routing):
            self.state.waiting.setdefault(view.session, Entry(view.rp, self.now()))

    def _serve(self, kept: Any) -> None:
        """Ask for those whom an agent is kept for, before he goes to the next one."""
        if not isinstance(kept, KeptCalls):
            return
        for call in kept.calls:
            address = self.whereis(("call", call))
            if address is not None and str(address.name) in self.state.waiting:
                self._route(str(address.name))


def _is_ours(name: Any) -> bool:
    """Whether a name is that of a conversation's session."""
    return (
        isinstance(name, tuple) and name[0] == "call" and str(name[1]).partition("-")[0] in CHANNELS
    )
