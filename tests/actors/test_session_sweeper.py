"""Closed sessions are removed when they are old."""

import pytest

from actors import session_sweeper
from actors.config import DatabaseConfig
from actors.database import ROUTER, DatabaseDown, Executed
from actors.session_sweeper import PERIOD_S, SessionSweeper
from actors.time_server import TimeServer
from supervision.testing import Kit


@pytest.fixture
def kit():
    with Kit() as kit:
        kit.start(TimeServer)
        yield kit


def start(kit, *answers):
    given = list(answers)
    router = kit.probe(ROUTER, answer=lambda request: given.pop(0) if given else Executed(0))
    address = kit.start(SessionSweeper, DatabaseConfig(keep_days=2), name="sweeper")
    return router, kit.actor(address)


def test_nothing_is_removed_before_the_hour_and_what_is_too_old_at_each_hour(kit):
    router, sweeper = start(kit, Executed(7))
    assert router.take() == []
    kit.advance(PERIOD_S)
    (delete,) = router.take()
    assert delete.args[0] == pytest.approx(kit.clock.wall() - 2 * 86_400, abs=PERIOD_S)
    assert delete.repeatable
    assert sweeper.state.removed == 7
    kit.advance(PERIOD_S)
    assert len(router.take()) == 1


def test_a_full_batch_is_followed_by_another_at_once(kit):
    full = Executed(session_sweeper.BATCH)
    router, sweeper = start(kit, full, full, Executed(3))
    kit.advance(PERIOD_S)
    assert len(router.take()) == 3
    assert sweeper.state.removed == 2 * session_sweeper.BATCH + 3


def test_a_sweep_that_fails_is_told_and_tried_again_at_the_next_hour(kit):
    router, sweeper = start(kit, DatabaseDown("gone"), Executed(1))
    kit.advance(PERIOD_S)
    assert kit.reported("degraded", part="session sweeper")
    kit.advance(PERIOD_S)
    assert (len(router.take()), sweeper.state.removed, sweeper.state.why) == (2, 1, "")


def test_a_sweep_without_a_router_is_over_when_the_call_fails(kit):
    kit.start(SessionSweeper, DatabaseConfig(), name="sweeper")
    kit.advance(PERIOD_S)
    assert len(kit.reported("degraded", part="session sweeper")) == 1
    kit.advance(PERIOD_S)
    assert len(kit.reported("degraded", part="session sweeper")) == 2
