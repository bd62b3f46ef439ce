"""Decisions, step by step: what each step finds out, says and decides."""

import pytest
from routing_kit import AT, TABLE, core_of, ready, request, ruleset, tell

from actors.routing_core.core import STEPS, RoutingCore, begin, route
from actors.routing_core.facts import Customer, Reference, is_stale
from actors.routing_core.interception import numbers
from actors.routing_core.refusals import RoutingRefused
from actors.routing_core.rules import Interception, InterceptionList, Service
from protocols.numbering import Number

RULES = """
[calendar.days]
zone = "Europe/Paris"
week = { mon = ["08:00-18:00"] }

[platforms.product]
fibre = "north"
mobile = "south"
[platforms.number]
"+33142345678" = "east"

[service.vdsl]
skill = "lines"
level = 2
[service.tv]
calendar = "nights"
skill = "tv"
[service.cable]
rp = "support"
[calendar.nights]
zone = "Europe/Paris"
week = { mon = ["20:00-23:00"] }

[rp.sales]
calendar = "days"
closed = { target = "ann-closed", message = "closed" }
queue = "sales"
prio = 1
follow_services = true
send = ["ani", "customer", "customer.products", "customer.vip", "platform", "services", "lang"]
[[rp.sales.when]]
segments = ["gold"]
platforms = ["north", "east"]
prio = 100
queue = "gold"
[[rp.sales.when]]
callers = ["+44"]
langs = ["en"]
skills = { english = 3 }

[rp.support]
queue = "support"
[rp.bare]
label = "no queue"

[queue.sales]
target = "w-sales"
strategy = "last-agent"
skills = { sales = 1 }
handle_s = 60.0
max_wait_s = 300.0
max_calls = 3
overflow = ["support"]
overflow_above_s = 30.0
callback = { target = "call-back", above_s = 120.0, message = "we-call-you" }
dissuasion = { target = "ann-busy", message = "try-later" }
[queue.gold]
strategy = "skills"
target = "w-gold"
skills = { sales = 1 }
[queue.support]
skills = { support = 1 }
target = "w-support"
max_wait_s = 10.0
"""


@pytest.fixture
def core() -> RoutingCore:
    return core_of(RULES)


def decided(core, at=AT, **more):
    return core.explain(request(**more), at).decision


def test_each_step_says_one_line_and_can_be_taken_and_measured_by_itself(core):
    ready(core, "a", skills={"sales": 1})
    facts = begin(request(ani="0142345678"), AT)
    for index, step in enumerate(STEPS):
        assert facts.decision is None
        facts = step.take(core.world, facts)
        assert len(facts.why) == index + 1
    assert facts == route(core.world, request(ani="0142345678"), AT)
    assert facts.decision.why == facts.why
    assert [step.name for step in STEPS] == [
        *("normalise", "interception", "customer", "platform"),
        *("services", "routing_point", "strategy", "select"),
    ]


def test_a_number_that_was_normalised_before_is_not_read_again(core):
    number = Number("+441234567890", "public")
    facts = core.explain(request(ani="0142345678", number=number), AT).facts
    assert facts.number == number


@pytest.mark.parametrize(
    ("customer", "platform"),
    [
        (None, "east"),
        (Customer(platform="west", products=("fibre",)), "west"),
        (Customer(products=("fibre",)), "east"),
    ],
)
def test_the_platform_of_the_number_wins(core, customer, platform):
    facts = core.explain(request(ani="0142345678", customer=customer), AT).facts
    assert facts.platform == platform


@pytest.mark.parametrize(
    ("products", "platform"),
    [(("mobile", "fibre"), "south"), (("unknown", "fibre"), "north"), (("unknown",), ""), ((), "")],
)
def test_else_the_first_product_that_has_one_tells_the_platform(core, products, platform):
    facts = core.explain(request(customer=Customer(products=products)), AT).facts
    assert facts.platform == platform


def test_what_is_missing_or_stale_of_the_customer_is_said(core):
    assert "customer: nothing is known" in decided(core).why
    assert (
        "customer: odbcServer had not answered in time" in decided(core, missing="odbcServer").why
    )
    stale = Customer(id="C1", segment="gold", stale=True, age_s=90.0)
    assert "customer: C1, segment gold, 90 s old and stale" in decided(core, customer=stale).why


def test_a_service_that_is_looked_after_asks_for_its_skill(core):
    ready(core, "a", "b", skills={"sales": 1})
    ready(core, "c", at=AT + 1, skills={"sales": 1, "lines": 2})
    facts = core.explain(request(customer=Customer(services=("vdsl", "tv", "none"))), AT).facts
    assert facts.services == ("vdsl",)
    assert facts.extra == (("lines", 2),)
    assert facts.choice.agent == "c"


def test_a_service_leads_to_its_routing_point_where_services_are_followed(core):
    facts = core.explain(request(customer=Customer(services=("cable",))), AT).facts
    assert (facts.rp, facts.queue) == ("support", "support")
    facts = core.explain(request("bare", customer=Customer(services=("cable",))), AT).facts
    assert facts.rp == "bare"


def test_a_closed_routing_point_says_so_and_when(core):
    explanation = core.explain(request(), AT + 10 * 3_600)
    assert explanation.decision.target == "ann-closed"
    assert (explanation.decision.rtype, explanation.decision.reason) == ("announcement", "closed")
    assert explanation.facts.treat == {"announcement": "closed"}
    assert "closed on 2026-11-23 20:00 CET, calendar days" in explanation.decision.why[-1]
    assert [name for name, _ in explanation.steps][-1] == "routing_point"


def test_a_closed_routing_point_whose_announcement_was_tried_has_nothing_left(core):
    decision = decided(core, AT + 10 * 3_600, tried=("ann-closed",))
    assert (decision.target, decision.reason) == ("", "no-target-left")


def test_the_first_condition_that_a_call_meets_holds(core):
    gold = Customer(segment="gold", products=("fibre",))
    facts = core.explain(request(customer=gold), AT).facts
    assert (facts.queue, facts.prio) == ("gold", 100), "priority is limited"
    facts = core.explain(request(customer=Customer(segment="gold")), AT).facts
    assert (facts.queue, facts.prio) == ("sales", 1)
    facts = core.explain(request(ani="+441234567890", lang="en", prio=2), AT).facts
    assert (facts.extra, facts.prio) == ((("english", 3),), 3)
    facts = core.explain(request(ani="+441234567890", lang="fr"), AT).facts
    assert facts.extra == ()


def test_an_agent_takes_the_call_and_the_queue_is_what_may_be_tried_next(core):
    ready(core, "a", skills={"sales": 1}, device="7100")
    decision = core.decide(request(), AT).decision
    assert (decision.target, decision.rtype, decision.reason) == (
        "7100",
        "direct_agent",
        "most-idle",
    )
    assert decision.alt == ("w-sales", "7001", "7002", "7009")
    assert core.decide(request(call="c-2"), AT).choice.kind != "agent", "he is reserved"


def test_the_last_agent_goes_before_the_others_when_he_is_there(core):
    ready(core, "a", "b", skills={"sales": 1})
    known = Customer(last_agent="b")
    assert decided(core, customer=known).reason == "last-agent"
    assert decided(core, customer=known).target == "b"
    assert decided(core, customer=known, tried=("b",)).target == "a"
    tell(core, "b", "busy", AT + 1)
    assert decided(core, customer=known).reason == "most-idle"


def test_the_highest_level_goes_first_and_then_the_longest_idle(core):
    ready(core, "a", skills={"sales": 2})
    ready(core, "b", "c", at=AT + 9, skills={"sales": 5})
    gold = Customer(segment="gold", products=("fibre",))
    assert decided(core, customer=gold).target == "b"
    assert decided(core, customer=gold, tried=("b",)).target == "c"


def test_a_call_waits_while_the_wait_is_short(core):
    ready(core, "a", skills={"sales": 1})
    tell(core, "a", "busy", AT + 1)
    facts = core.decide(request(), AT)
    assert (facts.decision.target, facts.decision.reason) == ("w-sales", "queued")
    assert facts.expected_wait_s == 60.0
    assert core.decide(request(call="c-2"), AT).expected_wait_s == 120.0


def test_it_overflows_to_who_is_ready_elsewhere_when_it_would_be_longer(core):
    ready(core, "a", skills={"sales": 1})
    tell(core, "a", "busy", AT + 1)
    ready(core, "s", skills={"support": 1})
    decision = decided(core)
    assert (decision.target, decision.reason) == ("s", "overflow")
    assert decision.why[-1].endswith("overflow of sales")
    assert decided(core, tried=("s",)).target == "w-sales"


def test_a_call_back_is_offered_when_it_would_be_long_and_once_only(core):
    ready(core, "a", skills={"sales": 1})
    tell(core, "a", "busy", AT + 1)
    for index in range(2):
        core.decide(request(call=f"c-{index}"), AT)
    facts = core.explain(request(call="c-9"), AT).facts
    assert (facts.decision.target, facts.decision.reason) == ("call-back", "callback-offer")
    assert facts.treat == {"announcement": "we-call-you"}
    assert facts.expected_wait_s == 180.0
    assert decided(core, call="c-9", tried=("call-back",)).target == "w-sales"


def test_nobody_is_let_in_whose_wait_has_no_end_or_no_room(core):
    tried = ("call-back",)
    decision = decided(core, tried=tried)
    assert (decision.target, decision.reason) == ("ann-busy", "dissuasion")
    assert "without end, nobody is there" in decision.why[-1]
    ready(core, "a", skills={"sales": 1})
    tell(core, "a", "busy", AT + 1)
    for index in range(3):
        core.decide(request(call=f"c-{index}", tried=tried), AT)
    decision = decided(core, tried=tried, call="c-9")
    assert (decision.target, decision.reason) == ("ann-busy", "dissuasion")
    assert "3 wait, expected wait 240 s" in decision.why[-1]
    decision = decided(core, tried=("call-back", "ann-busy"), call="c-9")
    assert (decision.target, decision.reason) == ("7001", "reroute")


def test_without_anything_else_the_target_of_the_configuration_is_left(core):
    decision = decided(core, rp="support")
    assert (decision.target, decision.reason) == ("7010", "rp-default")
    assert decided(core, rp="bare").target == "7000"
    assert decided(core, rp="bare").reason == "rp-default"
    assert decided(core, rp="nowhere").reason == "unknown-rp"
    assert decided(core, rp="nowhere", tried=("7000",)).reason == "no-target-left"


def test_what_is_known_is_sent_along_and_nothing_else(core):
    ready(core, "a", skills={"sales": 1, "lines": 2})
    customer = Customer(id="C1", products=("fibre", "tv"), services=("vdsl",))
    assert core.explain(request(ani="0142345679", customer=customer), AT).facts.send == {
        "ani": "+33142345679",
        "customer": "C1",
        "customer.products": "fibre,tv",
        "customer.vip": "false",
        "platform": "north",
        "services": "vdsl",
    }
    assert core.explain(request(), AT).facts.send == {}


SITES = """
[rp.sales]
queue = "sites"
[queue.sites]
strategy = "percentage"
destinations = [
  { queue = "north", percent = 50 },
  { queue = "south", percent = 25 },
  { target = "partner", rtype = "label", percent = 25, capacity = 1 },
]
[queue.north]
target = "w-north"
skills = { north = 1 }
[queue.south]
target = "w-south"
skills = { south = 1 }
max_calls = 0
"""


def test_queues_of_agents_share_calls_by_percentage_and_what_cannot_take_one_is_passed_over():
    core = core_of(SITES)
    ready(core, "n1", "n2", skills={"north": 1})
    ready(core, "s1", skills={"south": 1})
    facts = [core.decide(request(call=f"c-{index}"), AT) for index in range(6)]
    assert [one.decision.target for one in facts] == [
        *("n1", "s1", "partner", "n2", "w-north", "w-north"),
    ]
    assert {one.decision.reason for one in facts} == {"percentage"}
    assert "share of queue north in queue sites" in facts[0].decision.why[-1]
    assert facts[2].decision.rtype == "label"


def test_a_queue_of_which_nothing_is_known_but_its_target_takes_what_it_has_room_for():
    core = core_of("[rp.sales]\nqueue = 'q'\n[queue.q]\ntarget = 'acd'\nmax_calls = 2")
    facts = [core.decide(request(call=f"c-{index}"), AT) for index in range(3)]
    assert [one.decision.target for one in facts] == ["acd", "acd", "7001"]
    assert facts[0].expected_wait_s is None
    assert facts[0].decision.why[-1].endswith("expected wait unknown")


def test_an_explanation_tells_every_step_and_which_rules_it_rests_on(core):
    explanation = core.explain(request("support", ani="0142345678"), AT)
    assert explanation.version == core.version
    assert len(explanation.steps) == len(STEPS)
    lines = [line for _, said in explanation.steps for line in said]
    assert tuple(lines) == explanation.decision.why


@pytest.mark.parametrize("at", [-1.0, 253_370_764_801.0, float("nan"), float("inf")])
def test_a_moment_that_no_calendar_knows_is_refused(core, at):
    with pytest.raises(RoutingRefused) as refused:
        core.explain(request(), at)
    assert refused.value.field == "at"


def test_other_rules_hold_all_at_once_and_agents_and_calls_stay(core):
    ready(core, "a", skills={"sales": 1})
    tell(core, "a", "busy", AT + 1)
    for call in ("c-1", "c-2"):
        core.decide(request(call=call), AT)
    strays = core.replace(ruleset(RULES.replace('"w-sales"', '"w-new"'), version=2))
    assert strays == []
    assert core.version.number == 2
    assert decided(core, call="c-2").target == "w-new"
    tell(core, "a", "ready", AT + 2)
    assert core.next_call("a", AT + 2).call == "c-1"
    strays = core.replace(ruleset("[rp.sales]\nqueue='x'\n[queue.x]\ntarget='x'", version=3))
    assert [waiting.call for waiting in strays] == ["c-2"]
    assert decided(core).target == "x"


def test_rules_whose_version_does_not_go_up_leave_those_in_force(core):
    with pytest.raises(RoutingRefused, match="must go up"):
        core.replace(ruleset("[queue.x]\ntarget = 'x'"))
    assert decided(core).reason == "callback-offer"
    core.replace(ruleset(RULES))


def test_without_rules_calls_go_to_the_targets_of_the_configuration():
    core = RoutingCore(TABLE, "FR")
    decision = core.decide(request(tried=("7001",)), AT).decision
    assert (decision.target, decision.alt, decision.reason) == ("7002", ("7009",), "reroute")
    assert core.version.number == 0


def test_tables_from_elsewhere_come_after_those_of_the_rules_and_are_switched_at_once(core):
    listed = InterceptionList(exact={"+33142345670": Interception(action="reject")})
    core.refer(
        Reference(
            (numbers("imported", listed),),
            {"fibre": "elsewhere", "cable": "west"},
            {"+33142345678": "elsewhere", "+33142345679": "west"},
            {"voip": Service(skill="voip")},
        )
    )
    assert decided(core, ani="0142345670").reason == "intercepted"

    def found(ani, **customer):
        return core.explain(request(ani=ani, customer=Customer(**customer)), AT).facts

    assert found("0142345678").platform == "east"
    assert found("0142345679").platform == "west"
    assert found("", products=("cable",)).platform == "west"
    assert found("", products=("fibre",)).platform == "north"
    assert found("", services=("voip",)).extra == (("voip", 1),)
    core.refer(Reference())
    assert decided(core, ani="0142345670").reason != "intercepted"


def test_other_rules_change_the_skills_of_agents_of_whom_no_others_were_told():
    text = "[rp.sales]\nqueue='q'\n[queue.q]\nskills={s=2}\n[agent.a]\nskills={s=1}\ndevice='1'"
    core = core_of(text)
    ready(core, "a", "b")
    tell(core, "c", "ready", skills={"s": 1}, device="3")
    assert decided(core).target == "7001"
    later = text.replace("s=1", "s=2").replace("'1'", "'2'") + "\n[agent.c]\nskills={s=2}"
    core.replace(ruleset(later, version=2))
    assert [member.target for member in core.floor.pool("q").ranked()] == ["2"]


def test_a_decision_that_comes_too_late_is_not_committed(core):
    ready(core, "a", skills={"sales": 1})
    facts = route(core.world, request(), AT)
    core.commit(facts)
    with pytest.raises(RoutingRefused, match="must still be ready"):
        core.commit(facts)


def test_a_decision_without_the_facts_that_were_asked_for_is_stale():
    def stale(**more):
        return is_stale(begin(request(**more), AT))

    assert stale(missing="odbcServer")
    assert stale(customer=Customer(stale=True))
    assert not stale(customer=Customer())
    assert not stale()
