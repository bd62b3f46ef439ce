"""A served API on fakes, and a plain client: real sockets, no part of a node."""

import asyncio
import http.client
import json
import socket
import threading
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

import msgspec
import pytest

from actors import metrics
from actors.agent_table import KnownAgent
from actors.alarms import Alarm
from actors.channels.channels import Channels
from actors.channels_config import ChannelsConfig
from actors.config import Config, HttpConfig
from actors.customer_access import (
    CustomerService,
    CustomersUnavailable,
    CustomerView,
    NoSuchCustomer,
    NotANumber,
)
from actors.customer_journeys import CustomerJourney
from actors.journeys import PreviousCall, SessionJourney
from actors.reference.live import Reference
from actors.reference_access import TableRefused
from actors.reference_messages import Refused, Row, TableInfo
from actors.releases.port import Releases
from actors.router_messages import (
    FloorShown,
    QueueShown,
    RoutingNot,
    RoutingShown,
    RulesReplaced,
)
from actors.routing_access import RulesRefused
from actors.routing_core.agents import Agent
from actors.routing_core.rules_file import RulesVersion, parse
from actors.routing_core.waiting import Waiting
from actors.send_lists import SendLists
from actors.session_api import (
    Busy,
    Done,
    JourneyStep,
    KeyUsedOtherwise,
    NoSuchSession,
    RevConflict,
    RouteAnswer,
    SessionClosed,
    SessionView,
    StepDataLimit,
    UserDataLimit,
)
from actors.web import operations
from actors.web.api import Api
from actors.web.event_hub import EventHub
from actors.web.ports import (
    DatabaseReport,
    HostReport,
    NodeCounts,
    PoolBusy,
    PoolLimit,
    PoolReport,
    ReadinessReport,
)
from actors.web.server import WebServer
from actors.web.services import Services
from actors.web.tokens import SCOPES, open_store
from protocols.numbering import normalise
from supervision.anchor.messages import ExitCode, Refusal
from supervision.introspection import (
    ActorDetail,
    ActorRow,
    ActorState,
    DeadLetterRow,
    NoSuchActor,
    Pace,
    TreeNode,
)

WALL = 1_800_000_000.0
SESSION = "0123456789abcdef0123"
CLOSED = "c" * 20
BUSY = "b" * 20
COUNTS = NodeCounts(
    sessions=3,
    links=2,
    actors=19,
    restarts=1,
    dead_letters=4,
    handled=500,
    generation=2,
    uptime_s=61.5,
)
AGENTS = [
    KnownAgent(agent="anna", st="ready", since=WALL, at=WALL, cti="cti-1", skills={"tax": 3}),
    KnownAgent(agent="bert", st="busy", since=WALL - 1, at=WALL, cti="cti-1", dev="7002"),
]
ALARMS = [
    Alarm(name="disk-low", path="node/callSup", severity="minor", text="1 %", since=WALL, at=WALL),
    Alarm(
        name="journal-failing",
        path="node/callSup/contextStore",
        severity="critical",
        text="the disk is full",
        since=WALL + 1,
        at=WALL + 3,
        repeats=2,
    ),
]


def row(path, record=ActorRow, **changes):
    fields = {
        "path": path,
        "name": path.rpartition("/")[2],
        "kind": "worker",
        "status": "running",
        "incarnation": 1,
        "since": WALL,
        "restarts": 0,
        "mailbox": 0,
        "handled": 7,
    }
    return record(**fields | changes)


def lists():
    """One list for all applications."""
    keys = ("session", "ani", "ud.offer", "auth_level", "customer")
    return SendLists(Reference(), {"default": keys}, "FR")


class FakeTree:
    """An introspection of a few actors that notes what is done to them."""

    def __init__(self):
        self.rows = [row("node"), *(row(f"node/a{n}", mailbox=n % 3) for n in range(5))]
        self.done, self.pools, self.pace = [], set(), Pace()
        self.letters = [
            DeadLetterRow(
                number=n, at=WALL + n, target="x", sender="y", message="Ping", reason="noproc"
            )
            for n in (1, 2, 10)
        ]

    def _known(self, path):
        if path not in {known.path for known in self.rows}:
            raise NoSuchActor(path)

    async def tree(self, path, depth):
        self._known(path or "node")
        children = [row(known.path, TreeNode) for known in self.rows[1:]] if depth != 0 else []
        return row(path or "node", TreeNode, kind="supervisor", children=children)

    def found(self, under):
        self._known(under or "node")
        below = (known for known in self.rows if known.path.startswith(under or "node"))
        return (SimpleNamespace(address=known, row=known) for known in below)

    def column(self, found, name):
        return getattr(found.row, name)

    def row(self, found):
        return found.row

    def is_pool(self, path):
        return path in self.pools

    async def actor(self, path):
        self._known(path)
        return row(path, ActorDetail, handler_s={"p50": 0.001})

    async def state(self, path):
        self._known(path)
        return ActorState(path=path, incarnation=1, state={"calls": 3})

    async def _act(self, action, path, asked):
        self._known(path)
        self.done.append((action, path, asked))

    def __getattr__(self, name):
        if name not in ("suspend", "resume", "restart", "kill", "stop", "terminate", "delete"):
            raise AttributeError(name)
        return partial(self._act, name)

    def dead_letters(self):
        return self.letters


class FakeDatabase:
    """Two hosts, and a pool of 1 to 8."""

    def __init__(self):
        self.connections, self.busy = 4, False

    def _pool(self):
        if self.busy:
            raise PoolBusy
        return PoolReport(connections=self.connections, configured=4, limit=8, hosts=2, leaving=0)

    async def report(self):
        host = HostReport(role="primary", why="", breaker="closed", failed=0, opened=0)
        return DatabaseReport(
            state="up",
            primary="a",
            hosts={"a": host},
            connections={"odbcConnection-1": "idle"},
            waiting=0,
            running=0,
            queries=7,
            pool=self._pool(),
            customers={},
        )

    async def resize(self, connections):
        if connections > 8:
            raise PoolLimit("1 to 8 (database.max_connections)")
        self.connections = connections
        return self._pool()


class FakeCustomers:
    """One customer; a number that is nobody's; one that nobody can tell of."""

    known, nobody, silent = "+33142345678", "+33142999999", "+33142000000"

    def __init__(self):
        self.forgotten = []

    async def show(self, msisdn, limit):
        number = normalise(msisdn, "FR").number
        refused = {self.nobody: NoSuchCustomer, self.silent: CustomersUnavailable}
        if number != self.known:
            raise refused.get(number, NotANumber)("a reason")
        step = JourneyStep(ts=WALL, step="menu", ev="choice", app="welcome", data={"key": 1})
        journey = CustomerJourney(
            session=SESSION,
            call="c-1",
            state="closed",
            opened=WALL,
            updated=WALL,
            apps=["welcome"],
            steps=[step],
        )
        return CustomerView(
            msisdn=number,
            facts={"id": "c-7", "segment": "gold", "products": ["fibre", "mobile"], "vip": True},
            source="database",
            platform="north",
            services=[CustomerService(code="fibre", label="Fibre", rp="support", open=True)],
            journeys=[journey][:limit],
            journeys_missing="",
            age_ms=1500.0,
            stale=True,
        )

    async def forget(self, msisdn):
        if msisdn == self.silent:
            raise CustomersUnavailable("a reason")
        self.forgotten.append(msisdn)
        return 2


class FakeSessions:
    """Sessions in a dict, with the refusals of real ones; they remember keys."""

    def __init__(self):
        self.views = {}
        self.keys = {}
        self.done = []
        self.blocked = None

    def _view(self, session):
        if session == CLOSED:
            raise SessionClosed(session)
        if session == BUSY:
            raise Busy(1.5)
        if session not in self.views:
            raise NoSuchSession(session)
        return self.views[session]

    def _keep(self, view):
        self.views[view.session] = view
        return view

    def _before(self, once):
        """What was answered under a key, and nothing under none."""
        if once is None or once.key not in self.keys:
            return None
        fingerprint, done = self.keys[once.key]
        if fingerprint != once.fingerprint:
            raise KeyUsedOtherwise
        return msgspec.structs.replace(done, repeated=True)

    def _did(self, request, done):
        self.done.append(request)
        if request.once is not None:
            self.keys[request.once.key] = (request.once.fingerprint, done)
        return done

    def _of_call(self, call):
        return next((view for view in self.views.values() if view.call == call), None)

    def knows(self, call, once):
        return self._of_call(call) is not None or (once is not None and once.key in self.keys)

    async def open(self, request):
        if len(msgspec.msgpack.encode(request.ud)) > 1000:
            raise UserDataLimit(1000)
        if before := self._before(request.once):
            return before
        if view := self._of_call(request.call):
            return self._did(request, Done(view))
        fields = {name: getattr(request, name) for name in ("call", "ani", "dnis", "lang", "ud")}
        view = SessionView(session=SESSION, rev=1, state="new", opened=WALL, updated=WALL, **fields)
        return self._did(request, Done(self._keep(view), created=True))

    def seen(self, session):
        return self.views.get(session) if self.blocked is None else None

    async def get(self, session):
        if self.blocked is not None:
            await self.blocked.wait()
        return self._view(session)

    async def find(self, request):
        return [
            view
            for view in self.views.values()
            if view.call == request.call or (request.ani and view.ani == request.ani)
        ]

    async def patch(self, session, request):
        view = self._view(session)
        if request.rev != view.rev:
            raise RevConflict(view.rev)
        ud = dict(view.ud)
        fields = {key: value for key, value in request.set.items() if not key.startswith("ud.")}
        ud |= {key[3:]: value for key, value in request.set.items() if key.startswith("ud.")}
        for key in request.delete:
            ud.pop(key[3:], None)
        return self._keep(msgspec.structs.replace(view, rev=view.rev + 1, ud=ud, **fields))

    async def add_step(self, session, request):
        if len(msgspec.msgpack.encode(request.data)) > 1000:
            raise StepDataLimit(1000)
        view = self._view(session)
        if self.blocked is not None:
            await self.blocked.wait()
        if before := self._before(request.once):
            return before
        step = JourneyStep(ts=WALL, step=request.step, ev=request.ev, data=request.data)
        view = self._keep(msgspec.structs.replace(view, journey=[*view.journey, step]))
        return self._did(request, Done(view, steps=len(view.journey)))

    async def route(self, session, request):
        view = self._view(session)
        if before := self._before(request.once):
            return before
        answer = RouteAnswer(
            target="7001", rtype="direct", session=session, rev=view.rev, reason=request.rp
        )
        return self._did(request, Done(answer))

    async def close(self, session, request):
        view = self._view(session)
        if before := self._before(request.once):
            return before
        return self._did(request, Done(self._keep(msgspec.structs.replace(view, state="closed"))))


class FakeJourneys:
    """One previous call of every session."""

    def __init__(self, sessions):
        self.sessions = sessions

    async def of(self, session, *, across, calls=None):
        view = await self.sessions.get(session)
        found = SessionJourney(session=session, call=view.call, journey=view.journey)
        if not across:
            return found
        before = PreviousCall(
            session="e" * 20, call="c-0", state="closed", opened=1.0, updated=2.0, link="ani"
        )
        return msgspec.structs.replace(
            found, previous=[before][:calls], complete=False, missing="the database is down"
        )


class FakeReadiness:
    """Readiness as a test sets it."""

    ready = True
    there = True

    def report(self):
        return ReadinessReport(ready=self.ready, parts={"cti": "accepting"})

    def recovered(self):
        return self.there


class FakeOverload:
    """Refuses what a test says, and notes who asked."""

    def __init__(self):
        self.rules = {}
        self.asked = []

    def refuses(self, who):
        self.asked.append(who)
        return self.rules.get(who, "")


class FakeRouting:
    """A router with one queue."""

    def __init__(self):
        self.asked, self.applied = [], []

    async def shown(self):
        queue = QueueShown(
            queue="sales", strategy="skills", waiting=1, ready=0, staffed=2, expected_wait_s=9.0
        )
        return RoutingShown(
            version=RulesVersion(3, "ab"),
            source="mine.toml",
            points=("sales",),
            queues=(queue,),
            agents=2,
            waiting=1,
            placed=0,
            kept=0,
            decided={"queued": 1},
        )

    async def floor(self):
        agents = (Agent("bob", "7", {}, 1), Agent("ann", "8", {"sales": 2}, 2))
        return FloorShown(agents, (Waiting("c1", "sales", WALL),))

    async def explain(self, request, at):
        self.asked.append((request, at))
        return {"decision": {"target": "7001"}}

    async def apply(self, content, *, dry=False):
        found = parse(content, "routing.toml")
        if found.version.number <= 3:
            raise RulesRefused(RoutingNot("version", "must go up"))
        self.applied.append((content, dry))
        return RulesReplaced(found.version, RulesVersion(3, "ab"))


class FakeReference:
    """Two tables; what is asked of them is noted, and answered as a test says."""

    def __init__(self):
        self.asked, self.refused, self.late = [], None, False
        self.infos = tuple(
            TableInfo(table=name, version=2, rows=rows, bytes=10 * rows)
            for name, rows in (("PRDPTF", 5), ("infoRP", 3))
        )

    async def tables(self):
        return self.infos

    async def row(self, table, key):
        if key != "MAX":
            raise TableRefused(Refused("unknown-key", f"a key that {table} has", "key"))
        return Row(table, 2, {"product": key, "platform": "X"})

    async def switch(self, asked, within_s):
        self.asked.append(asked)
        if self.refused is not None:
            raise TableRefused(self.refused)
        return None if self.late else self.infos[0]


def anchored(data):
    """Releases of a data directory, with an anchor that a test scripts."""
    told, asked, answers = [], [], {}

    async def ask(op, args):
        asked.append((op, dict(args)))
        answer = answers.get(op, Refusal(ExitCode.UNREACHABLE, "the anchor is gone"))
        if isinstance(answer, asyncio.Future):
            return await answer
        if isinstance(answer, Refusal):
            raise answer
        return answer

    releases = Releases(data, ask, told.append)
    releases.told, releases.asked, releases.answers = told, asked, answers
    return releases


def channels(data, **config):
    """Channels without a node."""
    kernel = SimpleNamespace(clock=SimpleNamespace(wall=lambda: WALL))
    found = Config(channels=ChannelsConfig(**config))
    return Channels.make(kernel, found, data, None, standby=None, refuses=lambda: "")


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def rule(self):
        """Status, last part of the problem's URI, and field."""
        members = self.json()
        assert self.headers["content-type"] == "application/problem+json"
        assert members["status"] == self.status
        return self.status, members["type"].rpartition(":")[2], members.get("field")


@dataclass
class Site:
    """A served API on a loop in a thread of its own."""

    services: Services
    operations: tuple
    secrets: dict
    who: dict = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def start(self):
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.api = Api(self.services, self.operations)
        self.server = self.soon(WebServer, self.api, self.services.config)
        self.do(self.server.start(self._listening))

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def soon(self, function, *args):
        async def call():
            return function(*args)

        return self.do(call())

    def stop(self):
        self.do(self.server.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        self._listening.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, method, path, body=None, *, scope="operator", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = dict(headers or {})
        if scope is not None:
            sent.setdefault("Authorization", f"Bearer {self.secrets[scope]}")
        if body is not None and not isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.ask("POST", path, body, **options)

    def raw(self, data):
        """Send bytes, return everything that comes back until the server closes."""
        with self.connect() as connection:
            connection.sendall(data)
            received = b""
            while chunk := connection.recv(65_536):
                received += chunk
        return received


@pytest.fixture
def make_site(tmp_path):
    """Makes sites with configurations of their own."""
    sites = []

    def make(**config):
        tokens, operator = open_store(tmp_path, WALL)
        http_config, sessions = HttpConfig(**config), FakeSessions()
        services = Services(
            version="1.2.3",
            config=http_config,
            readiness=FakeReadiness(),
            introspection=FakeTree(),
            sessions=sessions,
            events=EventHub("ab", keep=50, max_subscriptions=http_config.max_event_streams),
            tokens=tokens,
            metrics=metrics.REGISTRY,
            region="FR",
            counts=lambda: COUNTS,
            alarms=lambda: ALARMS,
            agents=lambda: AGENTS,
            overload=FakeOverload(),
            sent=lists().fields,
            journeys=FakeJourneys(sessions),
            wall=lambda: WALL,
            database=FakeDatabase(),
            reference=FakeReference(),
            routing=FakeRouting(),
            customers=FakeCustomers(),
            releases=anchored(tmp_path),
            channels=channels(tmp_path),
        )
        table = operations.http("1.2.3", metrics_public=http_config.metrics_public)
        site = Site(services, table, {"operator": operator})
        sites.append(site)
        site.start()
        for scope in SCOPES:
            site.secrets[scope], token = site.do(tokens.create(scope, scope, WALL))
            site.who[scope] = f"{scope} ({token.id})"
        return site

    yield make
    for site in sites:
        site.stop()


@pytest.fixture
def site(make_site):
    """A site with the configuration that ships."""
    return make_site()
