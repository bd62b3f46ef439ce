"""contextStore: what it hands on, what it watches, and that its own end loses nothing."""

from types import SimpleNamespace

import msgspec
import pytest
from call_kit import CallKit
from journal_kit import StepWriter, journal

from actors.alarms import Alarms
from actors.context_store import ContextStore, StoreArgs
from actors.journal.records import JournalDamaged, JournalStatistics, Recovered
from actors.journal.writer import Sizes
from actors.journal_codecs import codecs
from actors.session_api import GetSession
from actors.session_data import Session
from actors.session_pool import SessionPool
from supervision import ChildSpec, SupervisorFlags
from supervision.portal import NotStarted
from supervision.testing import Kit

MB = 1_048_576


class Agents:
    """In the place of AgentTable."""

    def restore(self, agents):
        self.restored = list(agents)


class Links:
    """In the place of LinkTable."""

    def __init__(self):
        self.restored = []
        self.agents = Agents()

    def restore(self, records):
        self.restored.append(records)


class StoreKit(Kit):
    """A contextStore on a journal of its own."""

    def __init__(self, disk=None, **config):
        super().__init__()
        self.disk = StepWriter() if disk is None else disk
        clock = self.kernel.clock
        self.journal = journal(self, codecs(clock.wall, clock.monotonic), self.disk, **config)
        self.pool, self.links, self.alarms = SessionPool(), Links(), Alarms(self.kernel)
        self.args = StoreArgs(self.journal, self.pool, self.links, self.alarms, 256)

    def begin(self):
        spec = ChildSpec("contextStore", ContextStore, self.args)
        self.start_supervisor(SupervisorFlags(intensity=10), [spec], name="callSup")
        self.store = self.base.whereis("contextStore")

    def active(self):
        return {alarm.name: alarm for alarm in self.alarms.active()}


@pytest.fixture
def kit():
    with StoreKit() as kit:
        kit.begin()
        yield kit


def session(number):
    return Session(f"{number:024x}", f"c{number}", 1.0, 2.0)


def filled(count=3):
    """A disk with sessions on it."""
    with StoreKit() as kit:
        kit.begin()
        for number in range(count):
            one = session(number)
            kit.loop.run(kit.journal.put, "session", one.session, ("ivr", one))
        kit.settle()
    return kit.disk


def test_what_was_in_the_journal_is_handed_on_once():
    with StoreKit(disk=filled()) as kit:
        kit.begin()
        assert kit.pool.recovered == {one.session: ("ivr", one) for one in map(session, range(3))}
        assert kit.links.restored == [{}]
        [told] = kit.reported("recovered")
        assert (told.data["rows"], told.data["missing"]) == (3, 0)
        kit.faults.kill(kit.store)
        kit.settle()
        assert kit.store.incarnation == 2
        assert len(kit.links.restored) == 1
        assert kit.active() == {}


def test_a_kill_while_the_journal_is_opened_loses_nothing_of_it():
    with StoreKit(disk=filled()) as kit:
        opening = kit.journal.open

        async def killed_once():
            kit.journal.open = opening
            kit.kernel.loop.call_soon(kit.faults.kill, kit.base.whereis("store"))
            return await opening()

        kit.journal.open = killed_once
        with pytest.raises(NotStarted):
            kit.start(Named, kit.args)
        kit.begin()
        assert len(kit.pool.recovered) == 3


class Named(ContextStore):
    """Can be found while it is opening."""

    async def init(self, args):
        self.register("store")
        return await super().init(args)


def test_what_is_put_while_it_is_down_is_saved(kit):
    kit.disk.hold()
    kit.loop.run(kit.journal.put, "session", session(1).session, ("ivr", session(1)))
    kit.settle()
    kit.faults.kill(kit.store)
    kit.settle()
    kit.disk.release()
    kit.settle()
    assert kit.disk.value("session", session(1).session) is not None


def test_a_journal_that_cannot_be_opened_is_why_it_does_not_start():
    class Damaged(StepWriter):
        async def open(self, codecs):
            raise JournalDamaged(("row 7: its checksum is wrong",))

    with StoreKit(disk=Damaged()) as kit:
        with pytest.raises(NotStarted, match="row 7: its checksum is wrong"):
            kit.begin()
        assert isinstance(kit.journal.refused, JournalDamaged)


def test_it_says_that_commits_fail_for_as_long_as_they_do(kit):
    kit.disk.fail("database or disk is full")
    kit.loop.run(kit.journal.put, "session", session(1).session, ("ivr", session(1)))
    kit.settle()
    alarm = kit.active()["journal-failing"]
    assert (alarm.severity, alarm.text) == ("critical", "database or disk is full")
    kit.disk.heal()
    kit.advance(1.0)
    assert kit.active() == {}


def test_it_says_that_a_commit_hangs_without_an_error(kit):
    kit.disk.hold()
    kit.loop.run(kit.journal.put, "session", session(1).session, ("ivr", session(1)))
    kit.advance(3.0)
    assert "journal.stall_ms" in kit.active()["journal-failing"].text
    kit.disk.release()
    kit.advance(1.0)
    assert kit.active() == {}


def test_when_the_journals_thread_crashes_the_next_one_begins_another(kit):
    kit.disk.hold()
    kit.loop.run(kit.journal.put, "session", session(1).session, ("ivr", session(1)))
    kit.settle()
    kit.loop.run(kit.disk.crash)
    kit.settle()
    assert kit.store.incarnation == 2
    assert kit.journal.failing == "" or kit.active()["journal-failing"]
    kit.disk.release()
    kit.advance(2.0)
    assert kit.disk.value("session", session(1).session) is not None
    assert kit.active() == {}


def test_it_says_that_the_disk_is_getting_full(kit):
    sizes = SimpleNamespace(free=200 * MB)
    kit.disk.sizes = lambda: Sizes(0, 0, sizes.free)
    kit.advance(1.1)
    assert "200 MB" in kit.active()["disk-low"].text
    sizes.free = 260 * MB
    kit.advance(1.1)
    assert "disk-low" in kit.active()  # not clearly above yet
    sizes.free = 300 * MB
    kit.advance(1.1)
    assert kit.active() == {}


@pytest.mark.parametrize(
    ("changes", "severity"),
    [({"missing_commits": 4}, "critical"), ({"notes": ("acknowledged is cut",)}, "warning")],
)
def test_it_says_that_less_was_found_than_was_promised(changes, severity):
    class Short(StepWriter):
        async def open(self, codecs):
            found = await super().open(codecs)
            recovered = msgspec.structs.replace(found.recovered, **changes)
            return msgspec.structs.replace(found, recovered=recovered)

    with StoreKit(disk=Short()) as kit:
        kit.begin()
        alarm = kit.active()["journal-shortfall"]
        assert alarm.severity == severity
        assert "4 commits" in alarm.text or "acknowledged is cut" in alarm.text


def test_operators_see_how_the_journal_stands(kit):
    status = kit.actor(kit.store).status()
    assert set(status["journal"]) == set(JournalStatistics.__struct_fields__)
    assert status["recovered"]["missing_commits"] == 0
    assert isinstance(kit.call("contextStore", "statistics"), JournalStatistics)


def test_sessions_that_are_taken_in_are_ready_when_all_of_them_are():
    disk = filled(3)
    with CallKit(writer=disk) as kit:
        assert kit.pool.ready
        assert kit.count.begun
        assert kit.pool.count() == 3
        assert kit.pool.recovered == {}
        views = [kit.call(kit.pool.address_of(session(n).session), GetSession()) for n in range(3)]
        assert [view.call for view in views] == ["c0", "c1", "c2"]


@pytest.mark.parametrize(("megabytes", "severity"), [(65, "warning"), (257, "major")])
def test_a_log_that_grows_is_an_alarm_until_it_has_begun_anew(kit, megabytes, severity):
    kit.disk.sizes = lambda: Sizes(wal=megabytes * MB)
    kit.advance(1.0)
    alarm = kit.active()["journal-log"]
    assert alarm.severity == severity
    assert f"{megabytes} MB" in alarm.text
    assert "lsof" in alarm.text
    kit.disk.sizes = lambda: Sizes(wal=64 * MB)
    kit.advance(1.0)
    assert "journal-log" not in kit.active()


def test_a_failure_that_is_over_in_a_moment_does_not_go_unnoticed(kit):
    reports = []
    kit.kernel.reports.subscribe(reports.append)
    kit.journal.lost("journal.db was removed")
    kit.journal.renewed("journal.db was removed")
    kit.advance(0.1)
    told = [report.data for report in reports if report.kind == "alarm"]
    assert [(one["name"], one["state"]) for one in told] == [
        ("journal-failing", "raised"),
        ("journal-failing", "cleared"),
    ]
    assert told[0]["text"] == "journal.db was removed"
    assert "renewed" in {report.kind for report in reports}


def test_what_shows_that_the_journal_is_gone_is_part_of_the_alarm(kit):
    recovered = Recovered({}, 7, 0.1, 0, ("the journal that was in X is gone",))
    kit.loop.run(kit.store.cell.actor._hand_on, recovered)
    assert "7 commits" in kit.active()["journal-shortfall"].text
    assert "is gone" in kit.active()["journal-shortfall"].text
