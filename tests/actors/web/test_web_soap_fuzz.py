"""Whatever is posted to the SOAP endpoint is answered in SOAP, by its schema, and nothing fails."""

import collections
import random
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from soap_asking import NAMES, PATH
from soap_hostile import envelopes
from soap_kit import mutated

from actors.session_api import SessionView
from actors.web.api import Api
from actors.web.exchange import ApiRequest
from actors.web.soap_operations import operations
from actors.web.soap_records import NAMESPACE, TWINS, session_context
from protocols.soap.names import SOAP
from protocols.soap.wsdl import xsd_of

SERVICE = session_context()
SCHEMA = etree.XMLSchema(etree.fromstring(xsd_of(SERVICE)))
SESSION, CLOSED, BUSY, UNKNOWN = "a" * 20, "c" * 20, "b" * 20, "d" * 20
KNOWN = (
    SESSION,
    SESSION,
    SESSION,
    CLOSED,
    BUSY,
    UNKNOWN,
    "c-1",
    "fr",
    "+33612345678",
    "+33142345678",
)
EXAMPLES, LONG_EXAMPLES, LONG_VARIANTS = 400, 10_000, 9
CODES = {"Client", "Server", "MustUnderstand", "VersionMismatch"}
HOW = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Endpoint:
    """The endpoint of a site without its transport, and what it has answered.

    Args:
        site: The site.
    """

    def __init__(self, site):
        self._site = site
        self._api = Api(site.services, operations())
        self._headers = {"authorization": f"Bearer {site.secrets['ivr']}"}
        self.answered = collections.Counter()

    def post(self, data):
        """Answer one envelope, where one session is open."""
        sessions = self._site.services.sessions
        sessions.keys.clear()
        sessions.done.clear()
        view = SessionView(session=SESSION, rev=1, state="ivr", call="c-1", opened=1, updated=1)
        sessions.views = {SESSION: view}

        async def read_body():
            return data

        request = ApiRequest(method="POST", path=PATH, headers=self._headers, read_body=read_body)
        return self._site.do(self._api.dispatch(request))

    def hold(self, data):
        """Hold what is answered to an envelope against what is promised."""
        answer = self.post(data)
        root = etree.fromstring(answer.body)
        assert root.tag == f"{{{SOAP}}}Envelope"
        content = root.find("s:Body", NAMES)[0]
        if answer.status == 200:
            SCHEMA.assertValid(content)
            self.answered[etree.QName(content).localname] += 1
            return
        self._hold_fault(answer, content)

    def _hold_fault(self, answer, fault):
        assert fault.tag == f"{{{SOAP}}}Fault"
        assert fault.findtext("faultcode").removeprefix("soap:") in CODES
        told = fault.find("detail")[0]
        SCHEMA.assertValid(told)
        slug = told.findtext(f"{{{NAMESPACE}}}type").rpartition(":")[2]
        assert slug != "internal-error", answer.body
        status = int(told.findtext(f"{{{NAMESPACE}}}status"))
        assert answer.status in (500, status)
        assert (status in (429, 503)) <= ("Retry-After" in answer.headers)
        self.answered[slug] += 1


@pytest.fixture
def endpoint(site):
    return Endpoint(site)


def tried(endpoint, examples, variants=0):
    """Try envelopes, each with some that differ from it in a few bytes."""

    @given(envelopes(SERVICE, KNOWN), st.integers(0, 2**32))
    @settings(HOW, max_examples=examples)
    def answered(data, seed):
        endpoint.hold(data)
        chance = random.Random(seed)
        for _ in range(variants):
            endpoint.hold(mutated(chance, data, edits=1))

    answered()
    return endpoint.answered


def test_what_is_posted_is_answered_in_soap(endpoint):
    told = tried(endpoint, EXAMPLES)
    assert told.total() >= EXAMPLES
    assert {"invalid-value", "malformed-body"} <= told.keys()
    assert {f"{twin.name}Response" for twin in TWINS} & told.keys()


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_envelopes_are_answered_in_soap(endpoint):
    told = tried(endpoint, LONG_EXAMPLES, LONG_VARIANTS)
    assert told.total() >= LONG_EXAMPLES * (1 + LONG_VARIANTS)
    sys.stdout.write(f"{dict(told.most_common())}\n")
    assert {f"{twin.name}Response" for twin in TWINS} <= told.keys()
