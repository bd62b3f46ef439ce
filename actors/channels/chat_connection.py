"""One visitor's connection: what comes is durable before it is acknowledged; what goes is in order.

What goes out is read from the session, from the last number on that the visitor has seen: so an
acknowledgement never overtakes a message, and who comes back is told exactly what is missing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from actors.channels import chat_frames
from actors.channels.chat_desk import FINGERPRINT, arrival_of, visitors
from actors.channels.chat_frames import (
    LATE,
    MALFORMED,
    OVER,
    REPLACED,
    RESTART,
    TOO_FAST,
    TRY_LATER,
    ChatClosed,
    End,
    Hello,
    Say,
    write,
)
from actors.channels.conversations import ConversationFull
from actors.channels.messages import messages_of
from actors.channels.rate import Rate
from actors.session_api import (
    Busy,
    IdempotentKey,
    KeyUsedOtherwise,
    NoSuchSession,
    SessionClosed,
    StepDataLimit,
)

if TYPE_CHECKING:
    from actors.channels.chat_desk import ChatDesk
    from actors.channels.chat_frames import ChatAdmission, Frame
    from actors.channels.messages import ChannelMessage
    from actors.session_api import SessionView

LOOK_S = 15.0
"""How often it is looked whether the session is over, where nobody says so."""


class Wire(Protocol):
    """The WebSocket, as far as a connection needs it."""

    async def receive(self) -> str | None:
        """The next text; None at the end; raises ChatClosed for anything else."""

    async def send(self, text: str) -> None:
        """Send a text."""

    async def close(self, code: int, reason: str) -> None:
        """Close, and wait for the peer a moment."""


class ChatConnection:
    """A connection.

    Args:
        desk: of the chat.
        wire: the WebSocket.

    Attributes:
        admission: who it is; None until the visitor has said hello.
    """

    def __init__(self, desk: ChatDesk, wire: Wire) -> None:
        self._desk = desk
        self._wire = wire
        self._woken = asyncio.Event()
        self._typing = False
        self._greeted = False
        self._over: asyncio.Future[ChatClosed] = asyncio.get_running_loop().create_future()
        self._rate = Rate(desk.config.max_frames_per_s, desk.clock.monotonic())
        self._seen = 0
        self._seq = 0
        self._mine: set[str] = set()
        self.admission: ChatAdmission | None = None

    async def serve(self) -> None:
        """Serve the visitor until one of the two ends it."""
        self._desk.open.add(self)
        tasks: list[asyncio.Future[ChatClosed]] = [
            asyncio.ensure_future(self._ending(self._reading())),
            asyncio.ensure_future(self._ending(self._writing())),
            self._over,
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._desk.gone(self)
        await self._close(next(task for task in tasks if task in done).result())

    def leave(self) -> None:
        """End it: this process serves no more."""
        self.finish(ChatClosed(RESTART, "restart", "come back with your token"))

    def wake(self, *, typing: bool = False) -> None:
        """Something has happened in the conversation."""
        self._typing = self._typing or typing
        self._woken.set()

    def finish(self, why: ChatClosed) -> None:
        """End it.

        Args:
            why: what the visitor is told.
        """
        if not self._over.done():
            self._over.set_result(why)

    async def _close(self, why: ChatClosed) -> None:
        if why.error:
            self._desk.counts.count(f"refused-{why.error}") if why.code != RESTART else None
            await self._wire.send(write("error", error=why.error, rule=why.rule))
        await self._wire.close(why.code, why.error)

    @staticmethod
    async def _ending(work: object) -> ChatClosed:
        """Run until it says why the connection ends."""
        try:
            await work  # type: ignore[misc]
        except ChatClosed as why:
            return why
        return ChatClosed(1000)

    # What comes

    async def _reading(self) -> None:
        await self._greet()
        while (text := await self._wire.receive()) is not None:
            if not self._rate.takes(self._desk.clock.monotonic()):
                most = self._desk.config.max_frames_per_s
                raise ChatClosed(TOO_FAST, "rate", f"at most {most} frames a second")
            await self._take(chat_frames.read(text))

    async def _greet(self) -> None:
        seconds = self._desk.config.hello_timeout_s
        try:
            async with asyncio.timeout(seconds):
                text = await self._wire.receive()
        except TimeoutError:
            raise ChatClosed(LATE, "hello-late", f"a hello within {seconds:g} s") from None
        if text is None:
            raise ChatClosed(1000)
        hello = chat_frames.read(text)
        if not isinstance(hello, Hello):
            raise ChatClosed(MALFORMED, "malformed", "hello first")
        self.admission = admission = self._desk.admitted(hello)
        before = self._desk.connect(admission.call, self)
        if before is not None:
            before.finish(ChatClosed(REPLACED, "replaced", "one connection of a conversation"))
        await self._welcome(admission, hello)

    async def _welcome(self, admission: ChatAdmission, hello: Hello) -> None:
        view = await self._view()
        said = [] if view is None else messages_of(view)
        self._seq = max((_seq_of(one) for one in said), default=0)
        self._seen = min(hello.n, said[-1].n) if said else 0
        await self._wire.send(
            write(
                "hello",
                token=self._desk.token(admission),
                session=None if view is None else view.session,
                resumed=bool(said),
                seq=self._seq,
                n=said[-1].n if said else 0,
            )
        )
        self._greeted = True
        self._woken.set()

    async def _take(self, frame: Frame) -> None:
        match frame:
            case Say():
                await self._say(frame)
            case End():
                await self._leave_for_good()
            case Hello():
                raise ChatClosed(MALFORMED, "malformed", "one hello")

    async def _say(self, said: Say) -> None:
        """Take a message; it is acknowledged by what is read back of the session."""
        assert self.admission is not None
        if said.seq > self._seq + 1:
            raise ChatClosed(MALFORMED, "gap", f"seq {self._seq + 1}")
        if said.seq <= self._seq:
            await self._again(said)
            return
        self._mine.add(visitors(said.seq))
        try:
            await self._said(self.admission, said)
        except Busy:
            raise ChatClosed(TRY_LATER, "busy", "say it again a moment later") from None
        except SessionClosed:
            raise ChatClosed(OVER, "session-closed", "a conversation that goes on") from None
        except (ConversationFull, StepDataLimit) as limit:
            word = "full" if isinstance(limit, ConversationFull) else "size"
            raise ChatClosed(OVER, word, str(limit)) from None
        self._seq = said.seq
        self._woken.set()

    async def _said(self, admission: ChatAdmission, said: Say) -> None:
        conversations, arrival = self._desk.conversations, arrival_of(admission, said)
        session = conversations.session_of(admission.call)
        if session:
            once = IdempotentKey(arrival.once.key, FINGERPRINT)
            received = await conversations.say(session, arrival.message, once)
        else:
            rule = self._desk.refuses()
            if rule:
                raise ChatClosed(TRY_LATER, "overload", rule)
            received = await conversations.receive(arrival)
        self._desk.counts.count(received.outcome)

    async def _again(self, said: Say) -> None:
        """It is durable: say so again."""
        self._desk.counts.count("repeated")
        view = await self._view()
        known = [] if view is None else messages_of(view)
        n = next((one.n for one in known if one.id == visitors(said.seq)), 0)
        if n <= self._seen:  # else it is told in its turn
            await self._wire.send(write("ack", seq=said.seq, n=n))

    async def _leave_for_good(self) -> None:
        assert self.admission is not None
        session = self._desk.conversations.session_of(self.admission.call)
        if session:
            await self._desk.conversations.end(session, "visitor-left")
        raise ChatClosed(1000)

    # What goes

    async def _writing(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            if self._greeted:
                await self._tell()

    async def _tell(self) -> None:
        """Tell what the visitor has not seen, in order."""
        if self._typing:
            self._typing = False
            await self._wire.send(write("typing", **{"from": "agent"}))
        view = await self._view()
        if view is None:
            return
        for one in messages_of(view):
            if one.n > self._seen:
                await self._wire.send(self._frame_of(one))
                self._seen = one.n
        if view.state == "closed":
            await self._wire.send(write("end"))
            raise ChatClosed(OVER)

    def _frame_of(self, one: ChannelMessage) -> str:
        if one.id in self._mine:
            self._mine.discard(one.id)
            return write("ack", seq=_seq_of(one), n=one.n)
        seq = {"seq": _seq_of(one)} if one.side == "customer" else {}
        return write("message", n=one.n, ts=one.ts, text=one.text, **{"from": one.side}, **seq)

    async def _view(self) -> SessionView | None:
        assert self.admission is not None
        session = self._desk.conversations.session_of(self.admission.call)
        if not session:
            return None
        try:
            return await self._desk.conversations.view(session)
        except (NoSuchSession, SessionClosed, KeyUsedOtherwise):
            return None
        except Busy:
            raise ChatClosed(TRY_LATER, "busy", "come back with your token") from None


def _seq_of(one: ChannelMessage) -> int:
    digits = one.id.removeprefix("v")
    return int(digits) if one.side == "customer" and digits.isdecimal() else 0
