"""The journal as actors use it, in virtual time."""

from __future__ import annotations

import pytest
from journal_kit import OutboxItem, StepWriter, journal, opened

from supervision.testing import Kit


@pytest.fixture
def kit():
    with Kit() as one:
        yield one


def test_what_is_put_is_committed_at_the_end_of_the_turn(kit) -> None:
    one, writer = opened(kit)
    one.put("session", "a", {"rev": 1})
    one.put("session", "a", {"rev": 2})
    assert not one.clean("session", "a")
    kit.settle()
    assert writer.value("session", "a") == {"rev": 2}
    assert one.clean("session", "a")
    assert len(writer.commits) == 1


def test_an_effect_runs_after_the_commit_and_never_before(kit) -> None:
    one, writer = opened(kit)
    writer.hold()
    done = []
    one.put("session", "a", 1)
    one.after(lambda: done.append("a"))
    kit.advance(1.0)
    assert done == []
    writer.step()
    assert done == ["a"]
    one.after(lambda: done.append("at once"))
    assert done == ["a", "at once"]


def test_an_effect_of_what_is_in_flight_waits_for_it(kit) -> None:
    one, writer = opened(kit)
    writer.hold()
    done = []
    one.put("session", "a", 1)
    kit.settle()
    one.after(lambda: done.append("in flight"))
    one.put("session", "b", 1)
    one.after(lambda: done.append("gathered"))
    writer.step()
    assert done == ["in flight"]
    kit.advance(0.01)
    writer.step()
    assert done == ["in flight", "gathered"]


def test_another_journal_recovers_what_was_committed(kit) -> None:
    one, writer = opened(kit)
    one.put("session", "a", {"rev": 1})
    one.append(OutboxItem("b", "c1", "+331", {"closed": 1}))
    kit.settle()
    writer.hold()
    one.put("session", "lost", 1)
    kit.settle()
    with Kit() as next_kit:
        recovered = next_kit.run(journal(next_kit, writer=writer).open())
    assert recovered.values == {"session": {"a": {"rev": 1}}}
    assert recovered.rows == 2


def test_a_commit_that_fails_is_tried_again_with_what_it_had(kit) -> None:
    one, writer = opened(kit, retry_s=0.5)
    heard = []
    one.subscribe(heard.append)
    writer.fail("database or disk is full")
    one.put("session", "a", 1)
    kit.settle()
    assert one.failing == "database or disk is full"
    assert one.stalled(kit.clock.monotonic())
    one.put("session", "b", 2)
    writer.heal()
    kit.advance(0.6)
    assert one.failing == ""
    assert writer.value("session", "a") == 1
    assert writer.value("session", "b") == 2
    assert [type(event).__name__ for event in heard] == ["Failing", "Working"]


def test_opening_what_is_open_adopts_it(kit) -> None:
    one, _ = opened(kit)
    assert kit.run(one.open()) is None


def test_a_crashed_writer_is_followed_by_another_that_goes_on(kit) -> None:
    one, writer = opened(kit)
    writer.hold()
    one.put("session", "a", 1)
    kit.settle()
    writer.crash()
    assert one.failing
    writer.held = False
    assert kit.run(one.open()) is None
    kit.settle()
    assert writer.value("session", "a") == 1
    assert one.failing == ""


def test_a_step_writer_is_empty_at_first() -> None:
    assert StepWriter().outbox() == []
