"""How long connections were not read, as a distribution."""

import pytest

from actors.takeover.pauses import Held, pause


def test_the_distribution_is_that_of_all_connections():
    held = [Held(10.0, 490), Held(9.5, 9), Held(9.0, 1)]
    assert pause(held, 10.02, 15.0) == {
        "p50": pytest.approx(20.0),
        "p99": pytest.approx(520.0),
        "max": pytest.approx(1020.0),
        "connections": 500,
    }


def test_one_connection_is_all_there_is():
    assert pause([Held(10.0, 1)], 10.5, 15.0) == {
        "p50": 500.0,
        "p99": 500.0,
        "max": 500.0,
        "connections": 1,
    }


@pytest.mark.parametrize("held", [[], [Held(10.0, 0)]])
def test_where_nothing_was_moved_the_pause_is_that_of_the_node(held):
    assert pause(held, 11.0, 15.0) == {"p50": 15.0, "p99": 15.0, "max": 15.0, "connections": 0}
