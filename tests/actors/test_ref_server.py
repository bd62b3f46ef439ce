"""refServer in virtual time: loading, switching, going back, and what is left of it on the disk."""

import pytest

from actors.context_size import ContextSize
from actors.ref_server import RefServer, RefServerArgs
from actors.reference.building import Limits
from actors.reference.catalogue import KINDS
from actors.reference.live import Reference
from actors.reference.loading import Loader, LoaderSettings
from actors.reference.table import Reads
from actors.reference_messages import (
    NAME,
    GetRow,
    LoadTable,
    Refused,
    RollBack,
    Row,
    ShowTables,
    Switched,
)
from actors.standby import Standby
from supervision import ChildSpec, SupervisorFlags
from supervision.testing import Kit

HEADER = "product;platform\n"


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


class Tables:
    """A refServer with directories of its own, and what is asked of it."""

    def __init__(self, kit, tmp_path):
        self.kit, self.files, self.kept = kit, tmp_path / "files", tmp_path / "kept"
        self.files.mkdir(exist_ok=True)
        self.reference = Reference()
        self.standby = Standby()

    def args(self):
        settings = LoaderSettings("FR", Limits(1_000, 1_000_000), 5.0)
        return RefServerArgs(
            reference=self.reference,
            loader=Loader(self.kept, settings),
            files=self.files,
            max_drop_share=0.2,
            region="FR",
            standby=self.standby,
            contexts=lambda: ContextSize(7, 7_000, self.kit.clock.wall() - 60.0),
        )

    def start(self):
        self.kit.start(RefServer, self.args(), name="refServer")
        self.kit.settle()
        return self

    def restart(self):
        """As another process: only the directory is left."""
        self.kit.stop(NAME)
        self.reference = Reference()
        return self.start()

    def load(self, text, table="PRDPTF", **options):
        path = self.files.parent / "given.csv"
        path.write_text(text)
        return self.kit.call(NAME, LoadTable(table, str(path), **options))

    def back(self, table="PRDPTF"):
        return self.kit.call(NAME, RollBack(table))

    def info(self, table="PRDPTF"):
        return next(one for one in self.kit.call(NAME, ShowTables()) if one.table == table)

    def platforms(self):
        return {key: row.platform for key, row in self.reference.tables["PRDPTF"].items()}


@pytest.fixture
def tables(kit, tmp_path):
    return Tables(kit, tmp_path).start()


def rows(*pairs):
    return HEADER + "".join(f"{key};{platform}\n" for key, platform in pairs)


def test_where_nothing_is_kept_what_ships_is_loaded(kit, tmp_path):
    tables = Tables(kit, tmp_path)
    (tables.files / "PRDPTF.csv").write_text(rows(("A", "1")))
    tables.start()
    assert tables.platforms() == {"A": "1"}
    info = tables.info()
    assert (info.version, info.rows, info.source) == (1, 1, str(tables.files / "PRDPTF.csv"))
    assert [one.version for one in kit.call(NAME, ShowTables())].count(0) == len(KINDS)


def test_a_load_is_answered_when_it_is_read_from_then_on_and_on_the_disk(tables):
    answer = tables.load(rows(("A", "1"), ("B", "2")))
    assert isinstance(answer, Switched)
    assert tables.platforms() == {"A": "1", "B": "2"}
    assert tables.info() == answer.info
    assert (answer.info.rows, answer.info.version, answer.info.previous) == (2, 1, None)
    assert len(answer.info.sha256) == 64
    assert tables.restart().platforms() == {"A": "1", "B": "2"}


def test_contents_that_come_along_are_loaded_as_a_file_is(tables):
    text = rows(("A", "1")).encode()
    answer = tables.kit.call(NAME, LoadTable("PRDPTF", contents=text))
    assert answer.info.source == "upload"
    assert tables.platforms() == {"A": "1"}
    assert list(tables.kept.glob("*.csv")) == []


def test_a_file_that_is_refused_leaves_the_table_and_names_line_and_column(tables):
    tables.load(rows(("A", "1")))
    answer = tables.load(rows(("A", "1 2")))
    assert isinstance(answer, Refused)
    assert answer.why == "invalid-file"
    assert [(one.line, one.column) for one in answer.mistakes] == [(2, "platform")]
    assert tables.platforms() == {"A": "1"}
    assert "line 2, column platform" in tables.info().error
    assert tables.load(rows(("A", "2"))).info.error == ""


def test_a_file_with_far_fewer_rows_is_refused_unless_forced(tables):
    ten = [(f"P{n}", "1") for n in range(10)]
    tables.load(rows(*ten))
    refused = tables.load(rows(*ten[:7]))
    assert refused.why == "too-few-rows"
    assert len(tables.platforms()) == 10
    assert isinstance(tables.load(rows(*ten[:8])), Switched)
    assert isinstance(tables.load(rows(ten[0]), force=True), Switched)
    assert len(tables.platforms()) == 1


def test_a_rollback_leads_to_the_previous_version_and_back_again(tables):
    assert tables.back().why == "no-previous"
    tables.load(rows(("A", "1")))
    assert tables.back().why == "no-previous"
    tables.load(rows(("A", "2")))
    assert tables.back().info.version == 1
    assert tables.platforms() == {"A": "1"}
    assert tables.restart().platforms() == {"A": "1"}
    assert tables.back().info.version == 2
    assert tables.platforms() == {"A": "2"}
    assert tables.load(rows(("A", "3"))).info.version == 3
    assert tables.info().previous == 2
    assert sorted(path.name for path in tables.kept.glob("PRDPTF.*.snapshot")) == [
        "PRDPTF.2.snapshot",
        "PRDPTF.3.snapshot",
    ]


def test_a_decision_sees_one_version_of_all_tables_however_long_it_takes(tables):
    tables.load(rows(("A", "1")))
    seen = tables.reference.tables
    tables.load(rows(("A", "2")))
    tables.load("code;label;rp;skill;opening\nTV;;;;\n", "allSerTech")
    assert seen.platform("+33612345678", "A") == "1"
    assert seen.services.get("TV") is None
    assert tables.reference.tables.platform("+33612345678", "A") == "2"


def test_the_platform_of_a_number_counts_before_that_of_a_product(tables):
    tables.load(rows(("A", "product")))
    tables.load("msisdn;platform\n+33612345678;number\n", "msisdnPTF")
    now = tables.reference.tables
    assert now.platform("+33612345678", "A") == "number"
    assert now.platform("+33612345679", "A") == "product"
    assert now.platform("+33612345679", "B") is None
    assert now.platform("anonymous", "") is None


def test_the_list_of_the_service_2020_is_looked_into_first(tables):
    header = "number;match;action;argument;scope;until;label\n"
    tables.load(header + "+33;prefix;message;ann-2020;;;\n", "msisdnInter2020")
    tables.load(
        header + "+336;prefix;message;ann-late;;2025-06-15T15:06:41Z;\n+33;prefix;reject;;;;\n",
        "msisdnInter",
    )
    now = tables.reference.tables
    assert now.intercepted("+33612345678", "2020", 0.0)[0] == "msisdnInter2020"
    assert now.intercepted("+33612345678", "3900", 1_750_000_000.0)[:2] == ("msisdnInter", "+336")
    assert now.intercepted("+33612345678", "3900", 1_750_000_001.0)[:2] == ("msisdnInter", "+33")
    assert now.intercepted("+34612345678", "2020", 0.0) is None


def test_a_damaged_snapshot_is_named_and_read_again_from_its_csv(tables):
    tables.load(rows(("A", "1")))
    path = tables.kept / "PRDPTF.1.snapshot"
    path.write_bytes(path.read_bytes()[:-1])
    tables.restart()
    assert tables.platforms() == {"A": "1"}
    assert tables.info().version == 2
    assert tables.kit.reported("degraded", part="reference table PRDPTF")


def test_where_the_csv_is_gone_too_the_version_before_counts(tables):
    tables.load(rows(("A", "1")))
    tables.load(rows(("A", "2")))
    (tables.kept / "PRDPTF.2.snapshot").unlink()
    (tables.files.parent / "given.csv").unlink()
    (tables.files / "PRDPTF.csv").write_text(rows(("A", "what ships")))
    tables.restart()
    assert tables.platforms() == {"A": "1"}
    assert "PRDPTF.2.snapshot: it cannot be read" in tables.info().error
    assert tables.load(rows(("A", "3"))).info.version == 3


def test_a_manifest_that_cannot_be_read_is_kept_for_people_and_numbers_go_on(tables):
    tables.load(rows(("A", "1")))
    (tables.kept / "PRDPTF.json").write_text("{")
    tables.restart()
    assert tables.platforms() == {}
    assert "PRDPTF.json" in tables.info().error
    assert list(tables.kept.glob("PRDPTF.json.damaged-*"))
    assert tables.load(rows(("A", "3"))).info.version == 2


def test_a_disk_that_takes_nothing_leaves_the_table(tables):
    tables.load(rows(("A", "1")))
    tables.kept.joinpath(".PRDPTF.json.new").mkdir()
    answer = tables.load(rows(("A", "2")))
    assert (answer.why, answer.field) == ("failed", "table")
    assert tables.platforms() == {"A": "1"}
    assert tables.restart().platforms() == {"A": "1"}


def test_a_file_that_is_not_there_is_named(tables):
    answer = tables.kit.call(NAME, LoadTable("PRDPTF", "/none/such.csv"))
    assert answer.why == "invalid-file"
    assert "/none/such.csv" in answer.rule
    assert tables.kit.call(NAME, LoadTable("PRDPTF")).field == "path"


@pytest.mark.parametrize(("table", "why"), [("context", "not-loaded"), ("x", "unknown-table")])
def test_only_tables_of_files_are_loaded(tables, table, why):
    assert tables.load(HEADER, table).why == why
    assert tables.back(table).why == why
    assert tables.kit.call(NAME, GetRow(table, "x")).why == why


def test_one_thing_is_done_with_a_table_at_a_time(tables):
    tables.kit.actor(NAME).state.slots["PRDPTF"].restoring = 1
    assert tables.load(HEADER).why == "busy"
    assert tables.back().why == "busy"
    assert tables.info().doing == "restore"


def test_a_row_is_shown_by_any_notation_of_its_number(tables):
    tables.load("msisdn;platform\n+33612345678;X\n", "msisdnPTF")
    found = tables.kit.call(NAME, GetRow("msisdnPTF", "06 12 34 56 78"))
    assert found == Row("msisdnPTF", 1, {"msisdn": "+33612345678", "platform": "X"})
    assert tables.kit.call(NAME, GetRow("msisdnPTF", "0612345679")).why == "unknown-key"
    assert (tables.info("msisdnPTF").hits, tables.info("msisdnPTF").misses) == (0, 0)


def test_the_sessions_are_shown_among_the_tables(tables):
    context = tables.info("context")
    assert (context.rows, context.bytes, context.age_s) == (7, 7_000, 60.0)


def test_a_killed_server_comes_back_while_its_tables_are_read_on(kit, tmp_path):
    tables = Tables(kit, tmp_path)
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("refServer", RefServer, tables.args())])
    kit.settle()
    tables.load(rows(("A", "1")))
    before = tables.reference.tables["PRDPTF"]
    kit.faults.kill(NAME)
    kit.settle()
    assert tables.reference.tables["PRDPTF"] is before
    assert tables.info().version == 1
    assert tables.load(rows(("A", "2"))).info.version == 2


def test_a_node_in_standby_writes_nothing_until_it_serves(kit, tmp_path):
    old = Tables(kit, tmp_path).start()
    old.load(rows(("A", "1")))
    kit.stop(NAME)
    new = Tables(kit, tmp_path)
    new.standby = Standby(waiting=True)
    (new.files / "allSerTech.csv").write_text("code;label;rp;skill;opening\nTV;;;;\n")
    new.start()
    assert new.platforms() == {"A": "1"}
    assert new.load(rows(("A", "2"))).why == "standby"
    assert list(new.kept.glob("allSerTech*")) == []
    new.standby.open()
    kit.settle()
    assert new.info("allSerTech").version == 1


def test_what_was_loaded_meanwhile_is_read_at_the_switch(kit, tmp_path):
    old = Tables(kit, tmp_path).start()
    old.load(rows(("A", "1")))
    kit.stop(NAME)
    new = Tables(kit, tmp_path)
    new.standby = Standby(waiting=True)
    new.start()
    with Kit() as other:
        Tables(other, tmp_path).start().load(rows(("A", "2")))
    new.standby.open()
    kit.settle()
    assert new.platforms() == {"A": "2"}


def test_counts_go_on_in_another_version(tables):
    tables.load(rows(("A", "1")))
    tables.reference.tables["PRDPTF"].get("A")
    tables.reference.tables["PRDPTF"].get("B")
    server = tables.kit.actor(NAME)
    assert server.hand_over()["PRDPTF"] == Reads(1, 1)
    server.adopt({"PRDPTF": Reads(10, 20), "gone": Reads(1, 1)})
    assert (tables.info().hits, tables.info().misses) == (11, 21)


def test_the_status_shows_no_rows(tables):
    assert tables.kit.actor(NAME).status()["PRDPTF"] == {"version": 0, "rows": 0, "doing": ""}
