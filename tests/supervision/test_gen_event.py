"""gen_event's contract (reference 2.2): every handler hears every event; a crash stays in one."""

from __future__ import annotations

import pytest

from supervision import AddHandler, EventHandler, EventManager, reasons
from supervision.gen_event import DeleteHandler, WhichHandlers
from supervision.testing import NotStarted


class Noting(EventHandler):
    def __init__(self, name="noting", journal=None):
        self.name = name
        self.journal = journal if journal is not None else []

    def init(self, args):
        self.journal.append((self.name, "init", args))

    def handle_event(self, event):
        self.journal.append((self.name, event))

    def terminate(self, reason):
        self.journal.append((self.name, "terminate", str(reason)))

    def status(self):
        return len(self.journal)


class Failing(Noting):
    def handle_event(self, event):
        raise LookupError(event)


class Refusing(Noting):
    def init(self, args):
        raise LookupError("no")


class BadEnd(Noting):
    def terminate(self, reason):
        raise LookupError("last words")


@pytest.fixture
def journal():
    return []


@pytest.fixture
def manager(kit, journal):
    pairs = [(name, Noting(name, journal)) for name in "ab"]
    address = kit.start(EventManager, pairs, name="manager")
    journal.clear()
    return address


def test_every_handler_hears_every_event_in_the_order_they_were_added(kit, manager, journal):
    for event in (1, 2):
        kit.cast(manager, event)
    kit.settle()
    assert journal == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_a_call_is_answered_when_every_handler_has_run(kit, manager, journal):
    assert kit.call(manager, "event") is True
    assert journal == [("a", "event"), ("b", "event")]


def test_a_handler_is_added_with_its_arguments(kit, manager, journal):
    assert kit.call(manager, AddHandler("c", Noting("c", journal), "args")) is True
    assert journal == [("c", "init", "args")]
    assert kit.call(manager, WhichHandlers()) == ["a", "b", "c"]


def test_a_handler_that_is_there_is_not_added_again(kit, manager):
    answer = kit.call(manager, AddHandler("a", Noting()))
    assert answer == reasons.error("already_added")


def test_a_handler_that_fails_in_init_is_not_added(kit, manager):
    answer = kit.call(manager, AddHandler("c", Refusing()))
    assert answer.detail == "LookupError: no"
    assert kit.call(manager, WhichHandlers()) == ["a", "b"]


def test_a_manager_whose_handler_is_refused_does_not_start_and_ends_the_others(kit, journal):
    with pytest.raises(NotStarted, match="handler 'b': error: LookupError: no"):
        kit.start(EventManager, [("a", Noting("a", journal)), ("b", Refusing())])
    assert [what for _, what, *_ in journal] == ["init", "terminate"]


def test_a_handler_is_deleted_and_may_clean_up(kit, manager, journal):
    assert kit.call(manager, DeleteHandler("a")) is True
    assert kit.call(manager, DeleteHandler("a")) is False
    assert journal == [("a", "terminate", "shutdown: deleted")]
    kit.call(manager, "event")
    assert journal[1:] == [("b", "event")]


def test_a_handler_that_crashes_is_removed_and_reported_and_the_others_go_on(kit, manager, journal):
    failing = Failing("f", journal)
    kit.call(manager, AddHandler("f", failing))
    journal.clear()
    assert kit.call(manager, "event") is True
    assert journal == [
        ("a", "event"),
        ("b", "event"),
        ("f", "terminate", "error: LookupError: event"),
    ]
    [report] = kit.reported("crash")
    assert (report.path, report.data["handler"]) == ("manager", "f")
    assert "Traceback" in report.data["traceback"]
    assert kit.call(manager, WhichHandlers()) == ["a", "b"]


def test_a_handler_that_crashes_in_its_end_is_gone_all_the_same(kit, manager):
    kit.call(manager, AddHandler("c", BadEnd()))
    assert kit.call(manager, DeleteHandler("c")) is True
    assert "last words" in kit.reported("crash")[0].data["reason"]
    assert kit.alive(manager)


def test_every_handler_may_clean_up_when_the_manager_ends(kit, manager, journal):
    kit.stop(manager)
    assert journal == [("a", "terminate", "shutdown"), ("b", "terminate", "shutdown")]


def test_what_is_shown_are_the_handlers_own_words(kit, manager):
    kit.call(manager, "event")
    assert kit.actor(manager).status() == {"a": 2, "b": 2}
