"""When the records of link sessions are due: each in its time, by one timer for all."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from actors.cti_row import LinkRow
from actors.cti_ways import Way
from actors.records_due import SPREAD_S, RecordsDue
from protocols.cti import link_session
from protocols.cti.link_session import ACK_FRAMES, ACK_S
from supervision.eventloop.cell import LocalAddress


class Kernel:
    """A kernel's timers, fired by hand."""

    def __init__(self):
        self.now = 0.0
        self.timers = []

    def set_timer_at(self, when, fire, owner, payload):
        self.timers.append((when, fire))

    def advance(self, until):
        while self.timers and min(self.timers)[0] <= until:
            when, fire = due = min(self.timers, key=lambda timer: timer[0])
            self.timers.remove(due)
            self.now = max(self.now, when)
            fire(SimpleNamespace())
        self.now = until


def linked(name="a"):
    session = link_session.begin(name, name, "primary", link_session.Limits())
    return LinkRow(number=1, session=session)


def heard(row, now):
    """A frame of the peer's that has no effect."""
    i = row.session.next_in
    link_session.take(row.session, i)
    link_session.confirm(row.session, i, now)


def made():
    kernel, recorded = Kernel(), []
    due = RecordsDue(kernel, lambda row, last_in: recorded.append((kernel.now, row, last_in)))
    return kernel, due, recorded


def test_a_record_is_put_once_when_it_is_due():
    kernel, due, recorded = made()
    row = linked()
    heard(row, 0.0)
    due.note(row, kernel.now)
    due.note(row, kernel.now)
    assert len(due) == 1
    kernel.advance(ACK_S - 0.001)
    assert recorded == []
    kernel.advance(1.0)
    assert recorded == [(ACK_S, row, 1)]
    assert len(due) == 0


def test_what_is_due_a_little_later_is_put_by_the_same_turn():
    kernel, due, recorded = made()
    rows = [linked(str(number)) for number in range(3)]
    for number, row in enumerate(rows):
        heard(row, number * 0.8 * SPREAD_S)
        due.note(row, kernel.now)
    kernel.advance(1.0)
    assert [(at, row) for at, row, _ in recorded[:2]] == [(ACK_S, rows[0]), (ACK_S, rows[1])]
    assert recorded[2][:2] == (ACK_S + 1.6 * SPREAD_S, rows[2])


def test_one_that_was_recorded_before_is_left_alone():
    kernel, due, recorded = made()
    row = linked()
    heard(row, 0.0)
    due.note(row, kernel.now)
    assert link_session.ackable(row.session, 0.0, urgent=True) == 1
    kernel.advance(1.0)
    assert recorded == []
    assert not row.to_record


def test_many_frames_are_recorded_at_once_and_the_rest_in_time():
    kernel, due, recorded = made()
    row = linked()
    for _ in range(ACK_FRAMES):
        heard(row, 0.0)
        due.note(row, 0.0)
    assert recorded == [(0.0, row, ACK_FRAMES)]
    heard(row, 0.0)
    due.note(row, 0.0)
    kernel.advance(1.0)
    assert recorded[1:] == [(ACK_S, row, ACK_FRAMES + 1)]


def test_what_frames_wait_for_is_recorded_as_soon_as_the_record_before_is_durable():
    _, due, recorded = made()
    row = linked()
    heard(row, 0.0)
    row.ways.waiting.add(Way(LocalAddress(None, "session")))
    due.note(row, 0.0)
    heard(row, 0.0)
    due.note(row, 0.0)
    assert [last_in for _, _, last_in in recorded] == [1]
    link_session.recorded(row.session, 1)
    due.note(row, 0.0)
    assert [last_in for _, _, last_in in recorded] == [1, 2]


def test_one_whose_link_session_was_never_begun_is_left_alone():
    _, due, _ = made()
    due.note(LinkRow(number=1), 0.0)
    due.note(linked(), 0.0)
    assert len(due) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 0.05)), max_size=60))
def test_every_frame_is_covered_in_time_whoever_speaks_when(plan):
    kernel, due, recorded = made()
    rows = [linked(str(number)) for number in range(4)]
    frames = []
    for number, wait in plan:
        kernel.advance(kernel.now + wait)
        row = rows[number]
        heard(row, kernel.now)
        frames.append((kernel.now, row, row.session.confirmed_in))
        due.note(row, kernel.now)
    kernel.advance(kernel.now + 1.0)
    for at, row, i in frames:
        covered = [when for when, of, last_in in recorded if of is row and last_in >= i]
        assert covered
        assert min(covered) <= at + ACK_S + 1e-9
