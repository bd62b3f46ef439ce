"""OTP's gen_event cases: each test is named after its case; see ``otp_behaviours.md``."""

from __future__ import annotations

import pytest
from event_handlers import Dummy, Dummy1, Parent

from supervision import (
    AddHandler,
    AddSupHandler,
    CallHandler,
    CallTimeout,
    DeleteHandler,
    EventHandler,
    EventManager,
    Exit,
    Failed,
    GetModules,
    HandlerExit,
    HandlerFailed,
    NoProc,
    Notify,
    SwapHandler,
    SwapSupHandler,
    SyncNotify,
    WhichHandlers,
    reasons,
)
from supervision.gen_event import HandlerState, Stopped, Swapped
from supervision.testing import NotStarted

NAME = "my_dummy_handler"


class Manager(EventManager):
    def init(self, args):
        super().init(None)
        if args is not None:
            self.register(args)


@pytest.fixture
def manager(kit):
    return kit.start(Manager, NAME, name="manager")


@pytest.fixture
def parent(kit):
    """Who adds handlers; it is told what they hear and why they go."""
    return Parent(kit.probe())


def which(kit):
    return kit.call(NAME, WhichHandlers())


def exits(parent):
    """Why handlers went, as their owner was told."""
    told = [(one.id, one.reason) for one in parent.probe.of_type(HandlerExit)]
    parent.probe.take()
    return told


def heard(parent):
    """What handlers have told their parent themselves."""
    told = parent.heard.copy()
    parent.heard.clear()
    return told


def add(kit, parent, handler_id=Dummy, *, owned=False):
    request = (
        AddSupHandler(handler_id, parent.address, None, parent)
        if owned
        else AddHandler(handler_id, None, parent)
    )
    assert kit.call(NAME, request) is True


# start


def test_start_a_manager_with_and_without_a_name(kit):
    nameless = kit.start(Manager)
    assert kit.call(nameless, WhichHandlers()) == []
    assert kit.stop(nameless, reasons.NORMAL) == reasons.NORMAL
    named = kit.start(Manager, NAME)
    assert which(kit) == kit.call(named, WhichHandlers()) == []
    with pytest.raises(NotStarted) as refused:
        kit.start(Manager, NAME)
    assert refused.value.outcome == Failed(reasons.error(("already_started", named)))
    assert kit.stop(NAME, reasons.SHUTDOWN) == reasons.SHUTDOWN


# test_all


def test_add_handler_takes_ids_of_a_class_and_a_number(kit, manager, parent):
    refused = reasons.error("my_error")
    assert kit.call(NAME, AddHandler(Dummy, None, "make_error")) == refused
    assert which(kit) == []
    add(kit, parent)
    assert kit.call(NAME, AddHandler((Dummy, 1), None, "make_error")) == refused
    assert which(kit) == [Dummy]
    add(kit, parent, (Dummy, 1))
    assert which(kit) == [Dummy, (Dummy, 1)]
    assert kit.reported("crash") == []


@pytest.mark.parametrize("reason", [reasons.error("sup_died"), reasons.NORMAL], ids=str)
def test_add_sup_handler_ends_the_handler_with_its_owner(kit, manager, parent, reason):
    owner = kit.probe()
    refused = AddSupHandler(Dummy, owner.address, None, "make_error")
    assert kit.call(NAME, refused) == reasons.error("my_error")
    supervised = AddSupHandler(Dummy, owner.address, None, parent)
    assert kit.call(NAME, supervised) is True
    kit.stop(owner.address, reason)
    assert which(kit) == []
    stopped = Stopped(reason, owner.address)
    assert heard(parent) == [("Dummy", "terminated", stopped)]
    assert kit.alive(manager)


def test_add_sup_handler_tells_the_owner_that_the_manager_ends(kit, manager, parent):
    add(kit, parent, owned=True)
    add(kit, parent, (Dummy, 1), owned=True)
    kit.stop(NAME, reasons.NORMAL)
    assert parent.probe.of_type(Exit)[0].reason == reasons.NORMAL, "they were linked"
    assert exits(parent) == [(Dummy, reasons.SHUTDOWN), ((Dummy, 1), reasons.SHUTDOWN)]


def test_add_sup_handler_of_an_owner_that_is_not_there_does_not_stay(kit, manager, parent):
    gone = kit.probe().address
    kit.stop(gone)
    assert kit.call(NAME, AddSupHandler(Dummy, gone, None, parent)) is True
    kit.settle()
    assert which(kit) == []
    assert heard(parent) == [("Dummy", "terminated", Stopped(reasons.NOPROC, gone))]


def test_delete_handler_answers_what_terminate_returns(kit, manager, parent):
    for handler_id in (Dummy, (Dummy, 1), (Dummy, 2)):
        add(kit, parent, handler_id)
        with pytest.raises(HandlerFailed) as failure:
            kit.call(NAME, DeleteHandler("duuuuuuuuumy"))
        assert failure.value.reason == reasons.error("module_not_found")
        assert kit.call(NAME, DeleteHandler(handler_id, "return_hej")) == "return_hej"
        assert which(kit) == []
        add(kit, parent, handler_id)
        assert kit.call(NAME, DeleteHandler(handler_id, [])) == "ok"
        assert which(kit) == []


@pytest.mark.parametrize(("old", "new"), [(Dummy, Dummy1), ((Dummy, 3), (Dummy1, 4))])
def test_swap_handler_hands_the_state_over(kit, manager, parent, old, new):
    add(kit, parent, old)
    assert kit.call(NAME, SwapHandler(old, "swap", new, None, "swap")) is True
    assert which(kit) == [new]
    assert heard(parent) == [("Dummy1", ("swapped", "Dummy"))]
    assert kit.call(NAME, DeleteHandler(new)) == "ok"


def test_swap_handler_installs_the_new_one_even_where_the_old_one_is_missing(kit, manager):
    class Begun(EventHandler):
        def init(self, args):
            self.state = args

    assert kit.call(NAME, SwapHandler("faulty", "swap", Begun, None, [])) is True
    [installed] = kit.actor(manager).system_get_state()
    assert installed.state == ([], reasons.error("module_not_found"))


def test_swap_handler_says_why_the_new_one_did_not_begin(kit, manager, parent):
    class NonExisting(EventHandler):
        def init(self, args):
            raise LookupError("non_existing")

    add(kit, parent)
    refused = kit.call(NAME, SwapHandler(Dummy, "swap", NonExisting))
    assert refused.detail == "LookupError: non_existing"
    assert which(kit) == [], "the old one is gone all the same"


def test_swap_sup_handler_leaves_the_new_one_to_the_owner_of_the_old_one(kit, manager, parent):
    add(kit, parent, owned=True)
    assert kit.call(NAME, SwapHandler(Dummy, "swap", Dummy1, None, "swap")) is True
    kit.call(NAME, DeleteHandler(Dummy1))
    assert exits(parent) == [
        (Dummy, Swapped(Dummy1, parent.address)),
        (Dummy1, reasons.NORMAL),
    ]


def test_swap_sup_handler_gives_the_new_one_to_who_asked(kit, manager, parent):
    other = Parent(kit.probe())
    add(kit, parent, (Dummy, 3), owned=True)
    swap = SwapSupHandler((Dummy, 3), "swap", (Dummy1, 4), other.address, None, "swap")
    assert kit.call(NAME, swap) is True
    kit.call(NAME, DeleteHandler((Dummy1, 4)))
    assert exits(parent) == [((Dummy, 3), Swapped((Dummy1, 4), other.address))]
    assert exits(other) == [((Dummy1, 4), reasons.NORMAL)]


# notify, sync_notify and info: what each of them does, a handler may answer in the same ways


def notify(kit, event):
    kit.cast(NAME, Notify(event))
    kit.settle()


def sync_notify(kit, event):
    assert kit.call(NAME, SyncNotify(event)) is True


def info(kit, event):
    kit.send(kit.kernel.registry.whereis(NAME), event)
    kit.settle()


WAYS = pytest.mark.parametrize("way", [notify, sync_notify, info])
IDS = pytest.mark.parametrize(
    ("old", "new"), [(Dummy, Dummy1), ((Dummy, 5), (Dummy1, 9))], ids=repr
)


@pytest.mark.usefixtures("manager")
@WAYS
@IDS
def test_notify_sync_notify_and_info_reach_a_handler_and_its_successor(kit, parent, way, old, new):
    add(kit, parent, old)
    way(kit, "event")
    assert heard(parent) == [("Dummy", "event")]
    way(kit, ("swap", new))
    assert which(kit) == [new]
    way(kit, "event")
    assert heard(parent) == [("Dummy1", ("swapped", "Dummy")), ("Dummy1", "event")]
    way(kit, "delete")
    assert heard(parent) == [("Dummy1", "removed")]
    assert which(kit) == []


@WAYS
def test_notify_sync_notify_and_info_delete_a_handler_that_returns_garbage(
    kit, manager, parent, way
):
    add(kit, parent)
    way(kit, "error")
    assert heard(parent) == [("Dummy", "returned_error")]
    assert which(kit) == []
    assert kit.alive(manager)


@WAYS
def test_notify_sync_notify_and_info_tell_the_owner_why_its_handler_went(kit, manager, parent, way):
    add(kit, parent, owned=True)
    way(kit, "do_crash")
    add(kit, parent, owned=True)
    way(kit, ("swap", Dummy1))
    way(kit, "do_crash")
    add(kit, parent, owned=True)
    way(kit, "delete")
    add(kit, parent, owned=True)
    way(kit, "error")
    told = exits(parent)
    assert told[1] == (Dummy, Swapped(Dummy1, parent.address))
    assert [(one, str(reason)) for one, reason in told[:1] + told[2:]] == [
        (Dummy, "error: ZeroDivisionError: "),
        (Dummy1, "error: ZeroDivisionError: "),
        (Dummy, "normal"),
        (Dummy, "error: bad_return_value: ('return', 'faulty')"),
    ]
    assert which(kit) == []


# call


def test_call_asks_one_handler(kit, manager, parent):
    add(kit, parent)
    add(kit, parent, (Dummy, 1))
    with pytest.raises(NoProc):
        kit.call("non_exist", CallHandler(Dummy, "hejsan"))
    with pytest.raises(HandlerFailed) as failure:
        kit.call(NAME, CallHandler("bad_h", "hejsan"))
    assert failure.value.reason == reasons.error("bad_module")
    assert kit.call(NAME, CallHandler(Dummy, "hejsan")) == "hejhopp"
    assert kit.call(NAME, CallHandler((Dummy, 1), "hejsan"), 10.0) == "hejhopp"
    manager.cell.suspended = True
    with pytest.raises(CallTimeout):
        kit.call(NAME, CallHandler(Dummy, "hejsan"), 0.1)


@IDS
def test_call_may_swap_and_remove_the_handler_that_answers(kit, manager, parent, old, new):
    add(kit, parent, old, owned=True)
    assert kit.call(NAME, CallHandler(old, ("swap", new))) == "done"
    assert which(kit) == [new]
    with pytest.raises(HandlerFailed):
        kit.call(NAME, CallHandler(old, "hejsan"))
    assert exits(parent) == [(old, Swapped(new, parent.address))]
    assert kit.call(NAME, CallHandler(new, "delete")) == "done"
    assert which(kit) == []
    assert heard(parent)[-1] == ("Dummy1", "removed")
    assert exits(parent) == [(new, reasons.NORMAL)]


def test_call_of_a_handler_that_crashes_fails_with_its_reason(kit, manager, parent):
    add(kit, parent, owned=True)
    with pytest.raises(HandlerFailed) as failure:
        kit.call(NAME, CallHandler(Dummy, "do_crash"))
    assert failure.value.reason.detail == "ZeroDivisionError: "
    assert exits(parent) == [(Dummy, failure.value.reason)]
    assert which(kit) == []


def test_call_of_a_handler_that_wants_garbage_is_answered_and_deletes_it(kit, manager, parent):
    add(kit, parent)
    assert kit.call(NAME, CallHandler(Dummy, "error")) == "returned"
    assert heard(parent) == [("Dummy", "returned_error")]
    assert which(kit) == []


# Hibernation


def test_hibernate_is_for_init_events_messages_and_calls(kit, manager):
    actor = kit.actor(manager)
    kit.call(NAME, AddHandler(Dummy, None, (None, "hibernate")))
    assert actor.hibernating
    assert kit.call(NAME, CallHandler(Dummy, "wake")) == "done"


@pytest.mark.parametrize("way", [notify, sync_notify, info])
def test_hibernate_is_what_one_handler_may_ask_for_and_any_message_ends(kit, manager, way):
    actor = kit.actor(manager)
    kit.call(NAME, AddHandler(Dummy))
    kit.call(NAME, AddHandler(Dummy1))
    way(kit, "hibernate")
    assert actor.hibernating
    way(kit, "wakeup")
    assert not actor.hibernating
    way(kit, "hibernate")
    manager.cell.suspended = True
    kit.loop.run(kit.kernel.resume, manager.cell)
    kit.settle()
    assert actor.hibernating


def test_auto_hibernate_comes_after_a_time_without_messages(kit):
    class Idle(Manager):
        hibernate_after_s = 1.0

    actor = kit.actor(kit.start(Idle, NAME))
    kit.advance(2.1)
    assert actor.hibernating
    assert which(kit) == []
    assert not actor.hibernating


# sys


def test_call_format_status_shows_what_handlers_say_of_their_states(kit, manager):
    kit.call(NAME, AddHandler(Dummy1, None, "secret"))
    [shown] = kit.actor(manager).status().values()
    assert shown == "dummy handler state"


def test_call_format_status_anon_needs_no_name(kit):
    nameless = kit.start(Manager)
    assert kit.actor(nameless).status() == {}


def test_error_format_status_scrubs_the_report_of_a_handler(kit, manager, parent):
    add(kit, parent, Dummy1, owned=True)
    notify(kit, "do_crash")
    [report] = kit.reported("crash")
    assert report.data["state"] == "dummy handler state"
    assert (report.path, report.data["message"]) == ("manager", "str")


def test_get_state_gives_the_states_of_all_handlers_also_when_suspended(kit, manager):
    kit.call(NAME, AddHandler(Dummy1, None, 1))
    kit.call(NAME, AddHandler((Dummy1, "id"), None, 2))
    states = [HandlerState(Dummy1, Dummy1, 1), HandlerState(Dummy1, (Dummy1, "id"), 2)]
    actor = kit.actor(manager)
    assert actor.system_get_state() == states
    manager.cell.suspended = True
    assert actor.system_get_state() == states


def test_replace_state_is_asked_for_each_handler_and_one_that_raises_keeps_its_own(kit, manager):
    kit.call(NAME, AddHandler(Dummy1, None, 1))
    kit.call(NAME, AddHandler((Dummy1, "id"), None, 2))
    actor = kit.actor(manager)

    def replace(held):
        return HandlerState(held.module, held.id, 2 // (held.state - 1))

    assert [one.state for one in actor.system_replace_state(replace)] == [1, 2]
    moved = actor.system_replace_state(lambda held: HandlerState(Dummy, held.id, "new"))
    assert [one.state for one in moved] == [1, 2], "a handler's class is not its state"
    replaced = actor.system_replace_state(lambda held: HandlerState(held.module, held.id, "new"))
    assert [one.state for one in replaced] == ["new", "new"]


def test_code_change_converts_the_handlers_of_one_class(kit, manager):
    kit.call(NAME, AddHandler(Dummy, None, 1))
    kit.call(NAME, AddHandler(Dummy1, None, 2))
    kit.call(NAME, AddHandler((Dummy1, 3), None, 3))
    assert kit.call(NAME, GetModules()) == [Dummy, Dummy1]
    changed = kit.actor(manager).system_code_change("old", "extra", Dummy1)
    assert [one.state for one in changed] == [1, ("old", 2, "extra"), ("old", 3, "extra")]


def test_code_change_of_one_handler_that_fails_changes_none(kit, manager):
    class Refusing(Dummy):
        def code_change(self, old_vsn, state, extra):
            raise ValueError("no")

    kit.call(NAME, AddHandler(Dummy, None, 1))
    kit.call(NAME, AddHandler(Refusing, None, 2))
    actor = kit.actor(manager)
    with pytest.raises(ValueError, match="no"):
        actor.system_code_change("old", None)
    assert [one.state for one in actor.system_get_state()] == [1, 2]


# Callbacks that are not there


class Bare(EventHandler):
    pass


def test_undef_init_begins_without_a_word(kit, manager):
    assert kit.call(NAME, AddHandler(Bare)) is True


def test_undef_init_of_a_class_that_is_no_handler_is_refused(kit, manager):
    refused = kit.call(NAME, AddHandler(object))
    assert refused == reasons.error(("bad_handler", "object"))
    assert which(kit) == []


def test_undef_handle_call_deletes_the_handler_and_fails_the_caller(kit, manager):
    kit.call(NAME, AddHandler(Bare))
    with pytest.raises(HandlerFailed, match="Bare answers no str"):
        kit.call(NAME, CallHandler(Bare, "call_msg"))
    assert which(kit) == []


def test_undef_handle_event_deletes_the_handler(kit, manager):
    for way in (notify, sync_notify):
        kit.call(NAME, AddHandler(Bare))
        way(kit, "event")
        assert which(kit) == []


def test_undef_handle_info_is_reported_and_the_handler_stays(kit, manager):
    kit.call(NAME, AddHandler(Bare))
    info(kit, "hej")
    assert which(kit) == [Bare]
    [report] = kit.reported("unexpected")
    assert (report.path, report.data["message"]) == ("manager", "str")


def test_undef_code_change_refuses(kit, manager):
    kit.call(NAME, AddHandler(Bare))
    with pytest.raises(TypeError, match="Bare has no code_change"):
        kit.actor(manager).system_code_change("old", None)


def test_undef_terminate_is_no_fault(kit, manager):
    kit.call(NAME, AddHandler(Bare))
    assert kit.call(NAME, DeleteHandler(Bare)) is None
    assert kit.reported("crash") == []


def test_undef_in_terminate_is_answered_and_reported(kit, manager):
    class Undefined(EventHandler):
        def terminate(self, args):
            self.nothing_of_that_name()

    kit.call(NAME, AddHandler(Undefined))
    left = kit.call(NAME, DeleteHandler(Undefined))
    assert left.detail.startswith("AttributeError")
    assert len(kit.reported("crash")) == 1
    assert which(kit) == []
