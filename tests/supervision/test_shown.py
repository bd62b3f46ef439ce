"""What operators are shown and told: trees that are starting, statuses, overflows."""

from __future__ import annotations

import asyncio

import pytest

from supervision import ChildSpec, GenServer, Supervisor, SupervisorFlags, reasons
from supervision.eventloop.mailbox import MailboxPolicy
from supervision.introspection import Asked, Introspection
from supervision.introspection.tree import NoSuchActor
from supervision.testing.children import SlowStart, SlowStop


class Beginning(Supervisor):
    """Needs ten seconds to say what its children are."""

    async def init(self, args):
        await asyncio.sleep(10.0)
        return SupervisorFlags(), []


@pytest.fixture
def shown(kit):
    return Introspection(kit.kernel, "top")


def begin(kit, actor):
    kit.loop.run(kit.kernel.start_root, actor, None, "top", lambda: None)
    kit.settle()


def test_a_supervisor_that_is_starting_can_be_shown(kit, shown):
    begin(kit, Beginning())
    node = kit.run(shown.tree())
    assert (node.status, node.children, node.pool) == ("restarting", [], None)
    assert [row.path for row in shown.actors()] == ["top"]
    assert kit.run(shown.actor("top")).intensity is None
    assert kit.run(shown.state("top")).state == {"flags": None, "count": 0, "children": {}}


def test_a_supervisor_that_is_starting_has_no_children_to_be_found(kit, shown):
    begin(kit, Beginning())
    with pytest.raises(NoSuchActor):
        kit.run(shown.actor("top/child"))


def status(kit, shown, path):
    return kit.run(shown.actor(path)).status


def test_an_actor_on_its_way_up_is_shown_as_restarting_and_on_its_way_down_as_stopped(kit, shown):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", SlowStop)])
    child = kit.address("top/child")
    assert status(kit, shown, "top/child") == "running"
    kit.loop.run(kit.kernel.exit, child.cell, reasons.SHUTDOWN)
    kit.settle()
    assert status(kit, shown, "top/child") == "stopped"
    kit.advance(1.0)
    assert status(kit, shown, "top/child") == "running"


def test_an_actor_without_a_supervisor_is_shown_by_the_same_rule(kit, shown):
    begin(kit, SlowStart())
    assert status(kit, shown, "top") == "restarting"
    kit.advance(2.0)
    assert status(kit, shown, "top") == "running"


def test_what_is_not_suspended_is_not_resumed(kit, shown):
    kit.start_supervisor(SupervisorFlags())
    kit.run(shown.resume("top", Asked("by mistake")))
    assert kit.reported("operator") == []
    kit.run(shown.suspend("top", Asked("to look")))
    kit.run(shown.resume("top", Asked("done", "ann")))
    assert [report.data for report in kit.reported("operator")] == [
        {"action": "suspend", "reason": "to look", "by": ""},
        {"action": "resume", "reason": "done", "by": "ann"},
    ]


class Narrow(GenServer):
    """Has room for one message."""

    mailbox = MailboxPolicy(limit=1, overflow="drop_newest")


def test_overflows_are_reported_ever_more_seldom(kit):
    address = kit.start(Narrow)
    for number in range(21):
        kit.send(address, number)
    reports = kit.reported("overflow", policy="drop_newest", limit=1)
    assert [report.data["count"] for report in reports] == [1, 2, 4, 8, 16]
    assert {report.path for report in reports} == {address.path}
    assert kit.kernel.reports.overflows == 20
