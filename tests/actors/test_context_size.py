"""The size of `context` among the tables: how many sessions, how many bytes, since when."""

import pytest
from call_kit import CallKit

from actors.context_size import ContextSize, context_size


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


def test_without_sessions_there_is_no_size(kit):
    assert context_size(kit.pool) == ContextSize()


def test_sessions_are_counted_their_size_is_estimated_and_the_first_tells_the_age(kit):
    began = kit.clock.wall()
    kit.open("c0", ud={"offer": "x" * 1_000})
    kit.advance(5)
    for number in range(1, 40):
        kit.open(f"c{number}", ud={"offer": "x" * 1_000})
    size = context_size(kit.pool)
    assert size.rows == 40
    assert 40 * 1_000 < size.bytes < 40 * 1_500
    assert size.opened == pytest.approx(began, abs=0.01)


def test_of_a_session_that_is_between_two_lives_nothing_is_known(kit):
    session = kit.open()
    cell, session.cell = session.cell, None
    assert context_size(kit.pool).bytes == 0
    session.cell = cell
