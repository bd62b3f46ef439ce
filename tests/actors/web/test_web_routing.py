"""The operations on routing: who may, what is taken, how refusals are answered."""

import pytest

from actors.routing_core.facts import Request
from protocols.numbering import normalise

ROUTING = "/api/v1/routing"
TOML = {"Content-Type": "application/toml"}


def test_what_is_in_force_is_shown_to_who_may_look(site):
    answer = site.get(ROUTING, scope="viewer").json()
    assert (answer["version"]["number"], answer["queues"][0]["queue"]) == (3, "sales")
    assert site.get(ROUTING, scope="ivr").status == 403


def test_a_call_that_is_not_made_is_explained(site):
    answer = site.get(f"{ROUTING}/explain?rp=sales&ani=0142345678&at=5&tried=1,2", scope="viewer")
    assert answer.json() == {"decision": {"target": "7001"}}
    number = normalise("0142345678", "FR")
    request = Request(call="", rp="sales", ani="0142345678", number=number, tried=("1", "2"))
    assert site.services.routing.asked == [(request, 5.0)]


@pytest.mark.parametrize(
    ("query", "field"),
    [("ani=1", "rp"), ("rp=a&at=-1", "at"), ("rp=a&at=x", "at"), ("rp=a&prio=-1", "prio")],
)
def test_a_question_that_is_none_names_its_field(site, query, field):
    assert site.get(f"{ROUTING}/explain?{query}").rule[::2] == (400, field)


def test_agents_and_waiting_calls_are_paged(site):
    agents = site.get(f"{ROUTING}/agents?limit=1&sort=name").json()
    assert ([one["name"] for one in agents["items"]], agents["total"]) == (["ann"], 2)
    waiting = site.get(f"{ROUTING}/waiting").json()["items"]
    assert [(one["call"], one["queue"]) for one in waiting] == [("c1", "sales")]


def test_rules_are_applied_as_they_are_or_in_json(site):
    assert (
        site.ask("PUT", f"{ROUTING}/rules?check=true", b"version = 4\n", headers=TOML).status == 200
    )
    answer = site.ask("PUT", f"{ROUTING}/rules", {"toml": "version = 4\n"})
    assert answer.json()["before"]["number"] == 3
    assert site.services.routing.applied == [(b"version = 4\n", True), (b"version = 4\n", False)]
    assert site.ask("PUT", f"{ROUTING}/rules", {"toml": "x"}, scope="viewer").status == 403


def test_rules_with_mistakes_name_their_lines(site):
    answer = site.ask("PUT", f"{ROUTING}/rules", {"toml": "version = 4\n[rp.sales]\nfoo = 1\n"})
    assert answer.rule[:2] == (422, "rules-invalid")
    assert [(one["line"], one["key"]) for one in answer.json()["mistakes"]] == [(3, "rp.sales.foo")]


def test_rules_whose_version_does_not_go_up_are_refused(site):
    assert site.ask("PUT", f"{ROUTING}/rules", {"toml": "version = 1\n"}).rule == (
        409,
        "rules-refused",
        "version",
    )
