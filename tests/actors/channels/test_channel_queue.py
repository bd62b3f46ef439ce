"""channelQueue: conversations are routed, wait, and get their agent, in virtual time."""

import pytest
from call_kit import CallKit

from actors.channels.conversations import ConversationFull, Conversations
from actors.channels.messages import Arrival, Message, messages_of
from actors.channels.queue import NAME, ChannelQueue, QueueArgs
from actors.router_messages import ReplaceRules
from actors.routing_core.agents import AgentEvent
from actors.routing_core.rules_file import parse
from actors.session_api import CloseSession, IdempotentKey, KeyUsedOtherwise
from actors.sessions import CallSessions
from supervision import KILLED, ChildSpec, SupervisorFlags

RULES = b"""
version = 1
[rp.sales]
queue = "voice"
[[rp.sales.when]]
media = ["mail"]
queue = "letters"
[queue.voice]
target = "7000"
[queue.letters]
target = "letters"
skills = { mail = 1 }
reserve_s = 15
[agent.ann]
device = "201"
skills = { mail = 2 }
[agent.bob]
device = "202"
skills = { phone = 2 }
"""


class EmptyArchive:
    async def find(self, **_wanted):
        return []


class ChannelKit(CallKit):
    """A call path with channelQueue and conversations."""

    def __init__(self, rules=None, **options):
        super().__init__(**options)
        if rules is not None:
            self.call("router", ReplaceRules(parse(rules, "rules.toml")))
        self.calls = CallSessions(self.kernel, self.pool, EmptyArchive(), self.openings)
        self.talk = Conversations(self.kernel, self.calls, self.config.sessions)
        self.pool.ready = True
        args = QueueArgs(self.pool, self.standby, 30.0)
        self.start_supervisor(
            SupervisorFlags(), [ChildSpec(NAME, ChannelQueue, args)], name="channelSup"
        )

    @property
    def queue(self):
        return self.base.whereis(NAME)

    def receive(self, number=1, **fields):
        message = Message(side="customer", text=f"m{number}", id=f"<{number}>")
        arrival = Arrival(
            **{
                "media": "mail",
                "call": f"mail-{number}",
                "once": IdempotentKey(f"mail:{number}", ""),
                "ani": "ann@example.com",
                "dnis": "sales@example.com",
                "rp": "sales",
                "message": message,
            }
            | fields
        )
        return self.run(self.talk.receive(arrival))

    def view(self, session):
        return self.run(self.calls.get(session))

    def target(self, session):
        self.settle()
        routing = self.view(session).routing
        return None if routing is None else routing.target

    def agent(self, agent, st):
        self.call("router", AgentEvent(agent=agent, st=st, at=self.clock.wall()))


@pytest.fixture
def kit():
    with ChannelKit(RULES) as kit:
        for agent in ("ann", "bob"):
            kit.agent(agent, "busy")
        yield kit


def test_without_rules_a_conversation_goes_to_the_target_of_its_routing_point():
    with ChannelKit() as kit:
        assert kit.target(kit.receive().session) == "7001"
        assert not kit.actor(kit.queue).state.waiting


def test_a_conversation_waits_in_the_queue_of_its_channel_until_an_agent_is_ready(kit):
    session = kit.receive().session
    assert kit.target(session) == "letters"
    kit.agent("bob", "ready")
    kit.advance(2.0)
    assert kit.target(session) == "letters"
    kit.agent("ann", "ready")
    kit.advance(2.0)
    assert kit.target(session) == "201"
    assert kit.view(session).routing.rtype == "direct_agent"
    assert kit.actor(kit.queue).state.routed == 1


def test_a_queue_that_was_killed_finds_again_what_waits(kit):
    session = kit.receive().session
    kit.settle()
    kit.kernel.exit(kit.queue.cell, KILLED)
    kit.settle()
    assert kit.queue.incarnation == 2
    kit.advance(2.0)
    kit.agent("ann", "ready")
    kit.advance(2.0)
    assert kit.target(session) == "201"


def test_a_conversation_that_is_closed_waits_no_longer(kit):
    session = kit.receive().session
    kit.settle()
    kit.run(kit.calls.close(session, CloseSession("done")))
    kit.advance(40.0)
    assert not kit.actor(kit.queue).state.waiting


def test_an_answer_joins_and_what_comes_twice_is_known(kit):
    first = kit.receive(1)
    joined = kit.receive(2, joins=("mail:1",))
    assert (joined.session, joined.outcome, joined.n) == (first.session, "joined", 2)
    assert kit.receive(2, joins=("mail:1",)).outcome == "repeated"
    assert kit.receive(1) == first.__class__(first.session, "repeated", 1)
    assert [one.text for one in messages_of(kit.view(first.session))] == ["m1", "m2"]


def test_another_content_under_the_same_key_is_refused(kit):
    kit.receive(1, message=Message(side="customer", text="a", id="<1>", extra={"print": "a"}))
    with pytest.raises(KeyUsedOtherwise):
        kit.receive(1, message=Message(side="customer", text="b", id="<1>", extra={"print": "b"}))


def test_a_conversation_takes_as_many_messages_as_its_journey_keeps():
    with ChannelKit(max_journey=4) as kit:
        kit.receive(1)
        for number in (2, 3):
            kit.receive(number, joins=("mail:1",))
        with pytest.raises(ConversationFull, match="at most 3"):
            kit.receive(4, joins=("mail:1",))


def test_what_is_so_old_that_its_key_is_forgotten_is_still_known(kit):
    for number in range(1, 71):
        kit.receive(number, joins=(f"mail:{number - 1}",))
    assert kit.receive(2, joins=("mail:70",)).outcome == "repeated"
    assert kit.receive(1).outcome == "repeated"
    assert len(messages_of(kit.view(kit.receive(3, joins=("mail:70",)).session))) == 70
