"""Conversations: a message comes once, into the session that it belongs to, and is durable then.

What has been taken is known by the sessions themselves, by their idempotency keys: in the journal,
after a crash and after an upgrade. What has opened a session that is closed since is known by the
store of closed sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from actors.call_names import call_name, once_name
from actors.channels.messages import (
    APP,
    EVENT,
    Received,
    fitting,
    last_number,
    messages_of,
    step_of,
)
from actors.channels.queue import NAME as QUEUE
from actors.channels.queue import Arrived
from actors.session_api import (
    AddJourneyStep,
    Busy,
    CloseSession,
    FindSessions,
    KeyUsedOtherwise,
    NoSuchSession,
    OpenFromChannel,
    SessionClosed,
    SessionView,
)
from supervision import Cast

if TYPE_CHECKING:
    from actors.channels.messages import Arrival, ChannelMessage, Message
    from actors.config import SessionsConfig
    from actors.session_api import IdempotentKey
    from actors.sessions import CallSessions
    from supervision.eventloop.kernel import Kernel

MOST_LOOKED_AT = 32
"""Open sessions of a sender among which the conversation of a message is looked for."""


class ConversationFull(Exception):  # noqa: N818 - named for what it says of the conversation
    """A conversation has as many messages as it may.

    Args:
        limit: how many that is.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} messages")
        self.limit = limit


class Conversations:
    """Takes messages in.

    Args:
        kernel: the node.
        sessions: the sessions.
        config: their bounds.
    """

    def __init__(self, kernel: Kernel, sessions: CallSessions, config: SessionsConfig) -> None:
        self._kernel = kernel
        self._sessions = sessions
        self._config = config
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def limit(self) -> int:
        """Messages of one conversation; its journey keeps them all."""
        return self._config.max_journey - 1

    async def receive(self, arrival: Arrival) -> Received:
        """Take a customer's message; it is durable when this returns.

        Args:
            arrival: the message.

        Raises:
            Busy: it cannot be taken now, or nobody knows whether it was: send it again.
            StepDataLimit: it is too long for a step, of a channel that keeps it nowhere else.
            KeyUsedOtherwise: another message came under its key.
            ConversationFull: the session that it belongs to has as many messages as it may.
            UserDataLimit: its user data is too large.
        """
        thread = f"{arrival.media} {arrival.ani} {arrival.thread}"
        alone = thread if arrival.thread else f"once {arrival.once.key}"
        async with self._turn(alone):
            owner = self._owner(arrival.once.key)
            if owner is not None:
                return await self._repeated(owner, arrival)
            for key in arrival.joins:
                joined = await self._joined(self._owner(key), arrival)
                if joined is not None:
                    return joined
            joined = await self._stored(arrival) or await self._in_thread(arrival)
            return joined or await self._opened(arrival)

    async def say(
        self, session: str, message: Message, once: IdempotentKey | None = None
    ) -> Received:
        """Add a message to a session's conversation; durable when this returns.

        Raises:
            NoSuchSession: there is none, or it is not one of a channel.
            SessionClosed: it is closed.
            ConversationFull: it has as many messages as it may.
        """
        async with self._turn(session):
            view = await self._sessions.get(session)
            if view.state == "closed":
                raise SessionClosed(session)
            n = last_number(view) + 1
            if n == 1 or view.media is None:
                raise NoSuchSession(session)
            known = _known(view, message)
            if known is not None:
                return Received(session, "repeated", known.n)
            if self._is_full(view) and (once is None or not self._owner(once.key)):
                raise ConversationFull(self.limit)
            data = fitting(message, view.media, n, self._config.max_step_data_bytes)
            step = AddJourneyStep(ev=EVENT, step=view.media, app=APP, data=data, once=once)
            done = await self._sessions.add_step(session, step)
            if done.repeated:
                return Received(session, "repeated", _number_of(done.value, message))
        return Received(session, "joined", n)

    async def end(self, session: str, why: str) -> None:
        """End a session; one that has ended already stays as it is."""
        with contextlib.suppress(SessionClosed, NoSuchSession):
            await self._sessions.close(session, CloseSession(why))

    async def view(self, session: str) -> SessionView:
        """A session as it is now.

        Raises:
            SessionError: it cannot be told.
        """
        return await self._sessions.get(session)

    def session_of(self, call: str) -> str:
        """The session that a conversation has by its id; empty where it has none."""
        address = self._kernel.registry.whereis(call_name(call))
        return "" if address is None else str(address.name)

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    def _owner(self, key: str) -> str | None:
        address = self._kernel.registry.whereis(once_name(key))
        return None if address is None else str(address.name)

    async def _repeated(self, owner: str, arrival: Arrival) -> Received:
        """It has come before; the session answers once it is durable."""
        view = await self._sessions.get(owner)
        said = next((one for one in messages_of(view) if one.id == arrival.message.id), None)
        if said is not None and said.extra.get("print") != arrival.message.extra.get("print"):
            raise KeyUsedOtherwise(owner)
        return Received(owner, "repeated", 0 if said is None else said.n)

    async def _joined(self, session: str | None, arrival: Arrival) -> Received | None:
        if session is None:
            return None
        try:
            return await self.say(session, arrival.message, arrival.once)
        except (NoSuchSession, SessionClosed):
            return None

    async def _in_thread(self, arrival: Arrival) -> Received | None:
        """Join the open session of the same sender and thread, if there is one with room."""
        if not arrival.thread:
            return None
        wanted = FindSessions(ani=arrival.ani, open_only=True, limit=MOST_LOOKED_AT)
        for view in await self._sessions.find(wanted):
            alike = (view.media, view.dnis) == (arrival.media, arrival.dnis)
            if alike and view.ud.get("thread") == arrival.thread and not self._is_full(view):
                joined = await self._joined(view.session, arrival)
                if joined is not None:
                    return joined
        return None

    def _is_full(self, view: SessionView) -> bool:
        return len(view.journey) >= self.limit

    async def _stored(self, arrival: Arrival) -> Received | None:
        """Whether it had opened a session that is closed; where the store is silent, it had not.

        Rather twice than not at all: a store that is down keeps no message out.
        """
        try:
            found = await self._sessions.find(FindSessions(call=arrival.call, limit=1))
        except Busy:
            return None
        if found and any(one.id == arrival.message.id for one in messages_of(found[0])):
            return Received(found[0].session, "repeated", 1)
        return None

    async def _opened(self, arrival: Arrival) -> Received:
        limit, ts = self._config.max_step_data_bytes, self._kernel.clock.wall()
        done = await self._sessions.open_from_channel(
            OpenFromChannel(
                call=arrival.call,
                media=arrival.media,
                ani=arrival.ani,
                dnis=arrival.dnis,
                rp=arrival.rp,
                number=arrival.number,
                lang=arrival.lang,
                ud=arrival.ud,
                once=arrival.once,
                first=step_of(arrival.message, arrival.media, 1, limit, ts),
            )
        )
        assert isinstance(done.value, SessionView)
        session = done.value.session
        self._kernel.cast(QUEUE, Cast(Arrived(session, arrival.rp)))
        return Received(session, "opened" if done.created else "repeated", 1)


def _known(view: SessionView, message: Message) -> ChannelMessage | None:
    """A customer's message that is in its conversation; keys are not known for ever."""
    if not message.id or message.side != "customer":
        return None
    said = (one for one in messages_of(view) if one.id == message.id)
    mark = message.extra.get("print")
    return next((one for one in said if one.extra.get("print") == mark), None)


def _number_of(view: object, message: Message) -> int:
    if not isinstance(view, SessionView) or not message.id:
        return 0
    return next((one.n for one in messages_of(view) if one.id == message.id), 0)
