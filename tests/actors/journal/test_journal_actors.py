"""The journal as actors use it, in virtual time."""

from __future__ import annotations

import pytest
from journal_kit import OutboxItem, StepWriter, journal, opened

from actors.journal.collector import JournalCollector
from actors.journal.records import Crashed, Failing, JournalError, Working
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


def test_a_commit_that_takes_long_is_trouble_before_it_fails(kit) -> None:
    one, writer = opened(kit, stall_ms=1_000)
    writer.hold()
    one.put("session", "a", 1)
    kit.advance(0.9)
    assert one.trouble(kit.clock.monotonic()) == ""
    kit.advance(0.3)
    assert one.stalled(kit.clock.monotonic())
    assert one.trouble(kit.clock.monotonic()) == "a commit has been under way for 1.2 s"
    writer.release()
    assert not one.stalled(kit.clock.monotonic())


def test_after_a_rest_a_commit_begins_at_once_and_others_keep_their_distance(kit) -> None:
    one, writer = opened(kit, gather_ms=5.0)
    for number in range(3):
        one.put("session", "a", number)
        kit.settle()
    assert writer.value("session", "a") == 0
    kit.advance(0.005)
    assert writer.value("session", "a") == 2
    assert len(writer.commits) == 2


def test_commits_of_a_node_with_much_to_write_are_further_apart(kit) -> None:
    one, writer = opened(kit, gather_ms=5.0, gather_busy_ms=20.0)
    for number in range(200):  # each millisecond four records
        for key in "abcd":
            one.put("session", f"{key}{number}", number)
        kit.advance(0.001)
    assert 10 <= len(writer.commits) <= 12
    kit.advance(1.0)
    one.put("session", "a", 1)
    kit.settle()
    assert writer.value("session", "a") == 1  # after a rest, at once


def test_commits_keep_a_greater_distance_while_the_processor_is_spared(kit) -> None:
    one, writer = opened(kit, gather_ms=5.0)
    one.spare(sparing=True)
    for number in range(2):
        one.put("session", "a", number)
        kit.settle()
    kit.advance(0.019)
    assert writer.value("session", "a") == 0
    kit.advance(0.001)
    assert writer.value("session", "a") == 1
    one.spare(sparing=False)
    kit.advance(0.1)
    for number in range(2, 4):
        one.put("session", "a", number)
        kit.settle()
    kit.advance(0.005)
    assert writer.value("session", "a") == 3


def test_what_gathers_amid_a_commit_is_committed_after_it(kit) -> None:
    one, writer = opened(kit, gather_ms=0, gather_busy_ms=0)
    writer.hold()
    one.put("session", "a", 1)
    kit.settle()
    one.put("session", "a", 2)
    assert not one.clean("session", "a")
    writer.step()
    assert not one.clean("session", "a")
    kit.settle()
    writer.step()
    assert one.clean("session", "a")
    assert [commit.number for commit in writer.commits] == [1, 2]


def test_a_great_batch_is_encoded_between_other_things_of_the_loop(kit) -> None:
    one, writer = opened(kit)
    seen = []
    for number in range(2_000):
        one.put("session", f"s{number}", number)
    kit.loop.call_soon(lambda: kit.loop.call_soon(lambda: seen.append(len(writer.commits))))
    kit.settle()
    assert seen == [0]
    assert writer.commits[0].rows == 2_000


def test_commits_are_said_to_fail_until_what_gathered_meanwhile_is_caught_up_with(
    kit, monkeypatch
) -> None:
    monkeypatch.setattr("actors.journal.commits.CATCHING_UP", 10)
    one, writer = opened(kit, retry_s=0.5)
    writer.fail()
    one.put("session", "first", 1)
    kit.settle()
    for number in range(20):
        one.put("session", f"s{number}", number)
    writer.heal()
    said = []
    one.after(lambda: said.append(one.failing))
    one.subscribe(lambda event: said.append(type(event)))
    kit.advance(1.0)
    assert one.failing == ""
    assert writer.value("session", "s19") == 19
    assert said == [Working, ""]


def test_a_commit_that_was_done_when_the_writer_crashed_is_not_done_again(kit) -> None:
    one, writer = opened(kit)
    heard, done = [], []
    one.subscribe(heard.append)
    writer.hold()
    one.append(OutboxItem("a", "c", None, 1))
    one.after(lambda: done.append(1))
    kit.settle()
    heard_of, writer._heard = writer._heard, Deaf()
    writer.step()
    writer._heard = heard_of
    writer.crash()
    assert done == []
    kit.run(one.open())
    assert done == [1]
    assert writer.outbox() == [(1, 1)]
    assert one.outbox_rows == 1
    assert [type(event) for event in heard] == [Crashed, Working]


class Deaf:
    """Hears of commits when nobody can be told any more."""

    def committed(self, standing, seconds):
        """Do nothing."""


def test_a_retry_that_was_due_when_the_writer_crashed_is_not_one_too_many(kit) -> None:
    one, writer = opened(kit, retry_s=0.5)
    writer.fail()
    one.put("session", "a", 1)
    kit.settle()
    writer.crash()
    writer.heal()
    kit.run(one.open())
    kit.advance(1.0)
    assert writer.value("session", "a") == 1
    assert len(writer.commits) == 1


def test_the_outbox_is_told_of_commits_to_it_and_shows_what_is_not_committed(kit) -> None:
    one, writer = opened(kit)
    told = []
    one.subscribe_outbox(lambda rows: told.append("replaced"))
    one.subscribe_outbox(told.append)
    writer.hold()
    one.append(OutboxItem("a", "c1", None, 1))
    kit.settle()
    one.append(OutboxItem("b", "c2", None, 1))
    assert [item.session for item in one.unwritten()] == ["a", "b"]
    assert (one.outbox_rows, told) == (0, [])
    writer.release()
    kit.advance(0.01)
    assert (one.outbox_rows, told) == (2, [1, 2])
    assert list(one.unwritten()) == []


def test_a_listener_that_fails_hinders_no_commit(kit) -> None:
    one, writer = opened(kit)
    one.subscribe_outbox(lambda rows: 1 / 0)
    one.append(OutboxItem("a", "c1", None, 1))
    kit.settle()
    one.put("session", "a", 1)
    kit.advance(0.01)
    assert writer.value("session", "a") == 1
    assert [report.data["message"] for report in kit.reports if report.kind == "crash"] == [
        "an effect"
    ]


def test_who_has_unsubscribed_is_told_nothing(kit) -> None:
    one, writer = opened(kit)
    heard = []
    end = one.subscribe(heard.append)
    writer.fail("disk I/O error")
    one.put("session", "a", 1)
    kit.settle()
    assert heard == [Failing("disk I/O error")]
    end()
    writer.heal()
    kit.advance(1.0)
    assert len(heard) == 1


def test_questions_are_answered_from_what_is_committed(kit) -> None:
    one, _ = opened(kit)
    answers = []
    one.put("session", "a", 1)
    kit.settle()
    one.read(lambda db: db.execute("SELECT count(*) FROM entry").fetchone(), answers.append)
    one.read(lambda db: db.execute("SELECT * FROM nowhere"), answers.append)
    kit.settle()
    assert answers[0] == (1,)
    assert isinstance(answers[1], JournalError)


def test_prometheus_gets_the_journals_counters(kit) -> None:
    one, _ = opened(kit, queue_limit=10)
    one.put("session", "a", 1)
    kit.settle()
    one.put("session", "b", 1)
    found = {family.name: family.samples[0].value for family in JournalCollector(one).collect()}
    assert found["vigie_journal_commits"] == 1
    assert found["vigie_journal_waiting"] == 1
    assert found["vigie_journal_load"] == pytest.approx(0.1)
    assert found["vigie_journal_failing"] == 0


def test_what_is_appended_before_the_opening_comes_after_what_is_found(kit) -> None:
    one, writer = opened(kit)
    for name in "ab":
        one.append(OutboxItem(name, "c", None, name))
    kit.settle()
    one.trim([1])
    kit.advance(0.01)
    with Kit() as next_kit:
        late = journal(next_kit, writer=writer)
        for name in "cd":
            late.append(OutboxItem(name, "c", None, name))
        next_kit.run(late.open())
        late.append(OutboxItem("e", "c", None, "e"))
        next_kit.advance(0.01)
    assert writer.outbox() == [(2, "b"), (3, "c"), (4, "d"), (5, "e")]


def test_a_close_that_failed_does_not_hinder_the_next_opening(kit) -> None:
    one, writer = opened(kit)

    async def close(patience_s):
        raise OSError(5, "Input/output error")

    writer.close = close
    with pytest.raises(OSError, match="Input/output error"):
        kit.run(one.close())
    assert kit.run(one.open()) is not None
