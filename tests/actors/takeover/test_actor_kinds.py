"""The actors of the tree whose counts and clocks go on in another version."""

from __future__ import annotations

from typing import Any

import pytest

from actors.config import Config
from actors.router import Decide, Router
from actors.routing import table_of
from actors.routing_desk import RoutingDesk
from actors.takeover.actor_kinds import KINDS, flat
from actors.time_server import Tick, TimeServer, subscribe
from supervision import GenServer
from supervision.testing import Takeover


class Hearing(GenServer):
    """Takes ticks."""

    def init(self, args: Any) -> None:
        self.ticks: list[Tick] = []
        subscribe(self, 60.0)

    def handle_info(self, message: Any, sender: Any) -> None:
        self.ticks.append(message)


def test_the_router_counts_on_and_keeps_the_routing_points_of_the_new_configuration() -> None:
    with Takeover() as pair:
        desks = [RoutingDesk(table_of(Config())) for _ in range(2)]
        for node, desk in zip((pair.old, pair.new), desks, strict=True):
            node.start(Router, desk, name="router")
        for _ in range(3):
            reason = pair.old.call("router", Decide("nowhere")).reason
        pair.take_over()
        pair.new.call("router", Decide("nowhere"))
        router = pair.new.actor("router")
        assert router.state.decided == {reason: 4}
        assert router._desk is desks[1]


@pytest.mark.parametrize("frozen_s", [0.0, 70.0])
def test_no_tick_is_told_twice_and_none_too_few(frozen_s: float) -> None:
    with Takeover() as pair:
        for node in (pair.old, pair.new):
            node.start(TimeServer, name="timeServer")
            node.start(Hearing, name="hearing")
        pair.old.advance(130.0)
        pair.copy()
        pair.clock.advance(frozen_s)
        pair.switch()
        pair.new.advance(120.0)
        old, new = (node.actor(node.address("hearing")).ticks for node in (pair.old, pair.new))
        told = [*old, *new]
        assert [one.at for one in told] == sorted({one.at for one in told})
        periods = (told[-1].at - told[0].at) / 60.0 + 1
        assert len(told) + sum(one.missed for one in told) == periods
        (beat,) = pair.new.actor("timeServer").state.beats.values()
        assert (beat.told, beat.missed) == (len(told), sum(one.missed for one in told))


def test_every_kind_that_travels_says_its_version_and_its_type() -> None:
    for kind in KINDS:
        assert isinstance(kind.version, int)
        assert kind.carried is not None


def test_a_configuration_is_told_by_its_keys() -> None:
    values = flat(Config())
    assert values["http.port"] == Config().http.port
    assert not any(isinstance(value, dict) for value in values.values())
