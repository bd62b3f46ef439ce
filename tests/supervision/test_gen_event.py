"""gen_event's contract (reference 2.2): every handler hears every event; a crash stays in one."""

from __future__ import annotations

import pytest

from supervision import (
    AddHandler,
    ChildSpec,
    DeleteHandler,
    EventHandler,
    EventManager,
    HandlerFailed,
    Notify,
    SupervisorFlags,
    SwapHandler,
    SyncNotify,
    WhichHandlers,
    reasons,
)
from supervision.gen_event import (
    HIBERNATE,
    AddSupHandler,
    Answer,
    CallHandler,
    HandlerExit,
    HandlerState,
    Stopped,
    Swap,
)
from supervision.testing import NotStarted


class Noting(EventHandler):
    def __init__(self, name="noting", journal=None):
        self.name = name
        self.journal = journal if journal is not None else []

    def init(self, args):
        self.journal.append((self.name, "init", args))

    def handle_event(self, event):
        self.journal.append((self.name, event))

    def terminate(self, args):
        self.journal.append((self.name, "terminate", args))
        return "last words"

    def status(self):
        return len(self.journal)


class Failing(Noting):
    def handle_event(self, event):
        raise LookupError(event)


class Refusing(Noting):
    def init(self, args):
        raise LookupError("no")


class BadEnd(Noting):
    def terminate(self, args):
        raise LookupError("no last words")


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


def test_a_sync_notify_is_answered_when_every_handler_has_run(kit, manager, journal):
    assert kit.call(manager, SyncNotify("event")) is True
    assert journal == [("a", "event"), ("b", "event")]


def test_an_event_may_be_cast_or_sent_with_its_name_around_it(kit, manager, journal):
    kit.cast(manager, Notify(1))
    kit.send(manager, Notify(2))
    kit.settle()
    assert journal == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_a_manager_that_is_asked_what_none_is_says_so_and_goes_on(kit, manager):
    with pytest.raises(HandlerFailed, match="bad_request"):
        kit.call(manager, "event")
    assert kit.alive(manager)


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
    assert kit.call(manager, DeleteHandler("a", "why")) == "last words"
    with pytest.raises(HandlerFailed, match="module_not_found"):
        kit.call(manager, DeleteHandler("a"))
    assert journal == [("a", "terminate", "why")]
    kit.call(manager, SyncNotify("event"))
    assert journal[1:] == [("b", "event")]


def test_a_handler_that_crashes_is_removed_and_reported_and_the_others_go_on(kit, manager, journal):
    failing = Failing("f", journal)
    kit.call(manager, AddHandler("f", failing))
    journal.clear()
    assert kit.call(manager, SyncNotify("event")) is True
    assert journal[:2] == [("a", "event"), ("b", "event")]
    [(name, what, reason)] = journal[2:]
    assert (name, what, str(reason)) == ("f", "terminate", "error: LookupError: event")
    [report] = kit.reported("crash")
    assert (report.path, report.data["handler"]) == ("manager", "f")
    assert "Traceback" in report.data["traceback"]
    assert kit.call(manager, WhichHandlers()) == ["a", "b"]


def test_a_handler_that_crashes_in_its_end_is_gone_all_the_same(kit, manager):
    kit.call(manager, AddHandler("c", BadEnd()))
    left = kit.call(manager, DeleteHandler("c"))
    assert left.detail == "LookupError: no last words"
    assert "no last words" in kit.reported("crash")[0].data["reason"]
    assert kit.call(manager, WhichHandlers()) == ["a", "b"]
    assert kit.alive(manager)


def test_every_handler_may_clean_up_when_the_manager_ends(kit, manager, journal):
    kit.stop(manager)
    stopped = Stopped(reasons.SHUTDOWN)
    assert journal == [("a", "terminate", stopped), ("b", "terminate", stopped)]


def test_what_is_shown_are_the_handlers_own_words(kit, manager):
    kit.call(manager, SyncNotify("event"))
    assert kit.actor(manager).status() == {"a": 2, "b": 2}


def test_a_handler_may_be_a_class_and_its_id_may_say_which(kit, manager):
    class Quiet(Noting):
        def handle_event(self, event):
            pass

    assert kit.call(manager, AddHandler("c", Quiet)) is True
    assert kit.call(manager, AddHandler(Quiet)) is True
    assert kit.call(manager, AddHandler((Quiet, 1))) is True
    assert kit.call(manager, WhichHandlers()) == ["a", "b", "c", Quiet, (Quiet, 1)]


@pytest.mark.parametrize("handler", [None, object(), object], ids=["none", "object", "class"])
def test_what_is_no_handler_is_refused(kit, manager, handler):
    refused = kit.call(manager, AddHandler("c", handler))
    assert refused.detail[0] == "bad_handler"
    assert kit.alive(manager)


def test_a_handler_that_is_swapped_in_takes_the_place_of_the_old_one(kit, manager, journal):
    assert kit.call(manager, SwapHandler("a", None, "c", Noting("c", journal))) is True
    assert kit.call(manager, WhichHandlers()) == ["c", "b"]
    journal.clear()
    kit.call(manager, SyncNotify(1))
    assert journal == [("c", 1), ("b", 1)]


def test_a_handler_that_is_swapped_in_for_nobody_is_the_last(kit, manager, journal):
    assert kit.call(manager, SwapHandler("x", None, "c", Noting("c", journal))) is True
    assert kit.call(manager, WhichHandlers()) == ["a", "b", "c"]


def test_a_handler_may_be_swapped_for_one_of_its_own_id(kit, manager, journal):
    assert kit.call(manager, SwapHandler("a", 1, "a", Noting("new", journal), 2)) is True
    assert journal == [("a", "terminate", 1), ("new", "init", (2, "last words"))]
    assert kit.call(manager, WhichHandlers()) == ["a", "b"]


def test_a_swap_to_an_id_that_is_taken_leaves_both_handlers_alone(kit, manager, journal):
    refused = kit.call(manager, SwapHandler("a", None, "b", Noting("c", journal)))
    assert refused == reasons.error("already_added")
    assert (journal, kit.call(manager, WhichHandlers())) == ([], ["a", "b"])


def test_a_handler_that_is_asynchronous_is_deleted(kit, manager, journal):
    class Later(Noting):
        async def handle_event(self, event):
            pass

    kit.call(manager, AddHandler("l", Later("l", journal)))
    kit.call(manager, SyncNotify(1))
    assert kit.call(manager, WhichHandlers()) == ["a", "b"]
    assert "bad_return_value: <coroutine" in kit.reported("crash")[0].data["reason"]


class Resting(EventHandler):
    state_type = dict[str, int]

    def init(self, args):
        self.state = {"events": 0}

    def handle_event(self, event):
        self.state["events"] += 1
        return HIBERNATE if event == "rest" else None


def test_a_hibernating_manager_packs_the_states_that_have_types(kit):
    plain = Noting()
    manager = kit.start(EventManager, [("resting", Resting()), ("plain", plain)])
    actor, resting = kit.actor(manager), kit.actor(manager).state["resting"]
    kit.call(manager, SyncNotify("rest"))
    assert actor.hibernating
    assert isinstance(resting.state, bytes)
    assert actor.system_get_state()[0] == HandlerState(Resting, "resting", {"events": 1})
    kit.call(manager, SyncNotify("rest"))
    kit.call(manager, SyncNotify("wake up"))
    assert not actor.hibernating
    assert resting.state == {"events": 3}


def test_a_handlers_crash_report_shows_its_scrubbed_state(kit):
    class Secretive(EventHandler):
        def init(self, args):
            self.state = args

        def format_status(self, state):
            return "***"

    manager = kit.start(EventManager)
    kit.call(manager, AddHandler(Secretive, None, "secret"))
    kit.cast(manager, {"some": "event"})
    kit.settle()
    [report] = kit.reported("crash")
    assert (report.data["state"], report.data["message"]) == ("***", "dict")


class Taking(Noting):
    def handle_event(self, event):
        return Swap("args", "b", Noting)

    def handle_call(self, request):
        return Answer("answer", Swap("args", "b", Noting))


@pytest.mark.parametrize(
    ("request_", "answer"), [(SyncNotify("event"), True), (CallHandler("c", "q"), "answer")]
)
def test_a_handler_that_swaps_itself_for_one_that_is_there_is_deleted_itself(
    kit, manager, journal, request_, answer
):
    owner = kit.probe()
    kit.call(manager, AddSupHandler("c", owner.address, Taking("c", journal)))
    assert kit.call(manager, request_) == answer
    assert kit.call(manager, WhichHandlers()) == ["a", "b"]
    taken = reasons.error(("already_added", "b"))
    assert owner.of_type(HandlerExit) == [HandlerExit(manager, "c", taken, incarnation=1)]
    assert journal[-1] == ("c", "terminate", taken)
    [report] = kit.reported("crash")
    assert report.data["handler"] == "c"


def test_an_owner_is_told_which_incarnation_of_the_manager_its_handler_was_in(kit, journal):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("manager", EventManager)])
    manager, owner = kit.address("top/manager"), kit.probe()
    kit.faults.kill(manager)
    kit.settle()
    kit.call(manager, AddSupHandler("c", owner.address, Noting("c", journal)))
    kit.call(manager, DeleteHandler("c", None))
    kit.settle()
    assert [told.incarnation for told in owner.of_type(HandlerExit)] == [2]
