"""Costs that must not grow with the number of actors, checked as ratios.

Each ratio would be about 50 if the cost were linear in the number of actors; a machine that is
busy with other things stays far below the bound.
"""

from __future__ import annotations

import time

import pytest

from supervision import GenServer, reasons
from supervision.testing import Kit

FEW, MANY = 1_000, 50_000
BOUND = 8.0
ROUNDS = 400


class Idle(GenServer):
    def handle_info(self, message, sender):
        self.state = message


def populated(count):
    kit = Kit()
    spawn, address = kit.kernel.spawn, kit.kernel.child_address
    for number in range(count):
        spawn(Idle(), None, parent=None, address=address(None, number))
    return kit


@pytest.fixture(scope="module")
def nodes():
    few, many = populated(FEW), populated(MANY)
    yield few, many
    few.close()
    many.close()


def best(kit, work):
    """The best of five: what the work costs when nothing else wants the machine."""
    costs = []
    for attempt in range(5):
        began = time.perf_counter()
        work(kit, attempt)
        kit.settle()
        costs.append(time.perf_counter() - began)
    return min(costs)


def send_messages(kit, attempt):
    addresses = [kit.kernel.roots[number].address for number in range(ROUNDS)]
    for address in addresses:
        kit.kernel.send(address, "hello", None)


def start_actors(kit, attempt):
    for number in range(ROUNDS):
        address = kit.kernel.child_address(None, f"new-{attempt}-{number}")
        kit.kernel.spawn(Idle(), None, parent=None, address=address)


def end_actors(kit, attempt):
    # Those that start_actors made: this test comes after it.
    for number in range(ROUNDS):
        kit.kernel.exit(kit.kernel.roots[f"new-{attempt}-{number}"], reasons.SHUTDOWN)


def set_and_cancel_timers(kit, attempt):
    cells = [kit.kernel.roots[number] for number in range(ROUNDS)]
    for cell in cells:
        kit.kernel.cancel_timer(cell.actor.start_timer(60.0, "never"))


@pytest.mark.parametrize("work", [send_messages, start_actors, end_actors, set_and_cancel_timers])
def test_a_cost_does_not_grow_with_the_number_of_actors(nodes, work):
    few, many = nodes
    assert best(many, work) <= BOUND * best(few, work)
