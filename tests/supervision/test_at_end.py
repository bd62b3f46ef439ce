"""What an actor owns outside of the actors is let go when it ends, however it ends."""

import asyncio

import pytest

from supervision import KILLED, NORMAL, GenServer, actor_system


class Owner(GenServer):
    def init(self, args):
        for release in args:
            self.at_end(release)


def ended(reason, *releases):
    reports = []

    async def run():
        base = actor_system(loop=asyncio.get_running_loop())._systemBase
        kernel = base.kernel
        kernel.reports.subscribe(reports.append)
        address = kernel.child_address(None, "owner")
        kernel.spawn(Owner(), releases, parent=None, address=address)
        kernel.exit(address.cell, reason)
        while address.cell is not None:  # noqa: ASYNC110 - a turn of the loop is what is awaited
            await asyncio.sleep(0)

    asyncio.run(run())
    return reports


@pytest.mark.parametrize("reason", [NORMAL, KILLED], ids=str)
def test_what_an_actor_owns_is_released_once_whatever_it_ended_with(reason):
    released = []
    ended(reason, lambda: released.append("thread"), lambda: released.append("socket"))
    assert released == ["thread", "socket"]


def test_a_release_that_fails_is_reported_and_holds_up_no_other():
    released = []
    (report,) = ended(KILLED, lambda: 1 // 0, lambda: released.append("socket"))
    assert released == ["socket"]
    assert (report.kind, report.path) == ("unexpected", "owner")
    assert "ZeroDivisionError" in report.data["error"]
