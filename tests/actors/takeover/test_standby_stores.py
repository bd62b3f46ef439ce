"""What cares for the journal and the database waits in standby; rows of two releases, real ones."""

from __future__ import annotations

import asyncio
import shutil

import msgspec
import pytest
from changed_session import LATER, LaterSession
from journal_kit import OutboxItem, StepWriter, durable, journal, on_disk
from passing_journals import Node, take_over
from store_kit import item, view

from actors import call_saving, cti_record, outbox_reading, outbox_records
from actors.alarms import Alarms
from actors.call_messages import StoreSession
from actors.config import DatabaseConfig
from actors.context_store import ContextStore, StoreArgs
from actors.cti_record import LinkRecord
from actors.database import ROUTER, Executed, Query, Rows
from actors.etc_files import etc_file
from actors.journal import versions
from actors.journal.records import Codec
from actors.journal_codecs import codecs
from actors.migrations import load
from actors.outbox_records import REFUSED, Refused
from actors.session_data import Session
from actors.session_pool import SessionPool
from actors.session_record import SessionRecords
from actors.session_store import NAME as STORE
from actors.session_store import SessionStore
from actors.standby import Standby
from actors.store_records import StoreSettings
from protocols.cti.link_session import Record
from supervision import ChildSpec, SupervisorFlags
from supervision.release.versions import Conversions
from supervision.testing import Kit


class Links:
    """In the place of LinkTable."""

    def __init__(self):
        self.restored = []

    def restore(self, records):
        self.restored.append(records)


class Stores(Kit):
    """contextStore and sessionStore of a node that takes over."""

    def __init__(self, disk):
        super().__init__()
        clock = self.kernel.clock
        self.standby = Standby(waiting=True)
        self.journal = journal(self, codecs(clock.wall, clock.monotonic), disk)
        self.alarms, self.pool, self.links = Alarms(self.kernel), SessionPool(), Links()
        self.asked = []
        self.probe(ROUTER, answer=self._answer)
        store = StoreArgs(self.journal, self.pool, self.links, self.alarms, 256, self.standby)
        database = DatabaseConfig(dsn="postgresql:///x")
        settings = StoreSettings(database, self.journal, self.alarms, self.standby)
        specs = [
            ChildSpec("contextStore", ContextStore, store),
            ChildSpec(STORE, SessionStore, settings),
        ]
        self.start_supervisor(SupervisorFlags(intensity=100), specs, name="top")

    def _answer(self, request):
        self.asked.append(request)
        if isinstance(request, Query):
            applied = load(etc_file("sql"))
            return Rows([msgspec.to_builtins(one) | {"serves": None} for one in applied])
        return Executed(1)


@pytest.fixture
def disk():
    """A journal with a closed session that waits to be stored."""
    with Kit() as kit:
        clock, writer = kit.kernel.clock, StepWriter()
        one = journal(kit, codecs(clock.wall, clock.monotonic), writer)
        kit.run(one.open())
        kit.loop.run(one.append, item(view(1)))
        kit.settle()
    return writer


def taken_over(kit):
    """The other process has paused the journal, and this one goes on with it."""
    with Kit() as old:
        clock = old.kernel.clock
        before = journal(old, codecs(clock.wall, clock.monotonic), kit.journal._writer)
        old.run(before.open())
        passed = old.run(before.pause())
    kit.journal._writer.attach(kit.journal)
    kit.run(kit.journal.take_over(passed, ()))
    kit.loop.run(kit.standby.open)
    kit.settle()


def test_in_standby_nothing_is_opened_asked_or_told(disk):
    with Stores(disk) as kit:
        kit.advance(60.0)
        assert kit.asked == []
        assert kit.links.restored == []
        assert kit.alarms.active() == []
        assert not kit.journal._working
        assert kit.base.whereis("contextStore") is not None
        assert kit.actor(STORE).status()["schema"] == "waiting"


def test_at_the_switch_they_go_on_with_what_was_left(disk):
    with Stores(disk) as kit:
        taken_over(kit)
        kit.advance(5.0)
        assert kit.links.restored == []
        assert kit.actor(STORE).status()["stored"] == 1
        assert disk.outbox() == []
        assert kit.call("contextStore", "status").number == 2
        kit.journal._health.fails("the disk is full")
        kit.advance(1.0)
        assert "journal-failing" in kit.alarms


@pytest.mark.parametrize("name", ["contextStore", STORE])
def test_one_that_is_killed_in_standby_waits_again(disk, name):
    with Stores(disk) as kit:
        kit.faults.kill(kit.base.whereis(name))
        kit.settle()
        assert kit.asked == []
        taken_over(kit)
        kit.advance(5.0)
        assert kit.actor(STORE).status()["stored"] == 1
        assert len([one for one in kit.asked if isinstance(one, Query)]) == 1


# Rows of the kinds that there are, in the schema of a later release


def enveloped(value):
    """A later release might keep a closed session in an envelope."""
    return {"closed": value, "by": "vigie"}


LATER_OUTBOX = outbox_records.VERSION + 1
ENVELOPE = Conversions(
    up={**outbox_records.WAYS.up, outbox_records.VERSION: enveloped},
    down={**outbox_records.WAYS.down, LATER_OUTBOX: lambda value: value["closed"]},
)
LATER_REFUSED = outbox_records.REFUSED_VERSION + 1
REFUSED_ENVELOPE = Conversions(
    up={
        **outbox_records.REFUSED_WAYS.up,
        outbox_records.REFUSED_VERSION: lambda value: (
            value | {"record": enveloped(value["record"])}
        ),
    },
    down={
        **outbox_records.REFUSED_WAYS.down,
        LATER_REFUSED: lambda value: value | {"record": value["record"]["closed"]},
    },
)
LATER_LINK = cti_record.VERSION + 1
RENAMED = Conversions(
    up={
        **cti_record.WAYS.up,
        cti_record.VERSION: lambda value: {
            "written" if key == "at" else key: value[key] for key in value
        },
    },
    down={
        **cti_record.WAYS.down,
        LATER_LINK: lambda value: {"at" if key == "written" else key: value[key] for key in value},
    },
)


class Envelope(msgspec.Struct):
    """A row of the outbox, of the later release."""

    closed: StoreSession
    by: str


class LaterLink(msgspec.Struct, frozen=True):
    """A record of a link session, of the later release."""

    record: Record
    registrations: dict[str, tuple[str, ...]]
    written: float


def decoding(kind):
    decoder = msgspec.json.Decoder(kind)
    return lambda body, _: decoder.decode(body)


def now():
    return 1_000.0


def of_later():
    """The codecs of the later release."""
    encode = msgspec.json.encode
    return {
        call_saving.KIND: SessionRecords(now, now, LATER).codec(),
        cti_record.KIND: Codec(
            LATER_LINK, encode, decoding(LaterLink), *versions.steps("link", RENAMED)
        ),
        "outbox": Codec(
            LATER_OUTBOX, encode, decoding(Envelope), *versions.steps("outbox", ENVELOPE)
        ),
        REFUSED: Codec(
            LATER_REFUSED, encode, decoding(Refused), *versions.steps(REFUSED, REFUSED_ENVELOPE)
        ),
    }


RECORD = Record(id="l1", name="cti", side="primary", last_in=7)
CLOSED = StoreSession(view(1), 5.0, "cleared")


def put_later(journal):
    """A row of each kind, as the later release has them."""
    session = LaterSession("0" * 24, "c1", 1.0, 2.0, digits="42", urgency=1)
    journal.put(call_saving.KIND, session.session, ("ivr", session))
    journal.put(cti_record.KIND, "l1", LaterLink(RECORD, {}, 7.0))
    record = msgspec.Raw(msgspec.json.encode(Envelope(CLOSED, "x")))
    journal.put(REFUSED, "r1", Refused("r1", 3.0, "no", record))
    journal.append(OutboxItem("s1", "c-1", None, Envelope(CLOSED, "x")))


async def asked(journal, question):
    answer = asyncio.get_running_loop().create_future()
    journal.read(question, answer.set_result)
    return await asyncio.wait_for(answer, 30)


def test_the_release_before_starts_from_all_kinds_of_rows_of_a_later_one(tmp_path, monkeypatch):
    directory = tmp_path / "data" / "journal"

    async def provisional():
        old, new = Node(directory, codecs(now, now)), Node(directory, of_later(), provisional=True)
        await old.journal.open()
        await take_over(old, new)
        put_later(new.journal)
        await durable(new.journal)
        with monkeypatch.context() as patch:
            patch.setattr(outbox_records, "OUTBOX_CODEC", of_later()["outbox"])
            body = await asked(new.journal, _body_of_the_outbox)
            assert outbox_records.row_of(body, outbox_records.VERSION)[0].closed == CLOSED, (
                "its own drain reads it"
            )
        shutil.copytree(directory.parent, tmp_path / "crashed")
        await new.journal.close()

    asyncio.run(provisional())

    async def before(journal):
        values = (await journal.open()).values
        [row] = await asked(journal, lambda connection: outbox_reading.page(connection, 0, 10))
        return values, row

    values, row = on_disk(tmp_path / "crashed" / "journal", before, codecs(now, now))
    session = Session("0" * 24, "c1", 1.0, 2.0, digits="42", ud={"urgency": "1"})
    assert values[call_saving.KIND] == {"0" * 24: ("ivr", session)}
    assert values[cti_record.KIND] == {"l1": LinkRecord(RECORD, {}, 7.0)}
    assert (
        outbox_records.kept_aside(
            msgspec.json.encode(values[REFUSED]["r1"]), outbox_records.REFUSED_VERSION
        )
        == CLOSED
    )
    assert (row.damaged, row.seq, row.columns[0]) == ("", 1, CLOSED.view.session)


def _body_of_the_outbox(connection):
    (body,) = connection.execute("SELECT body FROM outbox").fetchone()
    return body
