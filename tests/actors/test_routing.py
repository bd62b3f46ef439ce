import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import call_states
from actors.config import RoutingConfig, RoutingPoint
from actors.routing import RoutingTable, decide, late_default, marks

TABLE = RoutingTable(
    {"sales": RoutingPoint(target="7001", rtype="direct", alternates=("7002", "7009"))}, "7000"
)


def test_a_configured_routing_point_gives_its_target_and_the_alternates():
    decision = decide(TABLE, "sales")
    assert (decision.target, decision.rtype, decision.alt) == ("7001", "direct", ("7002", "7009"))
    assert decision.reason == "rp-default"


def test_an_unknown_routing_point_gets_the_nodes_default_target():
    decision = decide(TABLE, "nowhere")
    assert (decision.target, decision.rtype, decision.reason) == ("7000", "default", "unknown-rp")
    assert "nowhere" in decision.why[0]


def test_a_target_that_was_tried_is_never_offered_again():
    assert decide(TABLE, "sales", ("7001",)).target == "7002"
    assert decide(TABLE, "sales", ("7001", "7002")).target == "7009"


def test_when_every_target_was_tried_none_is_left():
    decision = decide(TABLE, "sales", ("7001", "7002", "7009"))
    assert (decision.target, decision.reason) == ("", "no-target-left")


def test_the_late_default_names_who_had_not_answered():
    decision = late_default(TABLE, "sales", "node/callSup/router")
    assert (decision.target, decision.reason) == ("7001", "late-default")
    assert "node/callSup/router" in decision.why[0]


def test_the_deadlines_are_the_configured_ones_when_the_request_sets_none():
    deadlines = marks(RoutingConfig(), 100.0, None)
    assert deadlines.late_at == pytest.approx(100.2)
    assert deadlines.default_at == pytest.approx(100.25)
    assert deadlines.guard_at == pytest.approx(100.26)
    assert deadlines.expires_at == pytest.approx(100.3)


def test_a_shorter_reply_ms_shrinks_every_deadline():
    deadlines = marks(RoutingConfig(), 0.0, 100)
    assert deadlines.default_at == pytest.approx(0.080)
    assert deadlines.expires_at == pytest.approx(0.1)
    assert deadlines.late_at == pytest.approx(0.2 / 3)


def test_a_longer_reply_ms_changes_nothing():
    assert marks(RoutingConfig(), 0.0, 10_000) == marks(RoutingConfig(), 0.0, None)


def test_the_late_default_of_a_reroute_is_a_target_that_was_not_tried():
    assert late_default(TABLE, "sales", "router", ("7001",)).target == "7002"
    assert late_default(TABLE, "sales", "router", ("7001", "7002", "7009")).target == ""


@given(st.integers(min_value=20, max_value=10_000))
def test_the_deadlines_come_in_their_order(reply_ms):
    deadlines = marks(RoutingConfig(), 5.0, reply_ms)
    assert 5.0 < deadlines.late_at <= deadlines.default_at
    assert deadlines.default_at < deadlines.guard_at < deadlines.expires_at


@pytest.mark.parametrize("event", sorted(call_states._AFTER))
def test_a_closed_call_stays_closed_whatever_comes(event):
    assert call_states.after("closed", event) == "closed"


@pytest.mark.parametrize(
    ("event", "state"),
    [
        ("queued", "queued"),
        ("delivered", "ringing"),
        ("established", "connected"),
        ("held", "held"),
        ("retrieved", "connected"),
        ("transferred", "connected"),
        ("cleared", "closed"),
        ("abandoned", "closed"),
        ("failed", "new"),
    ],
)
def test_a_call_event_leads_to_its_state(event, state):
    assert call_states.after("new", event) == state
