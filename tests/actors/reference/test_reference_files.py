"""Reference tables from CSV to memory: every mistake has a name, every row comes back."""

import os

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.etc_files import etc_file
from actors.reference import csv_file, snapshot
from actors.reference.building import MAX_MISTAKES, Limits, build, plain
from actors.reference.catalogue import KINDS
from actors.reference.cells import Numbers
from actors.reference.cells_written import cells_of
from actors.reference.csv_file import MAX_LINE_BYTES, CsvInvalid
from actors.reference.number_keys import pack, unpack
from actors.reference.records import CustomerFacts, Interception
from actors.reference.snapshot import SnapshotDamaged
from actors.reference.table import Reads, Table, Version
from protocols.numbering import normalise

LIMITS = Limits(rows=1_000, file_bytes=1_000_000)
PRODUCTS = "product;platform\n"


def built(tmp_path, name, text, limits=LIMITS):
    path = tmp_path / "given.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return build(KINDS[name], path, "FR", limits)


def table_of(tmp_path, name, text):
    kind = KINDS[name]
    made = built(tmp_path, name, text)
    path = tmp_path / "made.snapshot"
    snapshot.write(path, kind, Version(1, made.rows, made.sha256), made)
    return Table(kind, *snapshot.read(path, kind), Reads())


def mistakes(tmp_path, name, text, limits=LIMITS):
    with pytest.raises(CsvInvalid) as refused:
        built(tmp_path, name, text, limits)
    assert str(tmp_path / "given.csv") in str(refused.value)
    return [(one.line, one.column, one.rule) for one in refused.value.mistakes]


@pytest.mark.parametrize("name", KINDS)
def test_the_tables_that_ship_can_be_loaded(name):
    build(KINDS[name], etc_file(f"reference/{name}.csv"), "FR", LIMITS)


def test_a_row_is_found_by_its_number_in_any_notation_of_the_file(tmp_path):
    text = "msisdn;platform\n06 12 34 56 78;A\n+33612345679;B\ntel:+447700900123;C\n"
    table = table_of(tmp_path, "msisdnPTF", text)
    found = [table.get(key) for key in ("+33612345678", "+33612345679", "+447700900123")]
    assert [row.platform for row in found] == ["A", "B", "C"]
    assert table.get("+33612345670") is None
    assert (table.reads.hits, table.reads.misses) == (3, 1)


def test_columns_may_come_in_any_order_and_a_byte_order_mark_is_passed_over(tmp_path):
    table = table_of(tmp_path, "PRDPTF", "\ufeffplatform;product\nX;MAX\n")
    assert dict(table.items())["MAX"].platform == "X"


def test_empty_cells_are_the_defaults(tmp_path):
    header = ";".join(KINDS["msisdnInfos"].header)
    table = table_of(tmp_path, "msisdnInfos", f"{header}\n+33612345678;C1;;;;;;;;\n")
    assert table.get("+33612345678") == CustomerFacts("C1")


def test_a_file_with_a_header_only_is_an_empty_table(tmp_path):
    table = table_of(tmp_path, "PRDPTF", PRODUCTS)
    assert len(table) == 0
    assert table.get("") is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", (1, "product")),
        ("product\nA\n", (1, "platform")),
        ("product;platform;more\nA;B;C\n", (1, "more")),
        ("product;platform;platform\nA;B;C\n", (1, "platform")),
        ("Product;platform\nA;B\n", (1, "Product")),
        (f"{PRODUCTS}A\n", (2, "")),
        (f"{PRODUCTS}A;B;C\n", (2, "")),
        (f"{PRODUCTS}\nA;B\n", (2, "")),
        (f"{PRODUCTS};B\n", (2, "product")),
        (f"{PRODUCTS}A;\n", (2, "platform")),
        (f"{PRODUCTS}A;b c\n", (2, "platform")),
        (f"{PRODUCTS}A;{'b' * 65}\n", (2, "platform")),
        (f"{PRODUCTS}A;B\nA;C\n", (3, "product")),
        (f'{PRODUCTS}A;"B\n', (2, "")),
        (f'{PRODUCTS}A;"B"C\n', (2, "")),
        (f'{PRODUCTS}A;"B\nC"\n', (2, "")),
        (f"{PRODUCTS}A;\0\n", (2, "platform")),
        (PRODUCTS.encode() + b"A;\xff\n", (2, "")),
        (f"{PRODUCTS}A;{'b' * MAX_LINE_BYTES}\n", (2, "")),
    ],
)
def test_what_breaks_a_rule_is_named_by_line_and_column(tmp_path, text, place):
    line, column, rule = mistakes(tmp_path, "PRDPTF", text)[0]
    assert (line, column) == place
    assert rule


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("msisdn", "hello"),
        ("msisdn", "+3361"),
        ("msisdn", "2020"),
        ("msisdn", "9" * 100),
        ("status", "gone"),
        ("lang", "french!"),
        ("vip", "maybe"),
        ("services", "A,,B"),
        ("services", "A,A"),
        ("services", ",".join(f"S{n}" for n in range(65))),
        ("updated", "yesterday"),
        ("updated", "2026-01-01T00:00:00"),
        ("segment", "x" * 129),
        ("segment", "a\x07"),
    ],
)
def test_a_value_that_breaks_the_rule_of_its_column_is_refused(tmp_path, column, value):
    cells = {"msisdn": "+33612345678", "customer_id": "C1"} | {column: value}
    header = KINDS["msisdnInfos"].header
    row = ";".join(cells.get(name, "") for name in header)
    ((line, where, _),) = mistakes(tmp_path, "msisdnInfos", f"{';'.join(header)}\n{row}\n")
    assert (line, where) == (2, column)


def test_two_notations_of_one_number_are_one_key(tmp_path):
    text = "msisdn;platform\n0612345678;A\n+33612345679;B\n+33612345678;C\n"
    ((line, column, rule),) = mistakes(tmp_path, "msisdnPTF", text)
    assert (line, column) == (4, "msisdn")
    assert "line 2" in rule


def test_all_mistakes_are_told_as_far_as_they_are_few(tmp_path):
    text = PRODUCTS + "A;b c\n" * 3
    assert [line for line, _, _ in mistakes(tmp_path, "PRDPTF", text)] == [2, 3, 4]
    many = mistakes(tmp_path, "PRDPTF", PRODUCTS + "A;b c\n" * 500)
    assert len(many) == MAX_MISTAKES + 1


def test_a_file_has_as_many_rows_and_bytes_as_it_may(tmp_path):
    text = PRODUCTS + "A;B\nB;C\n"
    assert built(tmp_path, "PRDPTF", text, Limits(2, len(text))).rows == 2
    for limits in (Limits(1, 1_000), Limits(2, len(text) - 1)):
        ((line, _, rule),) = mistakes(tmp_path, "PRDPTF", text, limits)
        assert line == 3
        assert rule.startswith(("at most 1 rows", "a file of at most"))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda _: None])
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, make):
    path = tmp_path / "odd"
    make(path)
    with pytest.raises(CsvInvalid, match="must be a"):
        build(KINDS["PRDPTF"], path, "FR", LIMITS)


RULES = "number;match;action;argument;scope;until;label\n"


def test_rules_of_interception_come_most_specific_first(tmp_path):
    text = RULES + (
        "+33;prefix;message;ann-fr;;;\n"
        "+3361;prefix;route;7001;;;\n"
        "0612345678;exact;reject;;;;\n"
        "20;prefix;reject;;;;\n"
        "2020;exact;route;7002;;;\n"
    )
    table = table_of(tmp_path, "msisdnInter", text)
    assert [key for key, _ in table.matching("+33612345678")] == ["+33612345678", "+3361", "+33"]
    assert [key for key, _ in table.matching("+33612345670")] == ["+3361", "+33"]
    assert [key for key, _ in table.matching("2020")] == ["2020", "20"]
    for other in ("+34612345678", "+3", "", "anonymous", "*20"):
        assert list(table.matching(other)) == []
    assert (table.reads.hits, table.reads.misses) == (3, 5)


def test_the_service_2020_is_the_scope_of_its_list_unless_a_rule_names_others(tmp_path):
    text = RULES + "+331;prefix;reject;;;;\n+332;prefix;reject;;3900,3901;;\n"
    rules = dict(table_of(tmp_path, "msisdnInter2020", text).items())
    assert rules["+331"].scope == ("2020",)
    assert rules["+332"].scope == ("3900", "3901")
    assert dict(table_of(tmp_path, "msisdnInter", text).items())["+331"].scope == ()


@pytest.mark.parametrize(
    "row", ["+33;prefix;route;;;;", "+33;prefix;message;;;;", "+33;prefix;reject;7001;;;"]
)
def test_a_rule_has_an_argument_just_where_its_action_takes_one(tmp_path, row):
    assert mistakes(tmp_path, "msisdnInter", f"{RULES}{row}\n")[0][:2] == (2, "argument")


def test_a_rule_holds_until_it_ends_and_in_its_scope():
    rule = Interception("exact", "reject", scope=("2020",), until=100.0)
    assert rule.holds(99.9, "2020")
    assert not rule.holds(100.0, "2020")
    assert not rule.holds(99.9, "3900")
    assert Interception("exact", "reject").holds(1e12)


# Keys

SYMBOLS = st.text("0123456789*#", min_size=1, max_size=15)


@given(SYMBOLS, st.booleans(), st.booleans())
def test_a_number_comes_back_from_its_key(symbols, public, prefix):
    number = ("+" if public else "") + symbols
    key = pack(number, prefix=prefix)
    assert 0 < key < 2**63
    assert unpack(key) == (number, prefix)


@given(st.text(max_size=20))
def test_no_other_text_has_a_key(text):
    symbols = text.removeprefix("+")
    known = 0 < len(symbols) <= 15 and set(symbols) <= set("0123456789*#")
    assert (pack(text) is not None) is known


@given(
    st.lists(st.from_regex(r"\+(33[67]|1[2-9]|44[27]|49|7[49]|39|54|52)[0-9]{5,9}", fullmatch=True))
)
def test_what_is_remembered_of_a_plan_changes_no_number(numbers):
    """Of E.164 the head alone is asked of the plan: the answer is that for the whole number."""
    reads = Numbers("FR")
    for number in numbers:
        for tail in ("0000", "9999", number[-4:]):
            whole = number[:-4] + tail
            found = normalise(whole, "FR")
            try:
                assert reads(whole) == found.number
            except ValueError:
                assert found.type != "public" or len(found.number) < 8


# There and back

CODE = st.from_regex(r"[0-9A-Za-z*#+@._:-]{1,64}", fullmatch=True)
CODES = st.lists(CODE, unique=True, max_size=4).map(tuple)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20).filter(str.isprintable)
WHEN = st.none() | st.integers(0, 4_000_000_000).map(float)
FACTS = st.builds(
    CustomerFacts,
    customer_id=CODE,
    segment=TEXT,
    offer=TEXT,
    product=st.just("") | CODE,
    status=st.sampled_from(("active", "closed")),
    lang=st.sampled_from(("", "fr", "de-CH")),
    vip=st.booleans(),
    services=CODES,
    updated=WHEN,
)
NUMBERS = st.integers(600_000_000, 799_999_999).map(lambda number: f"+33{number}")


@settings(max_examples=50, deadline=None)
@given(rows=st.dictionaries(NUMBERS, FACTS, max_size=20))
def test_what_is_written_as_csv_is_read_the_same(tmp_path_factory, rows):
    kind, tmp_path = KINDS["msisdnInfos"], tmp_path_factory.mktemp("round")
    text = csv_file.write(kind.header, (cells_of(kind, key, row) for key, row in rows.items()))
    table = table_of(tmp_path, kind.name, text)
    assert dict(table.items()) == rows
    assert len(table) == len(rows)
    for key, row in rows.items():
        assert table.get(key) == row


@settings(max_examples=50, deadline=None)
@given(names=st.sets(CODE, max_size=20))
def test_every_name_is_found_and_no_other(tmp_path_factory, names):
    tmp_path = tmp_path_factory.mktemp("names")
    table = table_of(tmp_path, "PRDPTF", PRODUCTS + "".join(f"{name};P\n" for name in names))
    assert {name for name, _ in table.items()} == names
    for name in names:
        assert table.get(name) is not None
        assert (table.get(f"{name}x") is not None) is (f"{name}x" in names)


def test_a_row_is_shown_by_its_columns():
    row = plain(KINDS["PRDPTF"], "MAX", KINDS["PRDPTF"].record("X"))
    assert row == {"product": "MAX", "platform": "X"}


# Snapshots


def written(tmp_path):
    made = built(tmp_path, "PRDPTF", PRODUCTS + "A;B\nC;D\n")
    path = tmp_path / "one.snapshot"
    snapshot.write(path, KINDS["PRDPTF"], Version(3, made.rows, made.sha256, "x", 5.0), made)
    return path


def test_a_snapshot_tells_its_version(tmp_path):
    rows, version = snapshot.read(written(tmp_path), KINDS["PRDPTF"])
    assert (version.number, version.rows, version.source) == (3, 2, "x")
    assert len(rows.keys) == 2


def test_every_damaged_byte_of_a_snapshot_is_noticed(tmp_path):
    path = written(tmp_path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(SnapshotDamaged, match="checksum"):
            snapshot.read(path, KINDS["PRDPTF"])
    for length in (0, 10, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotDamaged):
            snapshot.read(path, KINDS["PRDPTF"])


def test_a_snapshot_of_another_table_or_schema_is_refused(tmp_path):
    path = written(tmp_path)
    with pytest.raises(SnapshotDamaged, match="its table is 'PRDPTF', not 'allSerTech'"):
        snapshot.read(path, KINDS["allSerTech"])
    with pytest.raises(SnapshotDamaged, match="its schema version is 1, not 2"):
        snapshot.read(path, KINDS["PRDPTF"]._replace(schema=2))


def test_a_field_more_or_less_is_no_other_schema(tmp_path):
    class Longer(msgspec.Struct, frozen=True, array_like=True):
        platform: str
        site: str = "north"

    kind = KINDS["PRDPTF"]
    longer = kind._replace(record=Longer)
    table = Table(longer, *snapshot.read(written(tmp_path), kind), Reads())
    assert table.get("A") == Longer("B")
    short = msgspec.msgpack.decode(msgspec.msgpack.encode(Longer("B", "south")), type=kind.record)
    assert short == kind.record("B")
