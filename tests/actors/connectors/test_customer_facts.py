"""Customers looked up by number, in virtual time with a database that the test plays."""

import pytest

from actors import metrics
from actors.customer_facts import NO_QUERY, CustomerFacts, CustomersSettings, statement
from actors.customer_lookup import NAME, Facts, Forget, cache_of, look_up
from actors.customers_config import CustomersConfig
from actors.database import ROUTER, CircuitOpen, DatabaseDown, Query, Rows
from supervision.testing import Kit

ALICE = {"number": "+331", "segment": "gold"}
FOUND = Rows([ALICE])
CONFIG = CustomersConfig(table="customer", max_age_s=10, negative_age_s=2, stale_s=100)


class Desk:
    """customerFacts, a database that answers when it is told to, and somebody who asks."""

    def __init__(self, kit, config=CONFIG):
        self.kit = kit
        self.cache = cache_of(config)
        self.router = kit.probe(ROUTER)
        self.address = kit.start(CustomerFacts, CustomersSettings(config, self.cache), name=NAME)
        self.asker = kit.probe("asker")

    def ask(self, number="+331", deadline_s=0.1, ref=None):
        known = look_up(self.asker, self.cache, number, deadline_s, ref)
        self.kit.settle()
        return known

    def queries(self):
        return [one.message for one in self.router.received]

    def answer(self, answer, index=-1):
        self.router.reply(self.router.received[index].call, answer)
        self.kit.settle()

    def told(self):
        return self.asker.take()

    @property
    def statistics(self):
        return self.kit.actor(self.address).statistics()


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


@pytest.fixture
def desk(kit):
    return Desk(kit)


def test_a_customer_is_read_once_and_then_known_at_once_until_it_is_too_old(kit, desk):
    assert desk.ask(ref="r1") is None
    assert desk.queries() == [
        Query(
            sql='SELECT * FROM "customer" WHERE "number" = $1 LIMIT 1',
            args=("+331",),
            repeatable=True,
            timeout_ms=120,
            replica=True,
        )
    ]
    desk.answer(FOUND)
    assert desk.told() == [Facts("+331", "found", ALICE, ref="r1")]
    kit.advance(10)
    assert desk.ask(ref=2) == Facts("+331", "found", ALICE, 10.0, ref=2)
    kit.advance(1)
    assert desk.ask() is None
    assert len(desk.queries()) == 2


def test_a_hundred_look_ups_of_one_number_are_one_query_and_a_hundred_answers(desk):
    for ref in range(100):
        desk.ask(ref=ref)
    desk.ask("+332", ref="other")
    assert len(desk.queries()) == 2
    desk.answer(FOUND, 0)
    assert [facts.ref for facts in desk.told()] == list(range(100))
    assert (desk.statistics.joined, desk.statistics.waiting) == (99, 1)


def test_that_a_number_is_unknown_is_remembered_for_a_time_of_its_own(kit, desk):
    desk.ask()
    desk.answer(Rows([]))
    assert desk.told() == [Facts("+331", "unknown")]
    kit.advance(2)
    assert desk.ask() == Facts("+331", "unknown", age_s=2.0)
    kit.advance(1)
    assert desk.ask() is None


@pytest.mark.parametrize("failure", [DatabaseDown("refused"), CircuitOpen(0.5)])
def test_while_the_database_cannot_tell_what_was_known_is_told_as_stale(kit, desk, failure):
    desk.ask()
    desk.answer(FOUND)
    kit.advance(20)
    desk.told()
    desk.ask()
    desk.answer(failure)
    (facts,) = desk.told()
    assert (facts.outcome, facts.row, facts.stale, facts.age_s) == ("found", ALICE, True, 20.0)
    assert facts.why
    desk.ask("+332")
    desk.answer(failure)
    (facts,) = desk.told()
    assert (facts.outcome, facts.row, facts.stale) == ("unavailable", None, False)
    assert desk.statistics.failed == 2


def test_an_answer_after_the_deadline_of_its_asker_is_dropped_counted_and_remembered(kit, desk):
    before = metrics.CUSTOMER_LOOKUPS.labels("late")._value.get()
    desk.ask(deadline_s=0.05)
    desk.ask(deadline_s=0.5, ref="patient")
    kit.advance(0.1)
    desk.answer(FOUND)
    assert [facts.ref for facts in desk.told()] == ["patient"]
    assert desk.statistics.late == 1
    assert metrics.CUSTOMER_LOOKUPS.labels("late")._value.get() == before + 1
    assert desk.ask().outcome == "found"


def test_more_look_ups_than_may_wait_are_answered_at_once(kit):
    desk = Desk(kit, CustomersConfig(table="t", waiting_limit=1))
    desk.ask("+331")
    desk.ask("+332")
    (facts,) = desk.told()
    assert facts.why == "1 look-ups wait already (customers.waiting_limit)"
    assert len(desk.queries()) == 1


def test_what_is_forgotten_is_asked_for_again(kit, desk):
    for number in ("+331", "+332"):
        desk.ask(number)
        desk.answer(FOUND)
    kit.cast(NAME, Forget("+331"))
    kit.settle()
    assert desk.ask("+331") is None
    kit.cast(NAME, Forget(None))
    kit.settle()
    assert desk.ask("+332") is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"note": "x" * 5_000}, "a customer has 5011 bytes, customers.max_row_bytes is 4096"),
        ({"span": object()}, "a customer has a column that cannot be used"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_and_not_kept(desk, row, why):
    desk.ask()
    desk.answer(Rows([row]))
    (facts,) = desk.told()
    assert facts.outcome == "unavailable"
    assert why in facts.why
    assert len(desk.cache) == 0


@pytest.mark.parametrize("number", ["", "+" * 65])
def test_what_is_no_number_is_not_asked_for(desk, number):
    assert desk.ask(number).why == "number: 1 to 64 characters"
    assert desk.queries() == []


def test_without_a_table_nobody_is_looked_up(kit):
    desk = Desk(kit, CustomersConfig())
    desk.ask()
    assert [facts.why for facts in desk.told()] == [NO_QUERY]
    assert desk.queries() == []


def test_the_cache_outlives_the_actor_and_look_ups_meanwhile_are_answered(kit, desk):
    desk.ask()
    desk.answer(FOUND)
    kit.stop(desk.address)
    assert desk.ask().outcome == "found"
    assert desk.ask("+332").outcome == "unavailable"


def test_the_status_has_no_number_and_no_customer(kit, desk):
    desk.ask()
    desk.answer(FOUND)
    shown = str(kit.actor(desk.address).status())
    assert "+331" not in shown
    assert "gold" not in shown


def test_the_statement_is_of_the_configured_names_or_ones_own():
    config = CustomersConfig(table="crm.customer", key="msisdn", columns=("segment", "vip"))
    assert statement(config) == (
        'SELECT "segment", "vip" FROM "crm"."customer" WHERE "msisdn" = $1 LIMIT 1'
    )
    assert statement(CustomersConfig(query="SELECT f($1)")) == "SELECT f($1)"
