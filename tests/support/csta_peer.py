"""A switch that speaks CSTA III XML, for tests: without a socket, in virtual time, and with one."""

from __future__ import annotations

import asyncio

from link_kit import Peer

from protocols.csta import header
from protocols.csta.application_session import (
    StartApplicationSession,
    StartApplicationSessionPosResponse,
)
from protocols.csta.routeing import RouteRequest, RouteSelect
from protocols.csta.services import decode, encode
from protocols.csta.values import ConnectionID, Device
from protocols.csta.xml import CSTA

EVENT = header.EVENT_INVOKE_ID


def start(application="switch-a", token="good", seconds=60):
    return StartApplicationSession(application, token, (CSTA + "ed4",), seconds)


def request(cross_ref="17", call="c1", point="sales", **fields):
    connection = ConnectionID(call, point)
    return RouteRequest(
        cross_ref=cross_ref, current_route=Device(point), routed_call=connection, **fields
    )


class Ids:
    """Bytes of services, with invoke ids as a switch gives them."""

    def __init__(self):
        self._next = 0

    def bytes_of(self, service, invoke_id=None, edition="ed4"):
        if invoke_id is None:
            is_event = type(service).__name__.endswith("Event")
            self._next = self._next if is_event else self._next + 1
            invoke_id = EVENT if is_event else self._next
        return header.encode(invoke_id, encode(service, edition))


class CstaPeer(Peer):
    """The other end of a link in framing B of a ``LinkKit``."""

    def __init__(self, kit, application="switch-a", token="good", seconds=60):
        self._ids = Ids()
        super().__init__(kit, application)
        if token is not None:
            self.bytes(self._ids.bytes_of(start(application, token, seconds)))
        self.greeting = self.heard()
        if self.greeting and isinstance(self.greeting[0][1], StartApplicationSessionPosResponse):
            self.session = self.greeting[0][1].session_id

    def dial(self):
        super().dial()
        self.wire._decoder = header.Decoder()

    def say(self, *services, invoke_id=None):
        """Tell services at once; return all that comes back."""
        self.bytes(b"".join(self._ids.bytes_of(service, invoke_id) for service in services))
        return [service for _, service in self.heard()]

    def heard(self):
        """What came since the last look, each with its invoke id."""
        segments = iter(self.wire._decoder.next_segment, None)
        return [(segment.invoke_id, decode(segment.payload).service) for segment in segments]

    def ask(self, cross_ref="17", call="c1", **fields):
        """Ask where to route a call; return the answer."""
        [answer] = self.say(request(cross_ref, call, **fields))
        return answer


class SwitchB:
    """A switch on a real loop with a real socket."""

    def __init__(self, address, application="switch-a"):
        self._address = address
        self._ids = Ids()
        self._decoder = header.Decoder()
        self._came = []
        self.application = application
        self.session = None

    async def connect(self, token="good", seconds=60):
        self.reader, self.writer = await asyncio.open_connection(*self._address)
        if token is not None:
            said = await self.ask(start(self.application, token, seconds))
            self.session = said.session_id
        return self

    def tell(self, *services, invoke_id=None):
        self.write(b"".join(self._ids.bytes_of(service, invoke_id) for service in services))

    def write(self, data):
        self.writer.write(data)

    async def ask(self, service, invoke_id=None):
        """Tell one, and return the next that comes."""
        self.tell(service, invoke_id=invoke_id)
        return await self.next()

    async def segment(self):
        """The next message: its invoke id and its service; None where the connection is over."""
        while (segment := self._decoder.next_segment()) is None:
            async with asyncio.timeout(20):
                data = await self.reader.read(65_536)
            if not data:
                return None
            self._decoder.feed(data)
        return segment.invoke_id, decode(segment.payload).service

    async def next(self):
        came = await self.segment()
        return None if came is None else came[1]

    async def route(self, cross_ref, call, **fields):
        answer = await self.ask(request(cross_ref, call, **fields))
        assert isinstance(answer, RouteSelect), answer
        assert answer.cross_ref == cross_ref
        return answer

    def end(self):
        self.writer.transport.abort()
