"""Routing points that only infoRP has: targets and opening hours, changed while calls come."""

import asyncio
from datetime import datetime

import pytest
from routing_kit import AT, TABLE, request, ruleset

from actors.calendars.reading import read
from actors.reference.building import Limits
from actors.reference.live import Reference as LiveTables
from actors.reference.loading import Loader, LoaderSettings, Prepared
from actors.reference.table import Version
from actors.routing import decide, late_default
from actors.routing_desk import RoutingDesk

SETTINGS = LoaderSettings("FR", Limits(1_000, 1_000_000), 60.0)
HEADER = "rp;label;target;alternates;opening;closed_msg;send_list;late_ms\n"
NIGHT = datetime.fromisoformat("2026-11-23T23:00:00+01:00").timestamp()
OFFICE = {
    "calendar": {"office": {"zone": "Europe/Paris", "week": {"mon": ["09:00-18:00"]}}},
}


def switch(tables, directory, text, number=1):
    """Have infoRP be what a text says."""

    async def prepared():
        file = directory / "infoRP.csv"
        file.write_text(HEADER + text)
        done = asyncio.get_running_loop().create_future()
        version = Version(number, source=str(file))
        Loader(directory / "kept", SETTINGS).load("infoRP", file, version, done.set_result)
        return await done

    one = asyncio.run(prepared())
    assert isinstance(one, Prepared), one
    tables.switch("infoRP", one.rows, one.version, 0.0)


@pytest.fixture
def tables(tmp_path):
    live = LiveTables()
    switch(live, tmp_path, "fax;Fax;7100;7101,7102;office;ann-closed;;\nnight;Night;7200;;;;;\n")
    return live


@pytest.fixture
def desk(tables):
    return RoutingDesk(TABLE, tables=tables, calendars=read(OFFICE))


def routed(desk, rp, at=AT, **fields):
    return desk.core().decide(request(rp, **fields), at).decision


def test_a_point_that_only_the_table_has_goes_to_its_target_and_then_its_alternates(desk):
    decision = routed(desk, "fax")
    assert (decision.target, decision.alt) == ("7100", ("7101", "7102"))
    assert (decision.rtype, decision.reason) == ("default", "rp-default")
    assert routed(desk, "fax", tried=("7100",)).target == "7101"


def test_it_is_closed_by_the_calendar_of_the_node_that_the_row_names(desk):
    decision = routed(desk, "fax", at=NIGHT)
    assert (decision.target, decision.rtype) == ("ann-closed", "announcement")
    assert decision.reason == "closed"
    assert "closed on 2026-11-23 23:00 CET, calendar office" in decision.why[-1]


def test_a_row_without_a_calendar_is_always_open(desk):
    assert routed(desk, "night", at=NIGHT).target == "7200"


def test_a_closed_point_without_an_announcement_rejects(desk, tables, tmp_path):
    switch(tables, tmp_path, "fax;Fax;7100;;office;;;\n", 2)
    decision = routed(desk, "fax", at=NIGHT)
    assert (decision.target, decision.rtype, decision.reason) == ("reject", "reject", "closed")


def test_an_answer_that_would_be_late_goes_to_the_target_of_the_row(desk):
    assert late_default(desk.table, "fax", "customerFacts").target == "7100"


def test_a_point_of_the_configuration_wins_over_the_row_of_its_name(desk, tables, tmp_path):
    switch(tables, tmp_path, "sales;Sales;9999;;office;ann-closed;;\n", 2)
    assert routed(desk, "sales", at=NIGHT).target == "7001"
    assert list(desk.table.points) == list(TABLE.points)


def test_rules_win_over_what_the_row_says_of_hours(tables):
    desk = RoutingDesk(TABLE, tables=tables, calendars=read(OFFICE))
    core = desk.core()
    core.replace(ruleset("[rp.fax]\n"))
    assert core.decide(request("fax"), NIGHT).decision.target == "7100"


def test_a_calendar_of_the_rules_wins_over_that_of_the_node(desk):
    core = desk.core()
    core.replace(ruleset("[calendar.office.week]\nmon = ['22:00-24:00']\n"))
    assert core.decide(request("fax"), NIGHT).decision.target == "7100"
    assert core.decide(request("fax"), AT).decision.reason == "closed"


def test_the_next_call_meets_what_the_table_has_then(desk, tables, tmp_path):
    core = desk.core()
    assert core.decide(request("fax"), AT).decision.target == "7100"
    switch(tables, tmp_path, "fax;Fax;7300;;;;;\n", 2)
    assert core.decide(request("fax"), AT).decision.target == "7300"
    switch(tables, tmp_path, "", 3)
    assert core.decide(request("fax"), AT).decision.reason == "unknown-rp"
    assert "fax" not in desk.table.points
    assert decide(desk.table, "fax").target == "7000"


def test_hours_are_known_up_to_the_last_moment_that_rules_know(desk):
    assert routed(desk, "fax", at=200_000_000_000.0).reason in ("closed", "rp-default")
