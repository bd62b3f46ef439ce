"""Customers as the API asks for them: by tables, cache and database, with the calls they made."""

import pytest
from call_kit import CallKit
from routing_kit import ruleset

from actors.customer_access import (
    CustomerAccess,
    CustomerService,
    CustomersUnavailable,
    NoSuchCustomer,
    NotANumber,
)
from actors.customer_facts import CustomerFacts, CustomersSettings
from actors.customer_journeys import journeys
from actors.customer_lookup import NAME, cache_of
from actors.customers_config import CustomersConfig
from actors.database import ROUTER, DatabaseDown, Rows
from actors.router_messages import ReplaceRules
from actors.routing_customers import Lookups, customer_of, shown
from actors.session_api import Busy, JourneyStep, Routing, SessionView

ANI = "+33142345678"
CONFIG = CustomersConfig(table="customer", max_age_s=10, negative_age_s=2, stale_s=100)
RULES = """
[rp.sales]
facts = "wanted"
[service.fibre]
label = "Fibre"
rp = "sales"
[service.tv]
calendar = "never"
[calendar.never]
[platforms]
product = { fibre = "north" }
"""
ROW = {"customer_id": 7, "segment": "gold", "product": "fibre", "services": ["fibre", "tv", "x"]}


def view(session, opened, **fields):
    return SessionView(
        session=session, rev=1, state="closed", call="c", opened=opened, updated=opened, **fields
    )


class Sessions:
    """A store that answers, or does not."""

    def __init__(self):
        self.views, self.asked, self.silent = [], [], False

    async def find(self, request):
        self.asked.append(request)
        if self.silent and not request.open_only:
            raise Busy(1.0)
        return self.views


class Desk:
    """What customers are told by, and a database that answers as it is told to."""

    def __init__(self, kit):
        self.kit, self.cache, self.sessions = kit, cache_of(CONFIG), Sessions()
        self.says = Rows([ROW])
        self.database = kit.probe(ROUTER, lambda _: self.says)
        self.facts = kit.start(CustomerFacts, CustomersSettings(CONFIG, self.cache), name=NAME)
        kit.desk.lookups = Lookups(self.cache, 10)
        kit.call("router", ReplaceRules(ruleset(RULES)))
        self.access = CustomerAccess(kit.kernel, kit.desk, self.sessions, "FR")

    def show(self, msisdn=ANI, limit=10):
        return self.kit.run(self.access.show(msisdn, limit))

    def forget(self, msisdn=None):
        return self.kit.run(self.access.forget(msisdn))

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


def test_a_customer_of_the_database_is_told_with_platform_services_and_age(kit, desk):
    told = desk.show("01 42 34 56 78")
    assert (told.msisdn, told.source, told.platform) == (ANI, "database", "north")
    assert told.facts["segment"] == "gold"
    assert (told.facts["id"], told.facts["products"]) == ("7", ["fibre"])
    assert told.services == [
        CustomerService(code="fibre", label="Fibre", rp="sales", open=True),
        CustomerService(code="tv"),
        CustomerService(code="x"),
    ]
    assert (told.age_ms, told.stale) == (0.0, False)
    kit.advance(4)
    assert (desk.show().age_ms, desk.queries) == (4000.0, 1)


def test_what_is_stale_is_told_only_where_nothing_newer_is_to_be_had(kit, desk):
    desk.show()
    kit.advance(20)
    assert (desk.show().stale, desk.queries) == (False, 2)
    kit.advance(20)
    desk.says = DatabaseDown("refused")
    told = desk.show()
    assert (told.stale, told.age_ms, told.facts["segment"]) == (True, 20_000.0, "gold")
    kit.stop(desk.facts)
    assert desk.show().stale is True


def test_a_number_that_is_nobodys_is_refused_and_one_that_nobody_can_tell_of_too(kit, desk):
    for wrong in ("anonymous", "3600", "", "\x00", "9" * 100):
        with pytest.raises(NotANumber):
            desk.show(wrong)
    desk.says = Rows([])
    with pytest.raises(NoSuchCustomer):
        desk.show()
    desk.says = DatabaseDown("refused")
    with pytest.raises(NoSuchCustomer):
        desk.show()  # that is still known
    with pytest.raises(CustomersUnavailable, match="refused"):
        desk.show("+33142345679")
    kit.stop(desk.facts)
    with pytest.raises(CustomersUnavailable, match="does not answer now"):
        desk.show("+33142345679")


def test_where_no_database_is_configured_the_tables_alone_tell(kit, desk):
    kit.desk.lookups = None
    with pytest.raises(NoSuchCustomer):
        desk.show()
    assert desk.queries == 0


def test_the_latest_calls_are_told_and_what_lives_while_the_store_is_silent(desk):
    step = JourneyStep(ts=1.0, step="menu", app="welcome")
    desk.sessions.views = [view("a" * 20, 1.0, journey=[step, step]), view("b" * 20, 2.0)]
    told = desk.show(limit=1)
    assert [one.session for one in told.journeys] == ["b" * 20]
    assert told.journeys_missing == ""
    desk.sessions.silent = True
    told = desk.show()
    assert (len(told.journeys), told.journeys[1].apps) == (2, ["welcome"])
    assert told.journeys_missing == "the store of closed sessions is silent"
    asked = len(desk.sessions.asked)
    assert desk.show(limit=0).journeys == []
    assert len(desk.sessions.asked) == asked


def test_journeys_are_in_order_and_each_session_is_there_once():
    routing = Routing(target="7001", rtype="direct", reason="queued", ts=1.0, ms=2.0)
    views = [view("a" * 20, 1.0), view("b" * 20, 3.0, routing=routing), view("a" * 20, 1.0)]
    told = journeys(views, 10)
    assert [(one.session[0], one.target) for one in told] == [("b", "7001"), ("a", None)]
    assert journeys([], 10) == []


def test_a_customer_who_is_forgotten_is_read_anew_also_where_a_query_is_on_its_way(kit, desk):
    desk.show()
    assert desk.forget("0142345678") == 1
    assert desk.forget(ANI) == 0
    desk.show()
    desk.show("+33142345679")
    assert desk.queries == 3
    assert desk.forget() == 2
    with pytest.raises(NotANumber):
        desk.forget("nobody")
    kit.stop(desk.facts)
    with pytest.raises(CustomersUnavailable):
        desk.forget()


def test_a_customer_whom_an_explanation_needs_is_looked_up_and_no_other(kit, desk):
    kit.run(desk.access.warm(ANI, "plain"))
    kit.run(desk.access.warm("anonymous", "sales"))
    assert desk.queries == 0
    kit.run(desk.access.warm(ANI, "sales"))
    assert (desk.queries, len(desk.cache)) == (1, 1)
    kit.stop(desk.facts)
    kit.run(desk.access.warm("+33142345679", "sales"))


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ({"id": 5, "customer_id": None}, {"id": "5"}),
        ({"vip": "Yes"}, {"vip": True}),
        ({"vip": [1]}, {"vip": False}),
        ({"services": "a, b,,c"}, {"services": ("a", "b", "c")}),
        ({"services": {"a": 1}}, {"services": ()}),
        ({"services": ["a", {"b": 1}, None]}, {"services": ("a",)}),
        ({"segment": {"a": 1}, "lang": "x" * 256}, {"segment": "", "lang": ""}),
        (
            {"offer": 2.5, "flag": True, "deep": [1], "none": None},
            {"more": {"offer": "2.5", "flag": "true"}},
        ),
        ({}, {"id": "", "known": True}),
        (None, {"known": False}),
    ],
)
def test_columns_of_any_type_make_a_customer(row, fields):
    customer = customer_of(row, 1.0, stale=False)
    assert {name: getattr(customer, name) for name in fields} == fields
    assert shown(customer)["vip"] is customer.vip
