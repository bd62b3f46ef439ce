"""What CSTA's services say in framing A's words and back, by golden files.

A file `in` is what a peer may write, with its message; a file `out` is what vigie writes, to the
letter. docs/csta.md lists them; a row there without its file fails.
"""

import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.csta import causes, header, idempotency, inbound
from protocols.csta.devices import ani_type, number
from protocols.csta.link import Link
from protocols.csta.link_state import CstaConfig
from protocols.csta.values import Device, ErrorValue
from protocols.csta.xml import CSTA, SESSION
from protocols.cti.events import Received, Transmit
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import CallEvent, EndCause, Outbound
from protocols.cti.parsing import to_frame

GOLDEN = Path(__file__).with_name("golden")
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "csta.md"
FILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(GOLDEN.glob("*.json"))}
INBOUND = [name for name, golden in FILES.items() if golden["direction"] == "in"]
OUTBOUND = [name for name, golden in FILES.items() if golden["direction"] == "out"]

START = f"""<StartApplicationSession xmlns="{SESSION}"><applicationInfo>
<applicationID>switch-a</applicationID><applicationSpecificInfo><token>t</token>
</applicationSpecificInfo></applicationInfo></StartApplicationSession>""".encode()


def open_link() -> Link:
    link = Link(LinkConfig(), CstaConfig(), now=0.0, wall=1_790_000_000.0)
    link.receive(header.encode(1, START), 0.0)
    link.accept("0123456789abcdef01234567", 0.0)
    return link


def received(link: Link, document: bytes, invoke_id: int = 5) -> list:
    events = link.receive(header.encode(invoke_id, document), 0.0)
    return [event.message for event in events if isinstance(event, Received)]


def payload(data: bytes) -> bytes:
    decoder = header.Decoder()
    decoder.feed(data)
    segment = decoder.next_segment()
    assert segment is not None
    assert decoder.pending_bytes == 0
    return segment.payload


@pytest.mark.parametrize("name", INBOUND)
def test_a_service_becomes_the_message_of_its_golden_file(name):
    (message,) = received(open_link(), (GOLDEN / f"{name}.xml").read_bytes())
    assert to_frame(message) == FILES[name]["frame"]


def asked_before(name: str) -> bytes:
    if name == "answer-registered":
        return (GOLDEN / "route-register.xml").read_bytes()
    if name in {"answer-select", "answer-error-404"}:
        return (GOLDEN / "row-rp.xml").read_bytes()
    return (GOLDEN / "row-xref.xml").read_bytes()


@pytest.mark.parametrize("name", OUTBOUND)
def test_a_message_becomes_the_service_of_its_golden_file(name):
    link = open_link()
    received(link, asked_before(name))
    message = msgspec.convert(FILES[name]["frame"], Outbound)
    written = payload(link.send(message, 0.0))
    assert written == (GOLDEN / f"{name}.xml").read_bytes().rstrip(b"\n")


def test_an_answer_is_in_the_edition_of_its_request():
    for edition in ("ed3", "ed5", "ed4"):
        link = open_link()
        asked = (
            (GOLDEN / "row-xref.xml").read_bytes().replace(b"csta/ed4", f"csta/{edition}".encode())
        )
        received(link, asked)
        received(link, (GOLDEN / "event-held.xml").read_bytes(), 9_999)
        answer = msgspec.convert(FILES["answer-select"]["frame"], Outbound)
        assert f"{CSTA}{edition}".encode() in payload(link.send(answer, 0.0))


def rows(title: str) -> list[list[str]]:
    """The rows of a table in the document, without its head."""
    section = DOCUMENT.read_text("utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_row_of_the_mapping_table_has_its_golden_file():
    table = rows("The mapping table")
    fields = [re.findall(r"`([^`]+)`", row[0])[0] for row in table]
    assert fields == ["xref", "call", "rp", "ani", "dnis", "digits", "ud"]
    for field, row in zip(fields, table, strict=True):
        (name,) = re.findall(r"`golden/([a-z-]+)\.xml`", row[-1])
        document = (GOLDEN / f"{name}.xml").read_text("utf-8")
        for path in re.findall(r"`([^`]+)`", row[1]):
            assert f"<{path.rpartition('/')[2]}>" in document, (field, path)
        assert field in FILES[name]["frame"]


def test_every_golden_file_is_listed_in_the_document():
    listed = set(re.findall(r"`golden/([a-z0-9-]+)\.xml`", DOCUMENT.read_text("utf-8")))
    assert listed == set(FILES) == {path.stem for path in GOLDEN.glob("*.xml")}


# Pieces


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0612345678", "0612345678"),
        ("N<0612345678>", "0612345678"),
        ("N<0612345678!12&3%agent>Durand;noa=n", "0612345678"),
        ("N<>", None),
        ("tel:+33612345678", "tel:+33612345678"),
    ],
)
def test_the_digits_of_a_device_are_found_in_each_representation(written, read):
    assert number(Device(written)) == read


def test_a_caller_who_may_not_be_known_has_no_number():
    assert number(Device(status="restricted")) is None
    assert ani_type(Device(status="restricted")) == "unknown"
    assert ani_type(Device("1", "implicitPrivate")) == "private"
    assert ani_type(Device("1", "dialingNumber")) is None
    assert ani_type(None) is None


@pytest.mark.parametrize("cause", EndCause.__args__)
def test_every_cause_of_an_end_comes_back(cause):
    assert causes.cause_of(causes.error_of(cause)) == (cause, None)


def test_an_error_that_has_no_cause_is_told_in_the_detail():
    error = ErrorValue("security", "generic")
    assert causes.cause_of(error) == ("internal", "security: generic")
    assert causes.cause_of(ErrorValue("unspecified")) == ("internal", "unspecified")


@pytest.mark.parametrize(
    ("data", "session", "other"),
    [
        (b"0123456789abcdef0123", "0123456789abcdef0123", None),
        (b"ABCD", None, "ABCD"),
        (b"\xff\xfe", None, "fffe"),
        (b"a\nb", None, "610a62"),
        (b"", None, None),
        (None, None, None),
    ],
)
def test_correlator_data_is_a_session_where_it_looks_like_one(data, session, other):
    found = inbound.correlation(data)
    assert (found.session, found.other) == (session, other)


# Idempotency


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_dialogue_is_one_of_its_application_and_comes_back(application, reference):
    xref = idempotency.dialogue(application, reference)
    assert idempotency.cross_ref(application, xref) == reference


def test_the_same_reference_of_two_applications_is_two_dialogues():
    assert idempotency.dialogue("a", "1") != idempotency.dialogue("b", "1")
    with pytest.raises(ValueError, match="not a dialogue of b"):
        idempotency.cross_ref("b", "a/1")


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 6))
def test_the_last_events_are_remembered_and_no_more(times, limit):
    memory, model = idempotency.Seen(limit), []
    for when in times:
        event = CallEvent(call="c", ev="held", ts=float(when))
        key = idempotency.event_key("m", event, event.ts)
        assert idempotency.seen(memory, key) == (key in model[-limit:] if limit else False)
        if not idempotency.seen(memory, key):
            idempotency.remember(memory, key)
            model.append(key)
        assert len(memory.keys) <= limit


def test_an_event_is_another_one_by_its_monitor_call_kind_or_time():
    event = CallEvent(call="c", ev="held", ts=1.0)
    same = idempotency.event_key("m", event, 1.0)
    others = {
        idempotency.event_key("n", event, 1.0),
        idempotency.event_key("m", CallEvent(call="d", ev="held", ts=1.0), 1.0),
        idempotency.event_key("m", CallEvent(call="c", ev="retrieved", ts=1.0), 1.0),
        idempotency.event_key("m", event, 2.0),
    }
    assert len(others) == 4
    assert same not in others


def test_events_are_written_to_the_peer_only_as_transmit():
    link = open_link()
    events = link.receive(header.encode(9_999, (GOLDEN / "event-held.xml").read_bytes()), 0.0)
    assert not [event for event in events if isinstance(event, Transmit)]
