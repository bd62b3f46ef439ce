"""IVR applications (PATCH with If-Match) and the CTI (data.update with rev) write to one session.

Both become a `PatchSession` on the revision that the writer has read. Whatever the order in which
they read and write, no change that was accepted is undone by somebody who had not seen it.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.session_api import AddJourneyStep, PatchSession, RevStale
from actors.session_changes import check_changes
from actors.session_data import Session, patched, told, with_step
from protocols.cti.messages import CallEvent

LIMIT = 16_384
WRITERS = ("ivr-welcome", "ivr-payment", "cti")
NEW = Session(session="0" * 20, call="c-1", opened=1.0, updated=1.0, ud={"trail": ""})


@dataclass
class Writer:
    """Reads, changes what it has read, writes, and reads again where it was too late.

    Attributes:
        wants: What it still has to write: the key, and the value; None deletes it.
    """

    name: str
    wants: list = field(default_factory=list)
    read: Session | None = None

    def patch(self):
        key, value = self.wants[0]
        trail = f"{self.read.ud['trail']}{self.name}:{len(self.wants)} "
        changes = {"ud.trail": trail} | ({} if value is None else {key: value})
        delete = [key] if value is None else []
        check_changes(changes, delete)
        return PatchSession(rev=self.read.rev, set=changes, delete=delete)


class World:
    """A session, and who writes to it.

    Attributes:
        done: The changes that were accepted, in order, with who made them.
    """

    def __init__(self, wants):
        self.session = NEW
        self.writers = [Writer(name, list(one)) for name, one in zip(WRITERS, wants, strict=True)]
        self.promised = {one.name: len(one.wants) for one in self.writers}
        self.done = []
        self.stale = 0
        self.wall = 1.0

    def step(self, number):
        """A writer does its next thing, or something else happens to the session."""
        self.wall += 1
        if number >= len(self.writers):
            return self.something_else(number)
        writer = self.writers[number]
        if not writer.wants:
            return None
        if writer.read is None:
            writer.read = self.session
            return None
        return self.write(writer)

    def write(self, writer):
        patch, before = writer.patch(), self.session
        result = patched(before, patch, LIMIT, self.wall)
        fresh = writer.read.rev == before.rev
        writer.read = None
        if isinstance(result, RevStale):
            assert (fresh, result.rev) == (False, before.rev)
            self.stale += 1
            return
        assert fresh
        assert result.rev == before.rev + 1
        writer.wants.pop(0)
        self.done.append((writer.name, patch))
        self.session = result

    def something_else(self, number):
        """A step of the journey, or an event of the call: neither is a new revision."""
        rev = self.session.rev
        if number == len(self.writers):
            step = AddJourneyStep(ev="in", step="menu")
            self.session = with_step(self.session, step, 10, self.wall)
        else:
            event = CallEvent(call="c-1", ev="held", ts=self.wall)
            self.session = told(self.session, event, self.wall)
        assert self.session.rev == rev

    def finish(self):
        while any(one.wants for one in self.writers):
            for number in range(len(self.writers)):
                self.step(number)


keys = st.sampled_from(["ud.offer", "ud.n", "lang", "digits", "auth_level"])
values = {
    "ud.offer": st.none() | st.sampled_from(["gold", "silver"]),
    "ud.n": st.none() | st.integers(0, 3),
    "lang": st.none() | st.sampled_from(["fr", "en"]),
    "digits": st.none() | st.sampled_from(["", "12#"]),
    "auth_level": st.none() | st.integers(0, 100),
}
want = keys.flatmap(lambda key: st.tuples(st.just(key), values[key]))
wants = st.tuples(*(st.lists(want, max_size=5) for _ in WRITERS))
schedules = st.lists(st.integers(0, len(WRITERS) + 1), max_size=60)


def check_nothing_is_lost(wants, schedule):
    world = World(wants)
    for number in schedule:
        world.step(number)
    world.finish()
    each_one_is_there_once(world)
    all_follow_from_the_accepted_ones(world)
    return world


def each_one_is_there_once(world):
    """Every writer appended to what it had read: whoever was overwritten is missing."""
    trail = world.session.ud["trail"].split()
    assert trail == [f"{name}:{left}" for name, left in counted_down(world)]
    assert len(trail) == sum(world.promised.values()) == world.session.rev - 1


def counted_down(world):
    left = dict(world.promised)
    for name, _ in world.done:
        yield name, left[name]
        left[name] -= 1


def all_follow_from_the_accepted_ones(world):
    """The session is what the accepted changes make of it, one after the other."""
    session = NEW
    for _, patch in world.done:
        session = patched(session, replace(patch, rev=session.rev), LIMIT, 1.0)
    kept = ("rev", "auth_level", "lang", "digits", "ud")
    assert [getattr(session, one) for one in kept] == [getattr(world.session, one) for one in kept]


@given(wants, schedules)
@settings(max_examples=300)
def test_ivr_and_cti_writing_at_once_never_lose_an_update(wants, schedule):
    check_nothing_is_lost(wants, schedule)


@pytest.mark.long
@given(wants, schedules)
@settings(max_examples=20_000)
def test_ivr_and_cti_writing_at_once_never_lose_an_update_in_many_orders(wants, schedule):
    check_nothing_is_lost(wants, schedule)


def test_a_writer_that_comes_too_late_reads_again_and_loses_nothing():
    want = [("ud.offer", "gold")]
    world = check_nothing_is_lost((want, want, want), [0, 1, 2, 2, 0, 1])
    assert world.stale == 3
    assert world.session.ud["trail"].split() == ["cti:1", "ivr-welcome:1", "ivr-payment:1"]


def test_a_writer_that_does_not_look_at_the_revision_would_lose_one():
    """What the property would see: the check on what is lost has teeth."""
    world = World(([("ud.n", 1)], [("ud.n", 2)], []))
    for number in (0, 1, 0):
        world.step(number)
    world.writers[1].read = replace(world.writers[1].read, rev=world.session.rev)
    world.session = patched(world.session, world.writers[1].patch(), LIMIT, 9.0)
    world.done.append((WRITERS[1], None))
    with pytest.raises(AssertionError):
        each_one_is_there_once(world)
