"""Services: records to XML and back, for every one of them."""

from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.csta import kinds, participants, private_data, routeing
from protocols.csta.application_session import StartApplicationSession
from protocols.csta.call_events import TransferredEvent
from protocols.csta.errors import CSTAErrorCode, of_code
from protocols.csta.fields import ServiceRefusedError
from protocols.csta.routeing import RouteRequest
from protocols.csta.services import (
    CODECS,
    EVENTS,
    UnknownServiceError,
    decode,
    encode,
    vocabulary,
)
from protocols.csta.times import read_time, write_time
from protocols.csta.values import (
    ConnectionID,
    ConnectionListItem,
    Device,
    DeviceHistoryItem,
    ErrorValue,
)
from protocols.csta.xml import CSTA, EDITIONS, SESSION, XmlError
from protocols.cti.messages import ErrorCode

ED4 = CSTA + "ed4"

letters = st.characters(min_codepoint=0x21, max_codepoint=0x2FFF, exclude_categories=("Cs", "Cc"))
name = st.text(letters, min_size=1, max_size=20).filter(lambda text: text == text.strip())
text = st.text(
    st.one_of(letters, st.sampled_from(" \t\n\r<>&'\"\x85\u2028")), min_size=1, max_size=30
)
whole = st.integers(0, 2**31 - 1)
time = st.integers(0, 4_000_000_000_000_000).map(lambda micros: micros / 1_000_000)
known = st.builds(
    Device, name, st.none() | st.sampled_from(["dialingNumber", "explicitPublic:national"])
)
device = known | st.sampled_from([Device(status="notKnown"), Device(status="restricted")])
connection = st.builds(ConnectionID, st.none() | name, st.none() | name).filter(
    lambda one: one != ConnectionID()
)
json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.just("\x00\x01"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(name, inner, max_size=3),
    max_leaves=4,
)
data = st.dictionaries(text, json, min_size=1, max_size=4)
detail = st.text(letters, min_size=1).filter(lambda said: "-" not in said and said == said.strip())
error = st.builds(
    ErrorValue,
    st.sampled_from(kinds.CATEGORIES).filter(lambda category: category != "unspecified"),
    name,
) | st.just(ErrorValue("unspecified"))
listed = st.builds(ConnectionListItem, st.none() | connection, st.none() | connection)
left = st.builds(DeviceHistoryItem, st.none() | known, st.none() | name, st.none() | connection)

VALUES = {
    id(kinds.NAME): name,
    id(kinds.TEXT): text,
    id(kinds.BOOLEAN): st.booleans(),
    id(kinds.RETRIES): whole,
    id(kinds.CORRELATOR): st.binary(min_size=1, max_size=40),
    id(kinds.TIME): time,
    id(participants.DEVICE): known,
    id(participants.EXTENDED): device,
    id(participants.CONNECTION): connection,
    id(participants.CONNECTIONS): st.lists(listed, max_size=3).map(tuple),
    id(participants.HISTORY): st.lists(left, max_size=3).map(tuple),
    id(kinds.ERROR): error,
    id(kinds.COMMENT): detail,
    id(private_data.JSON): st.dictionaries(name, json, min_size=1, max_size=3),
    id(private_data.DATA): data,
}
LISTS = {
    "protocol_versions": name,
    "alternates": known,
    "dropped": text,
    "skills": name,
    "media": st.sampled_from(routeing.MEDIA),
    "characteristics": st.sampled_from(routeing.CHARACTERISTICS),
}
IN_ORDER = {"media": routeing.MEDIA, "characteristics": routeing.CHARACTERISTICS}


def some(values, attribute: str):
    order = IN_ORDER.get(attribute)
    if order is None:
        return st.lists(values, max_size=3).map(tuple)
    return st.sets(values).map(lambda chosen: tuple(one for one in order if one in chosen))


def value_of(field, hint):
    """What a field of a record may be, by its kind in the codec or its type."""
    if field.attribute in LISTS:
        return some(LISTS[field.attribute], field.attribute)
    if id(field.kind) in VALUES:
        return VALUES[id(field.kind)]
    choices = [one for one in get_args(hint) if isinstance(one, str)] or [
        one for inner in get_args(hint) for one in get_args(inner) if isinstance(one, str)
    ]
    if choices:
        return st.sampled_from(choices)
    if "int" in str(hint):
        return whole
    return error if "ErrorValue" in str(hint) else name


def record_of(codec):
    hints = get_type_hints(codec.record)
    drawn = {}
    for field in codec.fields:
        values = value_of(field, hints[field.attribute])
        optional = not field.required and field.attribute not in LISTS
        optional = optional and field.attribute not in {"history", "connections", "error"}
        drawn[field.attribute] = st.none() | values if optional else values
    return st.builds(codec.record, **drawn)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.element)
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_written_is_read_as_it_was(codec, data):
    comes_back(codec, data)


@pytest.mark.long
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.element)
@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_as_it_was_however_odd(codec, data):
    comes_back(codec, data)


def comes_back(codec, data) -> None:
    record = data.draw(record_of(codec))
    edition = data.draw(st.sampled_from(EDITIONS))
    found = decode(encode(record, edition), known=vocabulary())
    assert found.service == record
    assert found.edition == (None if codec.family == "session" else edition)


def test_no_record_has_an_attribute_that_its_codec_does_not_write():
    for codec in CODECS:
        attributes = [field.attribute for field in codec.fields]
        assert sorted(attributes) == sorted(codec.record.__struct_fields__), codec.element


def test_events_are_what_ecma_calls_so_and_the_end_of_a_session():
    named = {codec.record for codec in CODECS if codec.element.endswith("Event")}
    assert {record.__name__ for record in EVENTS - named} == {"ApplicationSessionTerminated"}
    assert named < EVENTS


def document(body: str, root: str = "RouteRequest", namespace: str = ED4) -> bytes:
    return f'<{root} xmlns="{namespace}">{body}</{root}>'.encode()


LEAST = "<crossRefIdentifier>1</crossRefIdentifier><currentRoute>8001</currentRoute>"


def refused(body: str, root: str = "RouteRequest") -> tuple[str, str]:
    with pytest.raises(ServiceRefusedError) as error:
        decode(document(body, root))
    assert error.value.service
    return error.value.field, error.value.rule


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ("", "crossRefIdentifier", "missing"),
        ("<crossRefIdentifier>  </crossRefIdentifier>", "crossRefIdentifier", "missing"),
        ("<crossRefIdentifier>1</crossRefIdentifier>", "currentRoute", "missing"),
        (LEAST + "<currentRoute/>", "currentRoute", "more than once"),
        (LEAST + "<replyTimeout>-1</replyTimeout>", "replyTimeout", "whole number"),
        (LEAST + "<replyTimeout>1.5</replyTimeout>", "replyTimeout", "whole number"),
        (LEAST + "<replyTimeout>" + "9" * 5_000 + "</replyTimeout>", "replyTimeout", "whole"),
        (LEAST + "<replyTimeout>٣</replyTimeout>", "replyTimeout", "whole number"),
        (LEAST + "<priority>yes</priority>", "priority", "true or false"),
        (LEAST + "<correlatorData>0</correlatorData>", "correlatorData", "hexadecimal"),
        (LEAST + "<correlatorData>zz</correlatorData>", "correlatorData", "hexadecimal"),
        (
            LEAST + f"<correlatorData>{'00' * 1_025}</correlatorData>",
            "correlatorData",
            "at most 1024",
        ),
        (LEAST + f"<languagePreferences>{'x' * 256}</languagePreferences>", "languagePref", "255"),
        (
            LEAST + "<routedCall><callID>1</callID><callID>2</callID></routedCall>",
            "routedCall/callID",
            "more than once",
        ),
        (
            LEAST + f"<deviceHistory>{'<deviceHistoryListItem/>' * 101}</deviceHistory>",
            "deviceHistory/deviceHistoryListItem",
            "at most 100",
        ),
        (
            LEAST + "<extensions><security><timeStamp>today</timeStamp></security></extensions>",
            "extensions/security/timeStamp",
            "is a time",
        ),
    ],
)
def test_a_service_that_breaks_a_rule_is_refused_with_the_element_and_the_rule(body, field, rule):
    found, said = refused(body)
    assert found.startswith(field)
    assert rule in said


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        ("<v:item>1</v:item>", "has a key"),
        ("<v:item key='a'>1</v:item><v:item key='a'>2</v:item>", "there already"),
        ("<v:item key='a' type='json'>{</v:item>", "not JSON"),
        ("<v:item key='a' type='json'>NaN</v:item>", "not JSON"),
        ("<v:item key='a' type='json'>1e999</v:item>", "not finite"),
        ("<v:item key='a' type='json'>18446744073709551616</v:item>", "64 bits"),
        ("<v:item key='a' type='json'>" + "9" * 5_000 + "</v:item>", "not JSON"),
        ("<v:item key='a' type='json'>" + "[" * 8_000 + "]" * 8_000 + "</v:item>", "JSON"),
        ("<v:item key='a' type='json'>" + "[" * 9 + "]" * 9 + "</v:item>", "deeper than 8"),
        ('<v:item key="a" type="json">"\\ud800"</v:item>', "surrogate"),
        ('<v:item key="a" type="json">{"\\ud800": 1}</v:item>', "surrogate"),
    ],
)
def test_user_data_that_cannot_be_kept_is_refused(item, rule):
    private = f"<privateData><private><v:ud>{item}</v:ud></private></privateData>"
    body = f"{LEAST}<extensions>{private}</extensions>"
    root = f'<RouteRequest xmlns="{ED4}" xmlns:v="urn:vigie:csta:1">{body}</RouteRequest>'
    with pytest.raises(ServiceRefusedError) as error:
        decode(root.encode())
    assert rule in error.value.rule


@pytest.mark.parametrize("edition", EDITIONS)
def test_all_three_editions_are_read(edition):
    read = decode(document(LEAST, namespace=CSTA + edition))
    assert read.edition == edition
    assert read.service == RouteRequest(cross_ref="1", current_route=Device("8001"))


def test_a_document_with_a_prefix_and_with_unknown_elements_reads_the_same():
    read = decode(
        f"""<?xml version="1.0"?><c:RouteRequest xmlns:c="{ED4}" xmlns:o="urn:other" o:x="1">
        <c:new><c:currentRoute>9</c:currentRoute></c:new><o:currentRoute>9</o:currentRoute>
        <c:crossRefIdentifier> 1 </c:crossRefIdentifier><!-- x -->
        <c:currentRoute><c:deviceIdentifier mediaClass="voice">8001</c:deviceIdentifier>
        </c:currentRoute><currentRoute/></c:RouteRequest>""".encode()
    )
    assert read.service == RouteRequest(cross_ref="1", current_route=Device("8001"))


def test_both_spellings_of_a_transfer_are_read():
    call = "<primaryOldCall><callID>c</callID></primaryOldCall>"
    body = f"<monitorCrossRefID>1</monitorCrossRefID>{call}"
    for root in ("TransferedEvent", "TransferredEvent"):
        found = decode(document(body, root)).service
        assert found == TransferredEvent(monitor="1", connection=ConnectionID("c"))


def test_other_namespaces_and_other_services_are_told_apart():
    with pytest.raises(XmlError) as foreign:
        decode(document("", namespace=CSTA + "ed2"))
    assert foreign.value.rule == "namespace"
    with pytest.raises(XmlError):
        decode(b"<RouteRequest/>")
    for namespace, root, event in ((ED4, "MakeCall", False), (ED4, "BridgedEvent", True)):
        with pytest.raises(UnknownServiceError) as unknown:
            decode(document("", root, namespace))
        assert unknown.value.is_event == event
    with pytest.raises(UnknownServiceError):
        decode(document("", "RouteRequest", SESSION))


@pytest.mark.parametrize(
    "token",
    ["<token>t</token>", "<t:token xmlns:t='urn:t'> t </t:token>", "t", "<user>u</user> t "],
)
def test_a_token_is_read_in_every_form_that_a_peer_may_write(token):
    info = f"<applicationSpecificInfo>{token}</applicationSpecificInfo>"
    body = f"<applicationInfo><applicationID>a</applicationID>{info}</applicationInfo>"
    found = decode(document(body, "StartApplicationSession", SESSION)).service
    assert found == StartApplicationSession("a", "t")
    assert "'t'" not in repr(found)


def test_every_code_of_framing_a_has_an_error_of_ecma_269():
    errors = {of_code(code) for code in get_args(ErrorCode)}
    assert len(errors) == len(get_args(ErrorCode))
    assert of_code(404, "reg").value == "invalidRouteRegistrationCrossRefID"


def test_both_spellings_of_a_category_are_read():
    error = ErrorValue("systemResourceAvailibility", "resourceBusy")
    for spelling in (b"Availibility", b"Availability"):
        written = encode(CSTAErrorCode(error)).replace(b"Availibility", spelling)
        assert decode(written).service.error == error


def test_the_words_of_an_error_travel_as_a_comment():
    said = CSTAErrorCode(ErrorValue("operation", "generic"), "a--b->: x-")
    written = encode(said)
    assert b"<operation>generic</operation><!--a- -b-" in written
    assert decode(written).service.error == said.error


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-11-23T13:00:00.5+01:00", 1_795_435_200.5),
        ("20261123130000", 1_795_438_800.0),
        ("20261123130000.25Z", 1_795_438_800.25),
        ("2026-11-23 13:00:00,123456789-0130", 1_795_444_200.123456),
    ],
)
def test_times_are_read_in_both_forms(written, seconds):
    assert read_time(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+99:99",
        "1969-12-31T23:59:59Z",
        "2026-01-01",
        "now",
    ],
)
def test_what_is_no_time_is_refused(written):
    body = f"{LEAST}<extensions><security><timeStamp>{written}</timeStamp></security></extensions>"
    field, _ = refused(body)
    assert field == "extensions/security/timeStamp"


@given(time)
def test_a_time_is_read_as_it_was_written(seconds):
    assert read_time(write_time(seconds)) == seconds
