"""What is known of customers in the routing of calls: used at once, looked up, not waited for."""

import pytest
from call_kit import CallKit, route_request
from routing_kit import ruleset

from actors import metrics
from actors.call_messages import CallTold, RouteAsked
from actors.customer_facts import CustomerFacts, CustomersSettings
from actors.customer_lookup import NAME, cache_of
from actors.customers_config import CustomersConfig
from actors.database import ROUTER, CircuitOpen, DatabaseDown, Rows
from actors.router_messages import ExplainRoute, ReplaceRules
from actors.routing_core.facts import Request
from actors.routing_customers import Lookups
from actors.session_api import GetSession, RouteFromIvr
from protocols.cti.messages import CallEvent
from protocols.numbering import Number

RULES = """
[rp.sales]
queue = "sales"
send = ["customer.segment", "customer.offer"]
when = [{ segments = ["gold"], queue = "gold" }]
[rp.plain]
queue = "sales"
[rp.strict]
queue = "sales"
facts = "required"
[rp.thrifty]
queue = "sales"
facts = "cached"
when = [{ segments = ["gold"], queue = "gold" }]
[queue.sales]
target = "7001"
[queue.gold]
target = "7002"
[interception.fraud]
exact = { "+33142000666" = { action = "reject" } }
"""
ANI = "+33142345678"
GOLD = Rows([{"customer_id": "c-7", "segment": "gold", "vip": True, "offer": "fibre"}])
CONFIG = CustomersConfig(table="customer", max_age_s=10, negative_age_s=2, stale_s=100)


class Desk:
    """Router and sessions, customerFacts, and a database that answers when it is told to."""

    def __init__(self, kit, config=CONFIG):
        self.kit, self.cache = kit, cache_of(config)
        self.database = kit.probe(ROUTER)
        self.facts = kit.start(CustomerFacts, CustomersSettings(config, self.cache), name=NAME)
        kit.desk.lookups = Lookups(self.cache, config.waiting_limit)
        kit.call("router", ReplaceRules(ruleset(RULES)))
        self.calls = 0

    def ask(self, rp="sales", ani=ANI, reply_ms=None, call=""):
        """Have a new call ask where it goes; return its session."""
        self.calls += 1
        call = call or f"c{self.calls}"
        fields = {"call": call, "xref": f"x-{call}", "rp": rp, "ani": ani, "reply_ms": reply_ms}
        session = self.kit.open(**fields)
        asked = RouteAsked(route_request(**fields), "link-1", self.kit.marks(reply_ms))
        self.kit.send(session, asked)
        self.kit.settle()
        return session

    def answer(self, answer, index=-1):
        self.database.reply(self.database.received[index].call, answer)
        self.kit.settle()

    def told(self):
        (answer,) = self.kit.answers()
        return answer

    @property
    def queries(self):
        return len(self.database.received)


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


@pytest.fixture
def desk(kit):
    return Desk(kit)


def test_a_customer_who_is_not_known_is_looked_up_and_the_call_waits_for_it(kit, desk):
    session = desk.ask()
    assert (kit.answers(), desk.queries) == ([], 1)
    kit.advance(0.06)
    desk.answer(GOLD)
    answer = desk.told()
    assert (answer.target, answer.reason) == ("7002", "queued")
    assert answer.ud == {"customer.segment": "gold", "customer.offer": "fibre"}
    assert answer.stale is None
    view = kit.call(session, GetSession())
    assert view.timings["route.facts"] == view.timings["route"] == 60.0
    assert view.timings["route.decide"] == 0.0
    assert {"route.link", "route.normalise", "route.customer", "route.select"} <= set(view.timings)
    assert "customer: c-7, segment gold" in view.routing.why


def test_the_next_call_of_the_customer_is_decided_at_once_and_without_a_query(kit, desk):
    desk.ask()
    desk.answer(GOLD)
    desk.told()
    counted = metrics.CUSTOMER_LOOKUPS.labels("cached")._value
    before = counted.get()
    desk.ask()
    assert (desk.told().target, desk.queries) == ("7002", 1)
    assert counted.get() == before + 1


def test_calls_of_one_number_wait_for_one_query(kit, desk):
    for _ in range(50):
        desk.ask()
    assert desk.queries == 1
    desk.answer(GOLD)
    assert [one.target for one in kit.answers()] == ["7002"] * 50
    assert len(kit.desk.waiting) == 0


def test_what_is_stale_is_used_at_once_is_said_to_be_and_is_read_anew(kit, desk):
    desk.ask()
    desk.answer(GOLD)
    desk.told()
    kit.advance(11)
    desk.ask()
    answer = desk.told()
    assert (answer.target, answer.stale, desk.queries) == ("7002", True, 2)
    desk.ask()
    assert (desk.told().stale, desk.queries) == (True, 2)
    desk.answer(Rows([{"segment": "silver"}]))
    desk.ask()
    answer = desk.told()
    assert (answer.target, answer.stale) == ("7001", None)


def test_that_a_number_is_nobodys_is_known_and_not_asked_for_again(kit, desk):
    session = desk.ask()
    desk.answer(Rows([]))
    assert desk.told().target == "7001"
    assert "customer: the number is of none" in kit.call(session, GetSession()).routing.why
    desk.ask()
    answer = desk.told()
    assert (answer.target, answer.ud, answer.stale) == ("7001", None, None)
    assert desk.queries == 1
    kit.advance(3)
    desk.ask()
    assert (desk.told().stale, desk.queries) == (True, 2)


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (DatabaseDown("refused"), "customer: customerFacts could not tell: refused"),
        (CircuitOpen(0.5), "customer: customerFacts could not tell: "),
    ],
)
def test_without_the_database_calls_are_decided_by_rules_and_said_to_be_stale(
    kit, desk, failure, why
):
    session = desk.ask()
    desk.answer(failure)
    answer = desk.told()
    assert (answer.target, answer.stale, answer.reason) == ("7001", True, "queued")
    assert any(line.startswith(why) for line in kit.call(session, GetSession()).routing.why)


def test_a_call_that_must_not_be_decided_without_gets_the_default_target(kit, desk):
    session = desk.ask("strict")
    desk.answer(DatabaseDown("refused"))
    answer = desk.told()
    assert (answer.target, answer.reason) == ("7000", "late-default")
    assert answer.stale is True
    why = kit.call(session, GetSession()).routing.why
    assert "rp.strict.facts: required" in why
    assert "customer: customerFacts could not tell: refused" in why


def test_the_default_answer_leaves_in_time_whatever_is_looked_up(kit, desk):
    session = desk.ask()
    kit.advance(0.249)
    assert kit.answers() == []
    kit.advance(0.001)
    (told,) = kit.link.take()
    assert (told.message.target, told.message.reason) == ("7001", "late-default")
    assert told.waited_for == NAME
    view = kit.call(session, GetSession())
    assert view.routing.why == (f"{kit.base.whereis(NAME).path} had not answered in time",)
    assert view.timings["route.facts"] == 250.0
    desk.answer(GOLD)  # too late for this call ...
    assert kit.answers() == []
    desk.ask()  # ... and in time for the next
    assert desk.told().target == "7002"


def test_a_request_of_its_own_deadline_waits_for_four_fifths_of_it(kit, desk):
    desk.ask(reply_ms=100)
    kit.advance(0.079)
    assert kit.answers() == []
    kit.advance(0.001)
    assert desk.told().reason == "late-default"
    kit.advance(0.05)
    assert len(kit.desk.waiting) == 0


def test_no_agent_is_kept_for_a_call_that_was_answered_without(kit, desk):
    desk.ask()
    kit.advance(0.25)
    desk.told()
    desk.answer(GOLD)
    assert kit.actor("router")._core.floor.idle


@pytest.mark.parametrize(
    ("rp", "ani"),
    [
        ("plain", ANI),
        ("thrifty", ANI),
        ("unknown", ANI),
        ("sales", None),
        ("sales", "3600"),
        ("sales", "anonymous"),
        ("sales", "+33142000666"),
    ],
)
def test_a_call_that_needs_no_facts_starts_no_look_up(kit, desk, rp, ani):
    desk.ask(rp, ani)
    assert desk.told().target
    assert desk.queries == 0


def test_what_is_cached_is_used_where_nobody_is_asked_for_it(kit, desk):
    desk.cache.put(ANI, GOLD.rows[0], kit.clock.monotonic())
    desk.ask("thrifty")
    assert desk.told().target == "7002"


def test_a_call_that_ends_meanwhile_is_not_decided(kit, desk):
    session = desk.ask()
    kit.send(session, CallTold(CallEvent(i=9, call="c1", ev="cleared", ts=2.0), "link-1"))
    kit.settle()
    (end,) = kit.answers()
    assert end.cause == "abandoned"
    assert len(kit.desk.waiting) == 0
    desk.answer(GOLD)
    assert kit.actor("router")._core.floor.idle


def test_more_calls_than_may_wait_are_decided_without(kit):
    desk = Desk(kit, CustomersConfig(table="customer", waiting_limit=2))
    for number in range(3):
        desk.ask(ani=f"+3314234567{number}")
    (answer,) = kit.answers()
    assert (answer.target, answer.stale) == ("7001", True)
    assert len(kit.desk.waiting) == 2


def test_a_router_that_crashes_asks_again_and_loses_no_call(kit, desk):
    desk.ask()
    kit.faults.kill(kit.router)
    kit.advance(0.02)
    assert kit.answers() == []
    desk.answer(GOLD)
    assert desk.told().target == "7002"


def test_customer_facts_that_crashes_leaves_the_default_answer_in_time(kit, desk):
    desk.ask()
    kit.stop(desk.facts)
    kit.settle()
    kit.advance(0.3)
    assert desk.told().reason == "late-default"
    desk.ask()
    assert (desk.told().stale, len(kit.desk.waiting)) == (True, 0)


def test_an_application_waits_for_facts_likewise(kit, desk):
    session = kit.open(call="c1", ani=ANI)
    asked = kit.loop.run(kit.base.call, session, RouteFromIvr("sales"), 5.0)
    kit.advance(0.05)
    desk.answer(GOLD)
    assert asked.result().target == "7002"


def test_explain_uses_what_is_known_and_says_what_is_not_and_what_steps_took(kit, desk):
    request = Request(call="", rp="sales", number=Number(ANI, "public"))
    explained = kit.call("router", ExplainRoute(request))
    assert "customer: customerFacts has not been asked" in explained.facts.why
    assert desk.queries == 0
    desk.cache.put(ANI, GOLD.rows[0], kit.clock.monotonic())
    explained = kit.call("router", ExplainRoute(request))
    assert explained.decision.target == "7002"
    assert [step for step, _ in explained.took] == [step for step, _ in explained.steps]


def test_a_session_shows_its_customer_and_platform_as_they_are_known_now(kit, desk):
    session = desk.ask()
    view = kit.call(session, GetSession())
    assert (view.customer, view.platform) == (None, None)
    desk.answer(Rows([{"id": "c-7", "segment": "gold", "platform": "north", "offer": "fibre"}]))
    view = kit.call(session, GetSession())
    assert view.customer == {
        "id": "c-7",
        "segment": "gold",
        "platform": "north",
        "offer": "fibre",
        "vip": False,
    }
    assert view.platform == "north"
    kit.advance(50)
    assert kit.call(session, GetSession()).customer["segment"] == "gold"
    kit.advance(100)
    assert kit.call(session, GetSession()).customer is None
    desk.cache.put(ANI, None, kit.clock.monotonic())
    assert kit.call(session, GetSession()).customer is None
    assert desk.queries == 1
