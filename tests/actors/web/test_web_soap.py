"""The SOAP twin of the IVR API: the same answers, the same problems, in envelopes."""

import asyncio
import random
import re
from pathlib import Path

import pytest
from lxml import etree
from msgspec.structs import replace
from soap_asking import PATH, ask, asking, post
from soap_kit import mutated

from actors.web import customer_operations, session_operations
from actors.web.soap_records import NAMESPACE, TWINS, session_context
from protocols.http import problem
from protocols.soap import envelope
from protocols.soap.names import SOAP_12, XSD
from protocols.soap.reading import REFUSALS
from protocols.soap.wsdl import wsdl_of, xsd_of

GOLDEN = Path(__file__).parent / "golden"
LOCATION = f"http://127.0.0.1:8080{PATH}"
SCHEMA = etree.XMLSchema(etree.fromstring(xsd_of(session_context())))
BUSY, CLOSED, UNKNOWN = "b" * 20, "c" * 20, "d" * 20
CASES = 500
NEW = {"call": "c-1", "ani": "+33612345678", "dnis": "3900", "lang": "fr", "ud": {"offer": "gold"}}


@pytest.fixture
def session(site):
    """The id of a session that is open."""
    return ask(site, "OpenSession", **NEW).view[0]


def done(said):
    """An answer that is none of a fault, and that its schema holds for."""
    assert said.status == 200, said.body
    SCHEMA.assertValid(said.content)
    return said


# The description


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("session-context-v1.wsdl", lambda service: wsdl_of(service, LOCATION)),
        ("session-context-v1.xsd", xsd_of),
    ],
)
def test_the_description_is_the_one_that_clients_were_built_from(name, made):
    """Where it may change (docs/soap.md), write the new one over the golden file."""
    assert made(session_context()).decode() == (GOLDEN / name).read_text(encoding="utf-8")


def sequences(schema):
    """The elements of each type and element of a schema by its name."""
    found = {}
    for one in schema.xpath("/xs:schema/*[@name]", namespaces={"xs": XSD}):
        inside = one.iterfind(f".//{{{XSD}}}sequence/{{{XSD}}}element")
        kind = etree.QName(one).localname
        found[kind, one.get("name")] = [etree.tostring(part) for part in inside]
    return found


def test_what_the_first_release_described_still_holds():
    """What is answered has grown at its end only; what is asked can still be asked."""
    first = sequences(etree.parse(GOLDEN / "session-context-v1-first.xsd"))
    now = sequences(etree.fromstring(xsd_of(session_context())))
    for (kind, name), elements in first.items():
        if kind == "complexType":
            assert now[kind, name][: len(elements)] == elements, name
            continue
        assert set(elements) <= set(now[kind, name]), name
        added = set(now[kind, name]) - set(elements)
        assert all(b'minOccurs="0"' in one for one in added), name


def test_every_operation_of_ivr_applications_is_there():
    operations = [*session_operations.OPERATIONS, customer_operations.get_customer]
    assert [twin.operation for twin in TWINS] == operations


@pytest.mark.parametrize("query", ["wsdl", "WSDL", "wsdl="])
def test_the_wsdl_is_served_with_the_address_it_was_asked_at(site, query):
    answer = site.get(f"{PATH}?{query}", scope="viewer")
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    location = f"http://127.0.0.1:{site.port}{PATH}"
    assert answer.body == wsdl_of(session_context(), location)


def test_the_schema_is_served_by_itself(site):
    assert site.get(f"{PATH}?xsd", scope="ivr").body == xsd_of(session_context())


@pytest.mark.parametrize(
    ("scope", "status"),
    [(None, 401), ("cti", 403), ("viewer", 200), ("ivr", 200), ("operator", 200), ("admin", 200)],
)
@pytest.mark.parametrize("query", ["wsdl", "xsd"])
def test_the_description_needs_a_token_that_may_read_sessions(site, scope, status, query):
    """It is not among what the contract shows without one."""
    answer = site.get(f"{PATH}?{query}", scope=scope)
    assert (answer.status, answer.headers["content-type"]) == (status, "text/xml; charset=utf-8")
    assert (b"Fault>" in answer.body) == (status != 200)
    assert ("WWW-Authenticate" in answer.headers) == (status != 200)


def test_an_address_that_is_none_is_not_repeated(site):
    answer = site.get(f"{PATH}?wsdl", headers={"Host": 'x"><y'})
    assert b'location="http://127.0.0.1:8080/soap/session-context"' in answer.body


@pytest.mark.parametrize("query", ["", "?", "?x", "?wsdl&xsd"])
def test_what_describes_nothing_is_refused(site, query):
    answer = site.get(f"{PATH}{query}")
    assert (answer.status, b"wsdl or xsd" in answer.body) == (400, True)


def test_the_endpoint_is_in_the_listing_of_routes_with_its_own_media_type(site):
    document = site.get("/openapi.json").json()["paths"][PATH]
    asked, described = document["post"], document["get"]
    assert list(asked["requestBody"]["content"]) == ["text/xml"]
    assert {one["name"] for one in asked["parameters"]} == {"SOAPAction", "Idempotency-Key"}
    assert asked["responses"].keys() == {"200", "400", "406", "413", "415", "default"}
    assert asked["security"] == described["security"] == [{"bearer": []}]
    for answer in (*asked["responses"].values(), *described["responses"].values()):
        assert list(answer["content"]) == ["text/xml"]


def test_an_envelope_is_counted_as_one_and_as_the_operation_that_it_asked_for(site, session):
    def counted():
        text = site.get("/metrics", scope="viewer").body.decode()
        found = re.findall(r"^vigie_http_requests_total\{(.*)\} (\S+)$", text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}

    before = counted()
    ask(site, "GetSession", session=session)
    ask(site, "GetSession", session=UNKNOWN)
    grown = {labels: n - before.get(labels, 0) for labels, n in counted().items()}
    assert {labels for labels, n in grown.items() if n == 1} - {
        'operation="prometheus",status="200"'
    } == {
        'operation="soapSessionContext",status="200"',
        'operation="soapSessionContext",status="500"',
        'operation="getSession",status="200"',
        'operation="getSession",status="404"',
    }


# What is asked and answered


def test_a_session_is_opened_once_for_a_call(site):
    first, again = (done(ask(site, "OpenSession", **NEW)) for _ in range(2))
    assert first.view == again.view
    assert (first.text("created"), again.text("created")) == ("true", "false")


def test_a_session_is_the_one_of_the_json_api(site, session):
    shown = site.get(f"/api/v1/sessions/{session}", scope="ivr").json()
    said = done(ask(site, "GetSession", session=session))
    view = said.content.find(".//{*}session")
    assert {etree.QName(one).localname for one in view} == {*shown, "durable", "prev_call", "ucid"}
    assert (said.text("ani"), said.text("ud/entry/key"), said.text("ud/entry/value")) == (
        "+33612345678",
        "offer",
        "gold",
    )


def test_sessions_are_found_and_paged(site, session):
    for number in ("+33612345678", " 33612345678"):
        said = done(ask(site, "FindSessions", ani=number, limit=1, open=1))
        assert (said.text("total"), said.text("item/session")) == ("1", session)
    assert done(ask(site, "FindSessions", call="nobody's")).text("total") == "0"


def test_a_long_page_is_the_same_in_either_api(site, session):
    view = site.services.sessions.views[session]
    many = {f"{n:020x}": replace(view, session=f"{n:020x}") for n in range(120)}
    site.services.sessions.views = many
    said = done(ask(site, "FindSessions", call="c-1", limit=100))
    shown = site.get("/api/v1/sessions?call=c-1&limit=100", scope="ivr").json()
    found = [one.findtext("{*}session") for one in said.content.iterfind(".//{*}items/{*}item")]
    assert found == [one["session"] for one in shown["items"]]
    assert (said.text("total"), said.text("next_cursor")) == ("120", shown["next_cursor"])


def test_the_send_list_of_an_application_is_flat_text_with_its_revision(site, session):
    said = done(ask(site, "GetSendList", session=session, app="welcome"))
    entries = said.content.iterfind(".//{*}entry")
    sent = {one.findtext("{*}key"): one.findtext("{*}value") for one in entries}
    assert sent == site.get(f"/api/v1/sessions/{session}/ivr?app=welcome", scope="ivr").json()
    assert said.text("rev") == "1"


def test_a_change_on_the_current_revision_is_made_and_on_another_refused(site, session):
    change = {"session": session, "set": {"ud.n": 7, "auth_level": 2}, "del": ["ud.offer"]}
    assert done(ask(site, "PatchSession", rev=1, **change)).view == (session, "2")
    stale = ask(site, "PatchSession", rev=1, **change)
    assert (stale.status, stale.code) == (500, "soap:Client")
    assert stale.rule == (412, "stale-revision", "If-Match", "the current revision")
    assert stale.problem["rev"] == "2"
    assert site.get(f"/api/v1/sessions/{session}", scope="ivr").json()["ud"] == {"n": 7}


def test_a_step_a_route_and_an_end(site, session):
    added = done(ask(site, "AddJourneyStep", session=session, ev="in", step="menu", data={"a": 1}))
    assert (added.text("noted/steps"), added.text("replayed")) == ("1", "false")
    routed = done(ask(site, "RouteSession", session=session, rp="sales"))
    assert (routed.text("decision/target"), routed.text("decision/rtype")) == ("7001", "direct")
    assert done(ask(site, "CloseSession", session=session, reason="bye")).text("state") == "closed"


def test_what_is_done_with_a_key_is_done_once_in_either_api(site, session):
    step = {"ev": "in", "step": "menu"}
    key = 'k "1" \\'
    first = done(ask(site, "AddJourneyStep", session=session, idempotency_key=key, **step))
    again = done(ask(site, "AddJourneyStep", session=session, idempotency_key=key, **step))
    assert (first.text("replayed"), again.text("replayed")) == ("false", "true")
    sent = {"Idempotency-Key": '"k \\"1\\" \\\\"'}
    url = f"/api/v1/sessions/{session}/events"
    third = site.post(url, step, scope="ivr", headers=sent)
    assert (third.headers["Idempotency-Replayed"], third.json()["steps"]) == ("true", 1)
    header = {"Idempotency_Key": sent["Idempotency-Key"]}
    fourth = ask(site, "AddJourneyStep", headers=header, session=session, **step)
    assert done(fourth).text("replayed") == "true"
    other = ask(site, "AddJourneyStep", headers=header, session=session, ev="in", step="other")
    assert other.rule[:3] == (422, "idempotency-key-reused", "Idempotency-Key")


@pytest.mark.parametrize(
    "action", ["", '""', f'"{NAMESPACE}:GetSession"', f"{NAMESPACE}:GetSession"]
)
def test_soap_action_may_be_empty_or_say_what_the_body_says(site, session, action):
    done(ask(site, "GetSession", headers={"SOAPAction": action}, session=session))


# What is refused


@pytest.mark.parametrize(
    ("asked", "json"),
    [
        (("GetSession", {"session": UNKNOWN}), ("GET", f"/{UNKNOWN}", None)),
        (("GetSession", {"session": "x/../y"}), ("GET", "/x%2F..%2Fy", None)),
        (("GetSession", {"session": CLOSED}), ("GET", f"/{CLOSED}", None)),
        (("GetSession", {"session": BUSY}), ("GET", f"/{BUSY}", None)),
        (("OpenSession", {}), ("POST", "", {})),
        (("OpenSession", {"call": ""}), ("POST", "", {"call": ""})),
        (("OpenSession", {"call": "c" * 300}), ("POST", "", {"call": "c" * 300})),
        (("OpenSession", {"call": "c", "lang": "?"}), ("POST", "", {"call": "c", "lang": "?"})),
        (
            ("OpenSession", {"call": "c", "ud": {"k": "v" * 2000}}),
            ("POST", "", {"call": "c", "ud": {"k": "v" * 2000}}),
        ),
        (("FindSessions", {}), ("GET", "", None)),
        (("FindSessions", {"ani": "none"}), ("GET", "?ani=none", None)),
        (("FindSessions", {"call": "c", "limit": 501}), ("GET", "?call=c&limit=501", None)),
        (("FindSessions", {"call": "c", "cursor": "?"}), ("GET", "?call=c&cursor=%3F", None)),
        (("AddJourneyStep", {"session": CLOSED}), ("POST", f"/{CLOSED}/events", {})),
        (("RouteSession", {"session": BUSY, "rp": "r"}), ("POST", f"/{BUSY}/route", {"rp": "r"})),
        (("PatchSession", {"session": UNKNOWN}), ("PATCH", f"/{UNKNOWN}", {})),
    ],
)
def test_a_refusal_has_the_problem_of_the_json_api(site, asked, json):
    operation, fields = asked
    method, path, body = json
    wanted = site.ask(method, f"/api/v1/sessions{path}", body, scope="ivr").json()
    said = ask(site, operation, **fields)
    assert said.problem.items() >= wanted.items()
    assert (said.status, said.code) == (
        500,
        "soap:Server" if wanted["status"] >= 500 else "soap:Client",
    )


@pytest.mark.parametrize("change", [{}, {"set": {"ani": "1"}}, {"set": {"lang": 1}}])
def test_a_change_that_is_none_has_the_problem_of_the_json_api(site, session, change):
    url, headers = f"/api/v1/sessions/{session}", {"If-Match": '"1"'}
    wanted = site.ask("PATCH", url, change, scope="ivr", headers=headers).json()
    said = ask(site, "PatchSession", session=session, rev=1, **change)
    assert said.problem.items() >= wanted.items()


def test_a_refusal_for_now_says_when_to_ask_again(site):
    said = ask(site, "GetSession", session=BUSY)
    assert (said.code, said.headers["Retry-After"]) == ("soap:Server", "2")
    assert said.problem["retry_after_s"] == "2"


@pytest.mark.parametrize(
    ("operation", "fields", "json"),
    [
        ("OpenSession", {"call": "c-9"}, ("POST", "", {"call": "c-9"})),
        ("FindSessions", {"call": "c-9"}, ("GET", "?call=c-9", None)),
        ("GetSession", {"session": UNKNOWN}, ("GET", f"/{UNKNOWN}", None)),
        ("GetSendList", {"session": UNKNOWN}, ("GET", f"/{UNKNOWN}/ivr", None)),
        ("PatchSession", {"session": UNKNOWN, "rev": 1}, ("PATCH", f"/{UNKNOWN}", {})),
        (
            "AddJourneyStep",
            {"session": UNKNOWN, "ev": "in", "step": "s"},
            ("POST", f"/{UNKNOWN}/events", {"ev": "in", "step": "s"}),
        ),
        (
            "RouteSession",
            {"session": UNKNOWN, "rp": "r"},
            ("POST", f"/{UNKNOWN}/route", {"rp": "r"}),
        ),
        ("CloseSession", {"session": UNKNOWN}, ("POST", f"/{UNKNOWN}/close", {})),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_what_is_refused_for_now_is_a_fault_of_the_server_with_the_same_facts(
    site, operation, fields, json, status
):
    if status == 429:
        site.services.overload.rules |= {"new": "too many", "established": "the loop is late"}
    else:
        site.services.readiness.there = False
    method, path, body = json
    wanted = site.ask(method, f"/api/v1/sessions{path}", body, scope="ivr")
    assert wanted.status == status
    said = ask(site, operation, **fields)
    assert (said.status, said.code) == (500, "soap:Server")
    retry_after = wanted.headers["Retry-After"]
    assert said.headers["Retry-After"] == said.problem["retry_after_s"] == retry_after
    assert said.problem == wanted.json() | {"retry_after_s": retry_after}


def test_an_answer_that_does_not_come_in_time_is_a_fault_too(make_site):
    site = make_site(request_timeout_s=0.1)
    site.services.sessions.blocked = asyncio.Event()
    said = ask(site, "GetSession", session=UNKNOWN)
    assert (said.status, said.code) == (503, "soap:Server")
    assert said.rule[:2] == (503, "unavailable")
    assert said.headers["Retry-After"] == said.problem["retry_after_s"] == "1"


def test_a_body_that_stops_arriving_gets_a_fault(make_site):
    site = make_site(request_timeout_s=0.2)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.secrets['ivr']}\r\n"
    said = site.raw(f"{head}Content-Length: 10\r\nConnection: close\r\n\r\n<a>".encode())
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"Content-Type: text/xml; charset=utf-8\r\n" in said
    assert b"urn:vigie:problem:request-timeout</type>" in said


READS = [("FindSessions", {"call": "c-1"}), ("GetSession", {}), ("GetSendList", {"app": "welcome"})]
WRITES = [
    ("PatchSession", {"rev": 1, "set": {"lang": "en"}}),
    ("AddJourneyStep", {"ev": "in", "step": "menu"}),
    ("RouteSession", {"rp": "sales"}),
    ("CloseSession", {}),
    ("OpenSession", NEW),
]


@pytest.mark.parametrize("scope", ["viewer", "ivr", "operator", "admin"])
@pytest.mark.parametrize(("operation", "fields"), READS + WRITES)
def test_the_scopes_of_the_json_api_hold(site, session, scope, operation, fields):
    asked = (
        fields if operation in ("FindSessions", "OpenSession") else fields | {"session": session}
    )
    said = ask(site, operation, scope=scope, **asked)
    if scope != "viewer" or (operation, fields) in READS:
        done(said)
        return
    assert (said.status, said.code, said.rule[:3]) == (
        500,
        "soap:Client",
        (403, "forbidden", "Authorization"),
    )
    assert said.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("scope", "status", "slug"), [(None, 401, "unauthorized"), ("cti", 403, "forbidden")]
)
def test_who_may_not_ask_is_refused_before_anything_is_read(site, scope, status, slug):
    said = post(site, b"<!DOCTYPE x>", scope)
    assert (said.status, said.code) == (status, "soap:Client")
    assert said.rule[:3] == (status, slug, "Authorization")
    assert said.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({"Content_Type": "application/soap+xml"}, 415, "Content-Type"),
        ({"Content_Type": "application/json"}, 415, "Content-Type"),
        ({"Content_Type": "text/xml; charset=latin1"}, 400, "body"),
        ({"Content_Encoding": "gzip"}, 415, "Content-Encoding"),
        ({"Accept": "application/json"}, 406, "Accept"),
    ],
)
def test_headers_that_are_not_understood_are_named(site, headers, status, field):
    said = post(site, asking("GetSession", session=UNKNOWN), **headers)
    assert (said.status, said.rule[0], said.rule[2]) == (status, status, field)


def test_an_envelope_needs_no_content_type(site, session):
    done(post(site, asking("GetSession", session=session), Content_Type=None))


@pytest.mark.parametrize(
    ("data", "slug", "rule"),
    [
        (b"", "malformed-body", "a body is required"),
        (b"{}", "malformed-body", "well-formed XML"),
        (b"<a/>", "malformed-body", "the root is soap:Envelope"),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
         "document-type", "no document type declaration (SOAP 1.1, 3)"),
        (b"<?x?><a/>", "processing-instruction", "no processing instruction (SOAP 1.1, 3)"),
        (b"<a>" * 1_000, "too-deep", "at most 32 nested elements"),
        (b"<a>" + b"<b/>" * 4_001, "too-many-elements", "at most 4000 elements and attributes"),
        (b"<a " + b" ".join(b"a%d=''" % n for n in range(65)) + b"/>", "too-many-attributes",
         "at most 64 attributes of an element"),
        (b"<a xmlns='" + b"u" * 257 + b"'/>", "namespace-too-long",
         "names of namespaces have at most 256 characters"),
    ],
)  # fmt: skip
def test_what_is_no_envelope_is_a_bad_request_with_its_rule(site, data, slug, rule):
    said = post(site, data)
    assert (said.status, said.code) == (400, "soap:Client")
    assert said.rule == (400, slug, "body", rule)


def test_a_body_over_the_limit_is_refused(make_site):
    said = post(make_site(max_body_bytes=1_024), b"<a>" + b" " * 1_024)
    assert (said.status, said.rule) == (413, (413, "body-too-large", "body", "at most 1024 bytes"))


def test_the_bounds_of_an_envelope_are_configured(make_site):
    site = make_site(soap_max_depth=8, soap_max_elements=64, soap_max_attributes=8)
    nine = b" ".join(b"a%d=''" % n for n in range(9))
    assert post(site, b"<a " + nine + b"/>").rule[3] == "at most 8 attributes of an element"
    assert post(site, b"<a>" * 9).rule[3] == "at most 8 nested elements"
    assert post(site, b"<a>" + b"<b/>" * 64).rule[3] == "at most 64 elements and attributes"
    done(ask(site, "OpenSession", **NEW))


@pytest.mark.parametrize(
    ("data", "code", "slug", "field"),
    [
        (asking("GetSession", "urn:vigie:session-context:v2"), "Client", "no-such-operation",
         "Body"),
        (asking("DropTables"), "Client", "no-such-operation", "Body"),
        (asking("GetSession"), "Client", "invalid-value", "session"),
        (asking("PatchSession", session=UNKNOWN, rev="x"), "Client", "invalid-value", "rev"),
        (f"<e:Envelope xmlns:e='{SOAP_12}'/>".encode(), "VersionMismatch", "version-mismatch",
         "Envelope"),
        (asking("GetSession").replace(b"<s:Body>", b"<s:Header><x s:mustUnderstand='1'/></s:Header>"
         b"<s:Body>"), "MustUnderstand", "header-not-understood", "x"),
    ],
)  # fmt: skip
def test_an_envelope_that_asks_for_nothing_known_gets_a_fault(site, data, code, slug, field):
    said = post(site, data)
    assert (said.status, said.code) == (500, f"soap:{code}")
    assert slug in (None, said.rule[1])
    assert said.rule[2] == field


def test_an_action_that_says_something_else_than_the_body_is_refused(site, session):
    headers = {"SOAPAction": f'"{NAMESPACE}:CloseSession"'}
    said = ask(site, "GetSession", headers=headers, session=session)
    assert said.rule[1:3] == ("no-such-operation", "SOAPAction")


def test_a_failure_within_is_a_fault_that_tells_nothing(site, session, caplog):
    site.services.sessions.views[session] = None
    said = ask(site, "GetSession", session=session)
    assert (said.status, said.code, said.rule[1]) == (500, "soap:Server", "internal-error")
    assert b"Traceback" not in said.body


def test_mutated_envelopes_are_answered_or_refused_and_nothing_fails(site, session):
    chance = random.Random(7)
    step = asking("AddJourneyStep", session=session, ev="in", step="menu", data={"a": 1, "b": "c"})
    change = asking("PatchSession", session=session, rev=1, set={"ud.a": 1}, del_=["ud.b"])
    slugs = set()
    for n in range(CASES):
        said = post(site, mutated(chance, step if n % 2 else change, edits=1))
        assert said.status in (200, 400, 500)
        slugs.add("" if said.status == 200 else said.rule[1])
    assert slugs >= {"", "malformed-body", "invalid-value", "no-such-operation"}
    assert "internal-error" not in slugs


def test_every_problem_of_envelopes_is_documented():
    text = (Path(__file__).parents[3] / "docs" / "soap.md").read_text(encoding="utf-8")
    kinds = {envelope.VERSION_MISMATCH, envelope.NOT_UNDERSTOOD, envelope.NO_SUCH_OPERATION}
    kinds |= set(REFUSALS) - {problem.MALFORMED_BODY, problem.BODY_TOO_LARGE}
    assert {(kind.slug, str(kind.status)) for kind in kinds} == set(
        re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", text, re.MULTILINE)
    )
    assert [twin.name for twin in TWINS] == re.findall(
        r"^\| `([A-Z][A-Za-z]+)` \| `", text, re.MULTILINE
    )
