"""The core of an upgrade under any order of events: one decider at most, no program lost."""

from anchor_upgrade_world import World
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision.anchor.states import Mode
from supervision.anchor.upgrade_events import Told
from supervision.anchor.upgrade_states import Role

PHASES = ("connected", "copied", "prepared", "failed", "ending", "nonsense")


def happenings(world):
    """All that may happen now, in a fixed order."""
    yield world.tick
    yield world.reap_all
    yield world.ready
    yield world.upgrade
    yield lambda: world.upgrade("3", force=True)
    yield world.commit
    yield world.stop
    yield world.restart
    yield lambda: setattr(world, "disk_full", not world.disk_full)
    yield lambda: setattr(world, "cannot_spawn", not world.cannot_spawn)
    if world.pointers.provisional:
        yield world.rollback
        yield lambda: world.rollback(insists=True)
        yield world.verdict
    for role in world.roles:
        yield lambda role=role: world.die(role)
        yield lambda role=role: world.die(role, reap=False)
    for ask, _ in world.asks:
        yield lambda op=ask.op: world.answer(op, ok=True)
        yield lambda op=ask.op: world.answer(op, ok=False, crc=8)
        yield lambda op=ask.op: world.refuse(op)
    if Role.SUCCESSOR in world.roles:
        for phase in PHASES:
            yield lambda phase=phase: world.tell(phase)
        yield world.prepared
    yield lambda: world.on(Told(None, "failed", {}))


WAYS = (
    (),
    ("upgrade",),
    ("copy",),
    ("point_to",),
    ("take_over",),
    ("take_over", "commit"),
    ("take_over", "rollback"),
    ("take_over", "verdict"),
)


def begun(way):
    world = World()
    for name in way:
        getattr(world, name)()
    return world


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(WAYS), st.lists(st.integers(0, 1_000), max_size=60))
def test_whatever_happens_one_decides_at_most_and_one_at_last(way, choices):
    world = begun(way)
    for choice in choices:
        possible = list(happenings(world))
        possible[choice % len(possible)]()
    world.calm()
    world.check_calm()


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(WAYS), st.lists(st.integers(0, 1_000), max_size=60))
def test_everybody_who_asks_is_answered_once(way, choices):
    world = begun(way)
    wanted = set()
    for choice in choices:
        possible = list(happenings(world))
        wanted.add(possible[choice % len(possible)]())
    world.calm()
    for number in wanted - {None, True, False}:
        assert len(world.answers[number]) == 1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 1_000), max_size=60))
def test_a_node_that_is_left_alone_takes_over_whatever_was_before(choices):
    world = World()
    for choice in choices:
        possible = list(happenings(world))
        possible[choice % len(possible)]()
    world.calm()
    if world.state.mode is not Mode.RUNNING:
        return
    world.asks.clear()
    vsn = f"{world.pointers.permanent}0"
    world.take_over(vsn=vsn)
    assert (world.pointers.current, world.pointers.provisional) == (vsn, True)
    world.commit()
    world.answer("release.permanent")
    assert world.pointers.permanent == vsn
    assert world.gone_on[-1] == vsn
