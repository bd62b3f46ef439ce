"""Customers over HTTP: what is known of one, and having it forgotten."""

import pytest

CUSTOMERS = "/api/v1/customers"
FORGET = "/api/v1/database/forget"
KNOWN = "+33142345678"


@pytest.mark.parametrize("path", ["+33142345678", "%2B33142345678", "0142345678", "01%2042345678"])
@pytest.mark.parametrize("scope", ["ivr", "viewer"])
def test_a_customer_is_told_by_the_number_in_any_notation(site, path, scope):
    answer = site.get(f"{CUSTOMERS}/{path}", scope=scope)
    assert answer.status == 200
    told = answer.json()
    assert (told["msisdn"], told["facts"]["segment"], told["platform"]) == (KNOWN, "gold", "north")
    assert (told["age_ms"], told["stale"]) == (1500.0, True)
    assert told["services"] == [{"code": "fibre", "label": "Fibre", "rp": "support", "open": True}]
    assert told["journeys"][0]["steps"][0]["step"] == "menu"


def test_how_many_journeys_are_told_is_asked_for(site):
    assert site.get(f"{CUSTOMERS}/{KNOWN}?journeys=0").json()["journeys"] == []
    for wrong in ("-1", "101", "x"):
        answer = site.get(f"{CUSTOMERS}/{KNOWN}?journeys={wrong}")
        assert (answer.status, answer.json()["field"]) == (400, "journeys")


def test_links_have_no_use_for_customers(site):
    assert site.get(f"{CUSTOMERS}/{KNOWN}", scope="cti").status == 403


@pytest.mark.parametrize(
    "path", ["anonymous", "3600", "%2B", "+3314234567812345678", "9" * 65, "%F0%9F%98%80"]
)
def test_what_can_be_no_number_is_refused_by_field_and_rule(site, path):
    answer = site.get(f"{CUSTOMERS}/{path}")
    assert answer.status == 400
    problem = answer.json()
    assert problem["field"] == "msisdn"
    assert problem["rule"] == "a number of the public network, as E.164 has it"


def test_a_number_that_is_nobodys_is_not_found(site):
    answer = site.get(f"{CUSTOMERS}/+33142999999")
    assert answer.status == 404
    assert answer.json()["type"] == "urn:vigie:problem:no-such-customer"


def test_where_nobody_can_tell_it_is_said_when_to_ask_again(site):
    answer = site.get(f"{CUSTOMERS}/+33142000000")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"


def test_operators_have_one_customer_forgotten_or_all(site):
    answer = site.post(FORGET, {"msisdn": KNOWN, "reason": "moved"})
    assert (answer.status, answer.json()) == (200, {"forgotten": 2})
    assert site.post(FORGET, {"all": True}).status == 200
    assert site.services.customers.forgotten == [KNOWN, None]


@pytest.mark.parametrize("body", [{}, {"msisdn": KNOWN, "all": True}, {"all": False}])
def test_nobody_is_forgotten_by_mistake(site, body):
    answer = site.post(FORGET, body)
    assert (answer.status, answer.json()["field"]) == (400, "msisdn")
    assert site.services.customers.forgotten == []


def test_applications_have_nobody_forgotten(site):
    assert site.post(FORGET, {"msisdn": KNOWN}, scope="ivr").status == 403
