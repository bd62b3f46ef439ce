"""A node in virtual time with the call path on it, and a link that a test plays."""

from __future__ import annotations

from itertools import count

from journal_kit import StepWriter, journal

from actors.call_messages import CallSettings, RouteAnswered
from actors.call_names import link_name
from actors.call_sup import SessionSup, SessionSupArgs
from actors.config import Config, RoutingConfig, RoutingPoint, SessionsConfig
from actors.journal_codecs import codecs
from actors.router import Router
from actors.routing import marks, table_of
from actors.routing_desk import RoutingDesk
from actors.send_lists import NO_LISTS
from actors.session_opening import Openings
from actors.session_pool import SessionPool
from actors.standby import Standby
from protocols.cti.messages import RouteRequest
from supervision import ChildSpec, SupervisorFlags
from supervision.testing import Kit

POINTS = {"sales": RoutingPoint(target="7001", rtype="direct", alternates=("7002", "7009"))}


def config(routing=None, **sessions):
    routing = RoutingConfig(**(routing or {}))
    return Config(rp=POINTS, sessions=SessionsConfig(**sessions), routing=routing)


class Count:
    """In the place of OpenCount."""

    def __init__(self):
        self.sessions = set()
        self.begun = False

    def begin(self):
        self.begun = True

    def go_on(self):
        self.begun = True

    @property
    def open(self):
        return len(self.sessions)

    def opened(self, session):
        self.sessions.add(session)

    def ended(self, session):
        self.sessions.discard(session)


class CallKit(Kit):
    """Router, sessionSup and a journal that commits at once, or as a test says.

    Args:
        writer: the disk; that of an earlier kit has what was committed there.
        on_stall: of the journal.
        clock: that of an earlier kit goes on; None is a new one.
        standby: whether it waits for the sessions of another kit.
        count: of the open sessions.
        lists: what goes along with calls.
        sessions: keys of ``[sessions]``; ``routing``: those of ``[routing]``.
    """

    confirm = None  # links of tests are actors, and are told

    def __init__(
        self,
        writer=None,
        on_stall="answer",
        clock=None,
        standby=False,
        count=None,
        *,
        lists=NO_LISTS,
        **sessions,
    ):
        super().__init__(clock=clock)
        self.standby = Standby(waiting=standby)
        if standby:
            self.kernel.hold_timers()
        self.config = config(**sessions)
        self.table = table_of(self.config)
        self.desk = RoutingDesk(self.table)
        self.count = Count() if count is None else count
        self.disk = StepWriter() if writer is None else writer
        clock = self.kernel.clock
        kinds = codecs(clock.wall, clock.monotonic)
        self.journal = journal(self, kinds, self.disk, gather_ms=0, gather_busy_ms=0)
        recovered = self.recovered = self.run(self.journal.open())
        self.settings = CallSettings(
            self.table,
            self.config.routing,
            self.config.sessions,
            self.count,
            self.journal,
            on_stall,
            self.desk,
            lists,
            self.confirm,
        )
        self.link = self.peer("link-1")
        self.start_supervisor(SupervisorFlags(), [ChildSpec("router", Router, self.desk)])
        self.router = self.base.whereis("router")
        self.pool = SessionPool()
        self.pool.recovered = recovered.values.get("session", {})
        args = SessionSupArgs(self.config.supervision, self.pool, self.settings, self.standby)
        spec = ChildSpec("sessionSup", SessionSup, args, type="supervisor")
        top = self.start_supervisor(SupervisorFlags(intensity=100), [spec], name="callSup")
        self.sessions = self.base.whereis("sessionSup")
        self.top = top
        self.openings = Openings(self.settings, "FR", self.pool.count)

    def peer(self, link):
        """A probe in the place of the actor of a link session."""
        probe = self.probe(link)
        self.loop.run(probe.register, link_name(link))
        return probe

    def marks(self, reply_ms=None):
        return marks(self.config.routing, self.clock.monotonic(), reply_ms)

    def open(self, call="c1", **fields):
        """Open the session of a call as a link does, and return its address."""
        request = route_request(call=call, **fields)
        opening = self.openings.for_route(request, self.clock.wall())
        return self.call("sessionSup", opening.request).address

    def state(self, session):
        return self.actor(session).state

    def answers(self, link=None):
        """The messages that sessions have sent to the link for its peer."""
        told = (self.link if link is None else link).take()
        return [one.message for one in told if isinstance(one, RouteAnswered)]

    def stored(self):
        """The closed sessions in the outbox, those included that are not committed."""
        committed = [value for _, value in self.disk.outbox()]
        return [*committed, *(item.value for item in self.journal.unwritten())]


_numbers = count(1)


def frame():
    """The number of one more frame, whatever link it is of."""
    return next(_numbers)


def route_request(call="c1", xref="x1", rp="sales", **fields):
    number = fields.pop("i", None) or frame()
    return RouteRequest(i=number, xref=xref, call=call, rp=rp, ts=1.0, **fields)
