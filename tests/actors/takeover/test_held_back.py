"""A commit waits for what waited for it, and says what is missing."""

import asyncio
from types import SimpleNamespace

import pytest

from actors.migrations import Migration
from actors.schema_upkeep import Upkeep
from actors.session_store import SessionStore
from actors.takeover import held_back

LESS = Migration(4, "004_less.sql", "ALTER TABLE one DROP y", "c", contract=True)


class Clock:
    """Time that passes as it is looked at."""

    now = 0.0

    def monotonic(self):
        self.now += 1.0
        return self.now


class Kernel:
    """A node of which only the store is there, or not."""

    def __init__(self, upkeep):
        self.clock = Clock()
        self.store = SessionStore.__new__(SessionStore)
        self.store.state = SimpleNamespace(upkeep=upkeep)

    def cell_of(self, name):
        assert name == "sessionStore"
        return None if self.store is None else SimpleNamespace(actor=self.store)


@pytest.fixture
def upkeep():
    return Upkeep([LESS], 50, 5, phase="ready", provisional=True, held=[LESS])


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(held_back, "LOOK_S", 0)


def waited(kernel, names, alarms=None, limit_s=20.0):
    texts = alarms or {}
    said = SimpleNamespace(text=lambda name: texts.get(name, ""))
    return asyncio.run(held_back.missing(kernel, said, names, limit_s))


def test_what_is_held_is_known_by_name(upkeep):
    kernel = Kernel(upkeep)
    assert held_back.held(kernel) == ["004_less.sql"]
    kernel.store = None
    assert held_back.held(kernel) == []


def test_where_nothing_was_held_nothing_is_waited_for(upkeep):
    kernel = Kernel(upkeep)
    assert waited(kernel, []) == ""
    assert kernel.clock.now <= 1.0


def test_it_is_over_when_the_store_has_applied_what_was_held(upkeep):
    kernel = Kernel(upkeep)

    async def run():
        said = SimpleNamespace(text=lambda _: "")
        waiting = asyncio.ensure_future(held_back.missing(kernel, said, ["004_less.sql"], 1e6))
        for change in ({"provisional": False}, {"phase": "migrating"}, {"held": []}):
            for name, value in change.items():
                setattr(upkeep, name, value)
            await asyncio.sleep(0)
            assert not waiting.done()
        upkeep.phase = "ready"
        return await waiting

    assert asyncio.run(run()) == ""


def test_what_is_not_applied_in_time_is_told_with_the_alarm_that_says_why(upkeep):
    upkeep.provisional, upkeep.phase, upkeep.held = False, "waiting", []
    kernel = Kernel(upkeep)
    why = waited(kernel, ["004_less.sql"], {"schema-refused": "no right to do that"})
    assert why.startswith("004_less.sql not applied yet")
    assert why.endswith("no right to do that")
    assert kernel.clock.now <= 21.0
    assert waited(kernel, ["004_less.sql"]).endswith("it is under way")
