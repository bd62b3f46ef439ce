"""How the outbox is drained: steps, and a model of everything that can be killed on the way."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors import outbox_drain as drain
from actors.database import DatabaseDown, QueryFailed, QueryTimeout
from actors.outbox_drain import (
    Drop,
    Flowing,
    Gather,
    Read,
    SetAside,
    Skip,
    Store,
    Trim,
    Trouble,
)

BAD_DATA = QueryFailed("22P05", "unsupported Unicode escape sequence")
GONE = DatabaseDown("gone")


@dataclass(frozen=True)
class Row:
    seq: int
    bad: bool = False
    damaged: str = ""


def rows(*seqs):
    return tuple(Row(seq) for seq in seqs)


def reading(batch=4):
    """A drain that reads its first page."""
    state = drain.begin(batch)
    assert drain.opened(state) == [Read(0, batch)]
    return state


def test_nothing_is_read_before_the_database_takes_sessions():
    state = drain.begin(4)
    assert drain.grew(state, 3) == []
    assert drain.opened(state) == [Read(0, 4)]


def test_a_page_is_sent_in_order_and_trimmed_when_the_database_has_it():
    state = reading()
    page = rows(3, 5, 8, 9)
    assert drain.page(state, page) == [Store(page)]
    assert drain.stored(state) == [Trim((3, 5, 8, 9)), Flowing(4), Read(9, 4)]


def test_one_batch_is_on_its_way_at_a_time():
    state = reading()
    drain.page(state, rows(1, 2))
    assert drain.grew(state, 9) == []
    assert drain.opened(state) == []
    assert drain.resume(state) == []


def test_after_the_last_page_rows_are_let_come_together():
    state = reading()
    drain.page(state, rows(1))
    drain.stored(state)
    assert drain.empty(state)
    assert drain.grew(state, 1) == [Gather()]
    assert drain.grew(state, 2) == []
    assert drain.gathered(state) == [Read(1, 4)]


def test_a_full_batch_does_not_wait_for_more():
    state = reading()
    drain.page(state, ())
    assert drain.grew(state, 2) == [Gather()]
    assert drain.grew(state, 4) == [Read(0, 4)]


def test_rows_that_come_while_a_page_is_read_are_not_forgotten():
    state = reading()
    assert drain.grew(state, 1) == []
    assert drain.page(state, ()) == [Gather()]


def test_what_failed_is_tried_again_in_the_same_order():
    state = reading()
    page = rows(1, 2)
    drain.page(state, page)
    assert drain.failed(state, GONE) == [Trouble(GONE, 1)]
    assert drain.grew(state, 3) == []
    assert drain.resume(state) == [Store(page)]
    slow = QueryTimeout("exec", 5.0)
    assert drain.failed(state, slow) == [Trouble(slow, 2)]
    assert drain.resume(state) == [Store(page)]


def test_a_success_ends_the_count_of_failures():
    state = reading()
    drain.page(state, rows(1, 2, 3, 4))
    drain.failed(state, GONE)
    drain.resume(state)
    drain.stored(state)
    drain.page(state, rows(5))
    assert drain.failed(state, GONE) == [Trouble(GONE, 1)]


def test_the_outbox_that_cannot_be_read_is_read_again_later():
    state = reading()
    assert drain.unread(state, "I/O error") == [Trouble("I/O error", 1)]
    assert drain.overfull(state, 3) == []
    assert drain.resume(state) == [Read(0, 4)]


def test_a_damaged_row_is_told_and_passed_over():
    state = reading()
    damaged = Row(2, damaged="its checksum differs")
    page = (Row(1), damaged, Row(3))
    assert drain.page(state, page) == [Skip(damaged), Store(rows(1, 3))]
    assert drain.stored(state) == [Trim((1, 3)), Flowing(2)]


def test_a_session_that_is_refused_is_found_by_halves_and_set_aside():
    state = reading()
    drain.page(state, rows(1, 2, 3, 4))
    assert drain.failed(state, BAD_DATA) == [Store(rows(1, 2))]
    assert drain.failed(state, BAD_DATA) == [Store(rows(1))]
    assert drain.failed(state, BAD_DATA) == [SetAside(Row(1), BAD_DATA), Trim((1,)), Store(rows(2))]
    assert drain.stored(state) == [Trim((2,)), Flowing(1), Store(rows(3, 4))]


def test_where_every_session_is_refused_each_further_one_waits_as_for_a_database_that_is_down():
    state = reading(batch=1)
    waits = []
    for seq in range(1, drain.PATIENCE + 3):
        drain.page(state, rows(seq))
        waits.append([one for one in drain.failed(state, BAD_DATA) if isinstance(one, Trouble)])
        drain.resume(state)
    assert waits[: drain.PATIENCE - 1] == [[]] * (drain.PATIENCE - 1)
    assert [one.failures for (one,) in waits[drain.PATIENCE - 1 :]] == [1, 2, 3]


def test_the_oldest_give_way_where_there_are_too_many():
    state = drain.begin(4)
    assert drain.overfull(state, 6) == [Read(0, 4)]
    assert drain.page(state, rows(1, 2, 3, 4)) == [Drop(4), Trim((1, 2, 3, 4)), Read(4, 4)]
    assert drain.page(state, rows(5, 6, 7, 8)) == [Drop(2), Trim((5, 6))]


def test_what_is_on_its_way_does_not_give_way_before_its_outcome_is_known():
    state = reading()
    drain.page(state, rows(1, 2))
    assert drain.overfull(state, 1) == []
    assert drain.failed(state, GONE) == [Trouble(GONE, 1), Drop(1), Trim((1,))]


class Chaos(RuleBasedStateMachine):
    """A journal, a database and a drain between them; each of them is killed at any moment.

    Attributes:
        outbox: What is durable in the journal, by number.
        aside: Rows kept aside there.
        pending: What the journal has been told and has not committed.
        stored: What the database has, in the order in which it came there.
    """

    def __init__(self):
        super().__init__()
        self.seq = 0
        self.outbox = {}
        self.all = {}
        self.aside = set()
        self.dropped = set()
        self.pending = []
        self.stored = []
        self.usable = True
        self.batch = 3
        self.begin()

    # The world

    def begin(self):
        """A new store: what the last one has trimmed is durable before it reads."""
        self.commit()
        self.state = drain.begin(self.batch)
        self.read = self.sent = None
        self.gathering = self.waiting = False
        self.act(drain.opened(self.state))

    def commit(self):
        for done in self.pending:
            done()
        self.pending = []

    def act(self, actions):
        for one in actions:
            match one:
                case Read():
                    assert self.read is None
                    assert self.sent is None
                    self.read = one
                case Gather():
                    self.gathering = True
                case Store(batch):
                    assert batch
                    assert self.read is None
                    assert self.sent is None
                    self.sent = batch
                case Trim(seqs):
                    self.pending.append(lambda seqs=seqs: self.forget(seqs))
                case SetAside(row, _):
                    self.pending.append(lambda row=row: self.aside.add(row.seq))
                    assert row.bad
                case Drop(count):
                    self.dropping = count
                case Trouble():
                    self.waiting = True
                case Flowing():
                    pass

    def forget(self, seqs):
        for seq in seqs:
            del self.outbox[seq]

    def insert(self, batch):
        known = {row.seq for row in self.stored}
        self.stored += [row for row in batch if row.seq not in known]

    def answer(self):
        """What the database says to the batch, truly."""
        batch, self.sent = self.sent, None
        if not self.usable:
            self.act(drain.failed(self.state, GONE))
        elif any(row.bad for row in batch):
            self.act(drain.failed(self.state, BAD_DATA))
        else:
            self.insert(batch)
            self.act(drain.stored(self.state))

    # What happens

    @rule(bad=st.lists(st.booleans(), min_size=1, max_size=5))
    def sessions_close(self, bad):
        for one in bad:
            self.seq += 1
            self.outbox[self.seq] = self.all[self.seq] = Row(self.seq, one)
        self.act(drain.grew(self.state, len(self.outbox)))

    @precondition(lambda self: self.read)
    @rule(readable=st.booleans())
    def the_journal_answers(self, readable):
        asked, self.read = self.read, None
        if readable:
            found = [self.outbox[seq] for seq in sorted(self.outbox) if seq > asked.after]
            self.act(drain.page(self.state, found[: asked.limit]))
        else:
            self.act(drain.unread(self.state, "I/O error"))

    @precondition(lambda self: self.sent)
    @rule()
    def the_database_answers(self):
        self.answer()

    @precondition(lambda self: self.sent)
    @rule(done=st.booleans())
    def the_connection_is_killed_while_the_database_stores(self, done):
        batch, self.sent = self.sent, None
        if done and not any(row.bad for row in batch):
            self.insert(batch)
        self.act(drain.failed(self.state, QueryFailed("08007", "the connection ended")))

    @rule(usable=st.booleans())
    def the_database_goes_or_comes(self, usable):
        self.usable = usable
        if usable:
            self.act(drain.resume(self.state))
            self.act(drain.opened(self.state))
        else:
            drain.closed(self.state)

    @precondition(lambda self: self.waiting)
    @rule()
    def it_is_tried_again(self):
        self.waiting = False
        self.act(drain.resume(self.state))

    @precondition(lambda self: self.gathering)
    @rule()
    def rows_have_come_together(self):
        self.gathering = False
        self.act(drain.gathered(self.state))

    @rule()
    def the_journal_commits(self):
        self.commit()

    @rule(done=st.booleans())
    def the_store_is_killed(self, done):
        self.lose(done)
        self.begin()

    @rule(done=st.booleans())
    def the_node_is_killed(self, done):
        self.lose(done)
        self.pending = []
        self.begin()

    def lose(self, done):
        """What is on its way may arrive or not."""
        if done and self.sent and self.usable and not any(row.bad for row in self.sent):
            self.insert(self.sent)

    # What holds

    @invariant()
    def nothing_is_lost(self):
        here = self.outbox.keys() | self.aside | {row.seq for row in self.stored}
        assert here == self.all.keys()

    @invariant()
    def sessions_arrive_in_order_and_once(self):
        seqs = [row.seq for row in self.stored]
        assert seqs == sorted(set(seqs))

    @invariant()
    def one_page_is_in_memory_at_most(self):
        assert len(self.state.window) <= self.batch

    def teardown(self):
        """Where nothing is killed any more, everything arrives."""
        self.the_database_goes_or_comes(True)
        for _ in range(20 * (len(self.all) + 2)):
            if self.read:
                self.the_journal_answers(True)
            elif self.sent:
                self.answer()
            elif self.gathering:
                self.rows_have_come_together()
            elif self.waiting:
                self.it_is_tried_again()
        self.commit()
        self.nothing_is_lost()
        self.sessions_arrive_in_order_and_once()
        assert self.outbox == {}
        assert self.aside == {seq for seq, row in self.all.items() if row.bad}
        assert drain.empty(self.state)


Chaos.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
test_whatever_is_killed_every_session_arrives_once_and_in_order = Chaos.TestCase


@pytest.mark.parametrize("sqlstate", ["22P05", "23514", "54000", "07000"])
def test_the_data_is_at_fault_for_these(sqlstate):
    assert drain.is_data_error(QueryFailed(sqlstate, ""))


@pytest.mark.parametrize(
    "sqlstate", ["53100", "53300", "25006", "08007", "57014", "42501", "XX000"]
)
def test_the_data_is_not_at_fault_for_these(sqlstate):
    assert not drain.is_data_error(QueryFailed(sqlstate, ""))
