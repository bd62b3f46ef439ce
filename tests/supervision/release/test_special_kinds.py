"""Event managers, and behaviours that are no servers, have their states travel as servers do."""

from __future__ import annotations

from typing import Any

import pytest

from supervision import EventHandler, EventManager, Supervisor, SupervisorFlags
from supervision.gen_event.handler import AddHandler
from supervision.release.carrier import NoConversion
from supervision.release.versions import Conversions
from supervision.testing import Takeover


class Counting(EventHandler):
    state_type = dict[str, int]

    def init(self, args: Any) -> None:
        self.state = {}

    def handle_event(self, event: str) -> None:
        self.state[event] = self.state.get(event, 0) + 1


class Forgetful(EventHandler):
    def init(self, args: Any) -> None:
        self.state = 0

    def handle_event(self, event: str) -> None:
        self.state += 1


class Alarms(EventManager):
    carried = dict[str, Any]

    def init(self, args: Any) -> None:
        super().init([("counting", Counting()), ("forgetful", Forgetful())])


class Renamed(EventManager):
    version = 2
    carried = dict[str, Any]
    carried_as = "Alarms"
    conversions = Conversions(
        up={1: lambda it: {"tally": it["counting"]}}, down={2: lambda it: {"counting": it["tally"]}}
    )

    def init(self, args: Any) -> None:
        super().init([("tally", Counting())])


def states(node: Any, name: str = "alarms") -> dict[Any, Any]:
    return {held.id: held.state for held in node.actor(node.address(name)).system_get_state()}


def told(node: Takeover, kind: type[EventManager]) -> None:
    alarms = node.old.start(kind, name="alarms")
    for event in ("low", "low", "high"):
        node.old.cast(alarms, event)
    node.old.settle()


def test_the_handlers_of_an_event_manager_go_on_by_their_names() -> None:
    with Takeover() as node:
        told(node, Alarms)
        node.new.start(Alarms, name="alarms")
        node.take_over()
        assert states(node.new) == {"counting": {"low": 2, "high": 1}, "forgetful": 0}
        node.new.cast(node.new.address("alarms"), "low")
        node.new.settle()
        assert states(node.new) == {"counting": {"low": 3, "high": 1}, "forgetful": 1}
        assert node.new.reported("degraded") == []


@pytest.mark.parametrize(("old", "new"), [(Alarms, Renamed), (Renamed, Alarms)])
def test_what_handlers_are_called_and_keep_is_converted_as_a_state(
    old: type[EventManager], new: type[EventManager]
) -> None:
    with Takeover() as node:
        told(node, old)
        node.new.start(new, name="alarms")
        node.take_over()
        assert {"low": 2, "high": 1} in states(node.new).values()


def test_a_handler_that_was_added_while_the_old_version_ran_is_reported() -> None:
    with Takeover() as node:
        told(node, Alarms)
        node.old.call(node.old.address("alarms"), AddHandler("live", Counting(), None))
        node.new.start(Alarms, name="alarms")
        node.take_over()
        assert set(states(node.new)) == {"counting", "forgetful"}
        (report,) = node.new.reported("degraded", part="handler live")
        assert report.path == "alarms"


class Team(Supervisor):
    """A supervisor that keeps something of its own, and is no server with callbacks for it."""

    version = 1
    carried = int

    def init(self, args: Any) -> Any:
        self.shifts = 0
        return SupervisorFlags(), []

    def hand_over(self) -> Any:
        return self.shifts

    def adopt(self, state: Any) -> None:
        self.shifts = state


class NewTeam(Team):
    version = 2
    carried = list[int]
    carried_as = "Team"
    conversions = Conversions(up={1: lambda it: [it]}, down={2: lambda it: it[0]})

    def init(self, args: Any) -> Any:
        self.shifts = []
        return SupervisorFlags(), []


class Stranger(NewTeam):
    version = 3


@pytest.mark.parametrize(
    ("old", "new", "before", "after"), [(Team, NewTeam, 7, [7]), (NewTeam, Team, [7], 7)]
)
def test_a_behaviour_without_callbacks_for_it_converts_by_its_steps(
    old: type[Team], new: type[Team], before: Any, after: Any
) -> None:
    with Takeover() as node:
        node.old.actor(node.old.start(old, name="team")).shifts = before
        node.new.start(new, name="team")
        node.take_over()
        assert node.new.actor(node.new.address("team")).shifts == after


def test_a_step_that_is_missing_refuses_the_takeover() -> None:
    with Takeover() as node:
        node.old.start(NewTeam, name="team")
        node.new.start(Stranger, name="team")
        with pytest.raises(NoConversion, match="2 to 3"):
            node.take_over()
