"""The system from other threads: Thespian's tell, ask, listen and private, and its end."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from thespian.actors import Actor, ActorExitRequest, PoisonMessage

from supervision import ChildSpec, GenServer, Supervisor, SupervisorFlags, actor_system
from supervision.testing import Kit

PATIENCE_S = 20.0


class Echo(Actor):
    def receiveMessage(self, msg, sender):
        if not isinstance(msg, ActorExitRequest):
            self.send(sender, msg)


class Relay(Actor):
    """Answers from a thread of its own."""

    def receiveMessage(self, msg, sender):
        if isinstance(msg, str):
            threading.Thread(target=self.send, args=(sender, f"{msg} from a thread")).start()


class Failing(Actor):
    def __init__(self):
        self.deliveries = 0

    def receiveMessage(self, msg, sender):
        if msg == "how often?":
            self.send(sender, self.deliveries)
        elif msg == "fail":
            self.deliveries += 1
            raise LookupError(msg)


class Parent(Actor):
    """Tells whoever asked it last of the ends of its children."""

    def receiveMessage(self, msg, sender):
        if msg == "child?":
            self.asked = sender
            self.send(sender, self.createActor(Echo))
        elif type(msg).__name__ == "ChildActorExited":
            self.send(self.asked, ("exited", msg.childAddress))


@pytest.fixture
def system():
    made = actor_system()
    yield made
    made.shutdown()


def test_an_actor_is_asked_from_another_thread(system):
    echo = system.createActor(Echo)
    assert system.ask(echo, "hello", PATIENCE_S) == "hello"


def test_an_answer_that_does_not_come_is_none(system):
    assert system.ask(system.createActor(Echo), ActorExitRequest(), 0.01) is None


def test_what_is_told_is_listened_for(system):
    echo = system.createActor(Echo)
    for number in range(3):
        system.tell(echo, number)
    assert [system.listen(PATIENCE_S) for _ in range(3)] == [0, 1, 2]


def test_many_threads_ask_at_once_each_in_a_private_context(system):
    echo = system.createActor(Echo)

    def converse(name):
        with system.private() as private:
            return [private.ask(echo, (name, number), PATIENCE_S) for number in range(50)]

    with ThreadPoolExecutor(8) as pool:
        for name, answers in zip(range(8), pool.map(converse, range(8)), strict=True):
            assert answers == [(name, number) for number in range(50)]


def test_a_private_context_that_was_closed_is_forgotten(system):
    base = system._systemBase
    before = set(base._services)
    for _ in range(20):
        with system.private() as private:
            private.tell(system.createActor(Echo), "hello")
    done = threading.Event()
    base.kernel.post_call(done.set)
    assert done.wait(PATIENCE_S)
    assert base._services == before


def test_an_actor_sends_from_a_thread_that_it_started(system):
    assert system.ask(system.createActor(Relay), "hello", PATIENCE_S) == "hello from a thread"


def test_a_message_that_fails_twice_goes_back_to_its_sender(system):
    failing = system.createActor(Failing)
    poison = system.ask(failing, "fail", PATIENCE_S)
    assert isinstance(poison, PoisonMessage)
    assert poison.poisonMessage == "fail"
    assert "LookupError" in poison.details
    assert system.ask(failing, "how often?", PATIENCE_S) == 2


def test_a_parent_hears_of_the_end_of_a_child(system):
    parent = system.createActor(Parent)
    child = system.ask(parent, "child?", PATIENCE_S)
    system.tell(child, ActorExitRequest())
    assert system.listen(PATIENCE_S) == ("exited", child)


def test_a_global_name_is_one_actor_until_it_ends(kit):
    def create():
        return kit.base.newPrimaryActor(Echo, None, "the echo", None)

    one = create()
    assert create() is one
    kit.send(one, ActorExitRequest())
    kit.settle()
    assert create() is not one


def test_asking_on_the_thread_of_the_loop_is_refused_in_words(system):
    refused = []

    class Asking(Actor):
        def receiveMessage(self, msg, sender):
            for blocking in (system.listen, lambda: system.ask(sender, "x")):
                try:
                    blocking()
                except RuntimeError as error:
                    refused.append(str(error))
            self.send(sender, len(refused))

    assert system.ask(system.createActor(Asking), "go", PATIENCE_S) == 2
    assert all("would block the node's loop" in words for words in refused)


def test_what_goes_wrong_on_the_loop_is_raised_in_the_thread_that_asked(system):
    with pytest.raises(OSError, match="no such source"):
        system.loadActorSource("no such source.zip")


def test_a_shutdown_waits_for_the_ends_in_order():
    ended = []

    class Slow(GenServer):
        def init(self, args):
            self.state = args

        async def terminate(self, reason):
            await asyncio.sleep(0.01)
            ended.append(self.state)

    class Top(Supervisor):
        def init(self, args):
            return SupervisorFlags(), [ChildSpec(name, Slow, name) for name in "abc"]

    system = actor_system()
    top = system.createActor(Top)
    started = threading.Event()
    system._systemBase.kernel.post_call(started.set)
    assert started.wait(PATIENCE_S)
    assert top is not None
    system.shutdown()
    assert ended == ["c", "b", "a"]


def test_plain_actors_are_shown_a_request_when_their_parent_or_system_ends():
    shown = []

    class Noting(Actor):
        def receiveMessage(self, msg, sender):
            if msg == "child?":
                self.send(sender, self.createActor(Noting))
            elif isinstance(msg, ActorExitRequest):
                shown.append(str(self.myAddress.addressDetails))

    with Kit() as kit:
        probe, noting = kit.probe(), kit.start(Noting, name="noting")
        kit.send(noting, "child?", probe.address)
        kit.settle()
        kit.send(noting, ActorExitRequest())
        kit.settle()
        assert shown == ["noting", "noting/1"]
        assert kit.statistics().actors == 1


def test_children_stay_when_the_request_is_not_recursive(kit):
    probe, parent = kit.probe(), kit.start(Parent, name="parent")
    kit.send(parent, "child?", probe.address)
    kit.settle()
    [child] = probe.take()
    kit.send(parent, ActorExitRequest(recursive=False))
    kit.settle()
    assert not kit.alive(parent)
    kit.send(child, "still there?", probe.address)
    kit.settle()
    assert probe.take() == ["still there?"]
    kit.send(child, ActorExitRequest())
    kit.settle()
    assert kit.statistics().actors == 1


def test_a_plain_actor_under_a_supervisor_dies_of_an_exception(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("failing", Failing)])
    failing = kit.address("top/failing")
    kit.send(failing, "fail")
    kit.settle()
    assert (failing.incarnation, kit.actor(failing).deliveries) == (2, 0)
