"""What is counted goes on, and so do alarms, tokens and the lines of the log."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import msgspec
import pytest
from journal_kit import journal
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from actors.alarms import Alarms
from actors.config import OverloadConfig
from actors.log_sup import LogSup
from actors.log_writer import LogSettings
from actors.open_count import OpenCount
from actors.overload import CALM, INTERVAL_S, Overload
from actors.standby import Standby
from actors.takeover import counted
from actors.takeover.counters import CountersPart
from actors.web.tokens import TokenStore
from supervision import SHUTDOWN, ChildSpec, GenServer, Supervisor, SupervisorFlags, actor_system
from supervision.release.carrier import NoConversion
from supervision.testing import Kit

LIMITS = OverloadConfig(new_after_ms=50, all_after_ms=150)


@pytest.fixture
def numbers(monkeypatch):
    """Metrics of the test's own, in the place of the node's."""
    registry = CollectorRegistry()

    def made(suffix=""):
        return {
            "ASKED": Counter("asked", "x", ("who", "why"), registry=CollectorRegistry()),
            "ALONE": Counter("alone", "x", registry=CollectorRegistry()),
            "TOOK": Histogram("took", "x", ("who",), buckets=(0.1, 1.0, 2.0), registry=registry),
            "OPEN": Gauge("open" + suffix, "x", registry=registry),
        }

    one = SimpleNamespace(**made())
    monkeypatch.setattr(counted, "metrics", one)
    return one


def samples(metric):
    """What Prometheus sees, without the time of its making."""
    (family,) = metric.collect()
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for one in family.samples
        if not one.name.endswith("_created")
    }


def through(states):
    """As it travels."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(states), type=list[counted.Counted])


def test_counters_and_histograms_go_on_and_gauges_do_not(numbers, monkeypatch):
    numbers.ASKED.labels("a", "b").inc(3)
    numbers.ASKED.labels("a", "c").inc(0.5)
    numbers.ALONE.inc(2)
    numbers.OPEN.set(7)
    for seconds in (0.05, 0.5, 1.5, 9.0):
        numbers.TOOK.labels("x").observe(seconds)
    before = [samples(one) for one in (numbers.ASKED, numbers.ALONE, numbers.TOOK)]
    travelled = through(counted.written())
    later = SimpleNamespace(
        ASKED=Counter("asked", "x", ("who", "why"), registry=None),
        ALONE=Counter("alone", "x", registry=None),
        TOOK=Histogram("took", "x", ("who",), buckets=(0.1, 1.0, 2.0), registry=None),
        OPEN=Gauge("open", "x", registry=None),
    )
    monkeypatch.setattr(counted, "metrics", later)
    counted.add(travelled)
    assert [samples(one) for one in (later.ASKED, later.ALONE, later.TOOK)] == before
    assert samples(later.OPEN) == {("open",): 0.0}


def test_a_metric_that_has_changed_takes_what_it_can(numbers, monkeypatch):
    numbers.ASKED.labels("a", "b").inc(3)
    numbers.ASKED.labels("a", "c").inc(4)
    numbers.ALONE.inc(2)
    for seconds in (0.05, 0.5, 1.5, 9.0):
        numbers.TOOK.labels("x").observe(seconds)
    travelled = through(counted.written())
    later = SimpleNamespace(
        ASKED=Counter("asked", "x", ("who", "new"), registry=None),
        ALONE=Histogram("alone", "x", registry=None),
        TOOK=Histogram("took", "x", ("who",), buckets=(0.2, 2.0, 5.0), registry=None),
    )
    monkeypatch.setattr(counted, "metrics", later)
    counted.add(travelled)
    assert samples(later.ASKED) == {("asked_total", ("new", ""), ("who", "a")): 7.0}
    assert samples(later.ALONE)["alone_count",] == 0.0
    took = samples(later.TOOK)
    who = ("who", "x")
    bounds = ("0.2", "2.0", "5.0", "+Inf")
    assert [took["took_bucket", ("le", bound), who] for bound in bounds] == [1, 3, 3, 4]
    assert took["took_sum", who] == pytest.approx(11.05)


def test_the_metrics_of_a_node_are_known():
    names = {one.name for one in counted.written()}
    assert {"vigie_route_seconds", "vigie_http_requests", "vigie_shed"} <= names
    assert "vigie_probation_failures" not in names
    assert "vigie_http_connections" not in names


# The part


class Counting(Kit):
    """A node of which only what is counted is there."""

    def __init__(self, data):
        super().__init__()
        self.journal = journal(self)
        self.alarms = Alarms(self.kernel)
        self.count = OpenCount(data / "sessions.open")
        self.tokens = TokenStore.load(data / "tokens.json")
        self.overload = Overload(self.kernel, LIMITS, self.alarms)
        self.part = CountersPart(
            self.kernel,
            self.journal,
            self.alarms,
            self.count,
            self.tokens,
            overload=self.overload,
        )


@pytest.fixture
def pair(tmp_path):
    with Counting(tmp_path) as old, Counting(tmp_path) as new:
        yield old, new


def switched(old, new):
    new.part.unpack(2, old.part.pack(2).body, ())
    new.run(new.part.switch())


def test_alarms_go_on_without_being_told_again(pair):
    old, new = pair
    old.loop.run(old.alarms.raised, "disk-low", "node/a", "12 MB", "critical")
    old.loop.run(old.alarms.raised, "disk-low", "node/a", "11 MB", "critical")
    old.loop.run(old.alarms.raised, "overload", "node/b", "much")
    new.loop.run(new.alarms.raised, "overload", "node/b", "much here too")
    told = len(new.reported("alarm"))
    switched(old, new)
    active = {one.name: one for one in new.alarms.active()}
    assert [*active] == ["disk-low", "overload"]
    assert (active["disk-low"].text, active["disk-low"].repeats) == ("11 MB", 1)
    assert (active["overload"].text, active["overload"].repeats) == ("much here too", 1)
    assert len(new.reported("alarm")) == told
    new.loop.run(new.alarms.cleared, "disk-low")
    assert [*(one.name for one in new.alarms.active())] == ["overload"]


def test_an_alarm_that_nobody_would_clear_is_left_out(pair):
    old, new = pair
    old.loop.run(old.alarms.raised, "of-an-older-release", "node", "gone since")
    switched(old, new)
    assert new.alarms.active() == []


def refused(node, asked=100):
    """How many of so many new calls are refused now."""
    return sum(bool(node.overload.refuses("new")) for _ in range(asked))


def strained(node, wait_s=0.06):
    """Have what is handled wait so long, for two seconds."""
    node.loop.run(node.overload.begin)
    for _ in range(round(2.0 / INTERVAL_S)):
        node.overload.note(wait_s)
        node.advance(INTERVAL_S)


def test_a_node_that_refuses_new_calls_goes_on_refusing_them_in_the_new_process(pair):
    old, new = pair
    strained(old)
    share = refused(old)
    assert share > 50
    assert refused(new) == 0
    switched(old, new)
    assert refused(new) == share
    assert new.overload.level == old.overload.level


def test_a_node_that_refuses_in_the_new_process_recovers_there(pair):
    old, new = pair
    strained(old)
    new.loop.run(new.overload.begin)
    new.advance(60.0)
    new.kernel.hold_timers()  # it waits for its turn
    new.clock.advance(30.0)
    switched(old, new)
    new.loop.run(new.kernel.release_timers)
    new.advance(INTERVAL_S)
    assert 0 < new.overload.level.shed <= old.overload.level.shed  # nobody was late in standby
    new.advance(LIMITS.recover_s + 1.0)
    assert refused(new) == 0
    assert "overload" not in new.alarms


def test_a_release_that_says_nothing_of_overload_is_taken_for_calm(pair):
    old, new = pair
    strained(old)
    body = old.part.pack(1).body
    assert "level" not in msgspec.msgpack.decode(body)
    new.part.unpack(1, body, ())
    new.run(new.part.switch())
    assert new.overload.level == CALM


def test_what_the_journal_has_done_and_what_was_lost_is_counted_on(pair):
    old, new = pair
    old.journal.measures.committed(5, 0.001)
    old.journal.measures.failures = 2
    old.count.add_lost(3)
    new.journal.measures.committed(1, 0.001)
    switched(old, new)
    done = new.journal.measures
    assert (done.commits, done.rows, done.failures) == (2, 6, 2)
    assert new.count.lost == 3


def test_a_token_that_was_made_while_the_new_process_waited_lets_in(pair):
    old, new = pair
    secret, _ = asyncio.run(old.tokens.create("admin", "late", 1.0))
    assert new.tokens.authenticate(secret, 1.0) is None
    switched(old, new)
    assert new.tokens.authenticate(secret, 1.0).name == "late"


def test_a_damaged_file_of_tokens_leaves_those_that_were_known(tmp_path):
    with Counting(tmp_path) as old:
        secret, _ = asyncio.run(old.tokens.create("admin", "known", 1.0))
        with Counting(tmp_path) as new:
            (tmp_path / "tokens.json").write_text("{")
            switched(old, new)
            assert new.tokens.authenticate(secret, 1.0).name == "known"
            (report,) = new.reported("degraded")
            assert report.data["part"] == "tokens"


def test_another_version_is_no_state(pair):
    old, new = pair
    with pytest.raises(NoConversion, match="counters"):
        old.part.pack(9)
    with pytest.raises(NoConversion, match="counters"):
        new.part.unpack(9, b"\x80", ())
    with pytest.raises(ValueError, match=r".+"):
        new.part.unpack(2, b"\x90", ())


class Busy(GenServer):
    """Handles what it is sent."""

    def handle_info(self, message, sender):
        pass


def test_how_long_handlers_took_goes_on(pair):
    old, new = pair
    old.kernel.sample(None, Busy(), 0.004)
    new.kernel.sample(None, Busy(), 0.004)
    switched(old, new)
    assert new.kernel.latencies[Busy].count == 2
    assert new.kernel.latencies[Busy].total_s == pytest.approx(0.008)


def test_handlers_of_two_classes_of_one_name_are_told_apart(pair):
    class Others:
        class Busy(GenServer):
            """Another one."""

    old, new = pair
    old.kernel.sample(None, Busy(), 0.004)
    old.kernel.sample(None, Others.Busy(), 0.004)
    old.kernel.sample(None, Others.Busy(), 0.004)
    switched(old, new)
    assert new.kernel.latencies[Busy].count == 1
    assert new.kernel.latencies[Others.Busy].count == 2


def test_handlers_of_a_class_that_has_moved_go_on_where_its_name_is_the_only_one(pair):
    class Moved(GenServer):
        """Once in another module."""

    _, new = pair
    once = counted.Handled([1], 0.004)
    names = ("actors.gone.Moved", "Moved", "actors.gone.Gone")
    counted.add_latencies(new.kernel, dict.fromkeys(names, once))
    assert {kind: one.count for kind, one in new.kernel.latencies.items()} == {Moved: 2}


def test_handlers_of_an_actor_that_is_watched_are_those_of_its_class(pair):
    derived = type("Busy", (Busy,), {"__module__": __name__, "__qualname__": "Busy"})
    old, new = pair
    old.kernel.sample(None, Busy(), 0.004)
    old.kernel.latencies[derived] = old.kernel.latencies[Busy]
    switched(old, new)
    assert {kind: one.count for kind, one in new.kernel.latencies.items()} == {Busy: 1}


# The log


class Top(Supervisor):
    """logSup alone."""

    def init(self, args):
        return SupervisorFlags(), [ChildSpec("logSup", LogSup, args, type="supervisor")]


def messages(directory):
    """What is in the file of traces."""
    path = directory / "vigie.jsonl"
    return path.read_text().splitlines() if path.exists() else []


async def node_with_log(settings):
    kernel = actor_system(loop=asyncio.get_running_loop())._systemBase.kernel
    await kernel.start_root(Top(), settings, "node", lambda: None)
    return kernel


async def quiet(kernel):
    """Until every mailbox is empty."""
    async with asyncio.timeout(30):
        while kernel.waiting:  # noqa: ASYNC110 - the kernel tells nobody of that
            await asyncio.sleep(0)


def test_the_new_process_writes_no_trace_file_before_the_switch(tmp_path):
    async def scenario():
        traces, standby = tmp_path / "traces", Standby(waiting=True)
        resource = {"service.name": "vigie"}
        old = await node_with_log(LogSettings(directory=traces, resource=resource))
        new = await node_with_log(LogSettings(directory=traces, resource=resource, standby=standby))
        new.report("degraded", "node", part="of the new one", why="waits")
        await quiet(new)
        old.report("degraded", "node", part="of the old one", why="last")
        await quiet(old)
        part = CountersPart(old, None, None, None, None, overload=None)
        await part.stop()
        before = messages(traces)
        assert any("of the old one" in one for one in before)
        assert not any("of the new one" in one for one in before)
        standby.open()
        await CountersPart(new, None, None, None, None, overload=None).stop()
        assert any("of the new one" in one for one in messages(traces)[len(before) :])
        for kernel in (old, new):  # else it goes on hearing what other tests log
            await kernel.future_of(kernel.stop(kernel.roots["node"], SHUTDOWN, 20.0))

    asyncio.run(scenario())
