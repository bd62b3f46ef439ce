"""A node with an HTTP server and nothing else, from which connections move, and browsers."""

from __future__ import annotations

import asyncio
import os
import re
from types import SimpleNamespace

from actors.config import HttpConfig
from actors.http_server import HttpEntrance, HttpServer, HttpServerArgs
from actors.standby import Standby
from actors.takeover.http_connections import HttpPart
from actors.web.event_hub import EventHub
from actors.web.event_operations import EventStream
from actors.web.exchange import ApiResponse
from protocols.http import media, sse
from supervision import SHUTDOWN, Started, actor_system

HEAD = "{method} {path} HTTP/1.1\r\nHost: x\r\n"
PATIENCE_S = 20.0
BIG = 60_000
"""Bytes of an answer that does not fit into small buffers of sockets, and into asyncio's."""


def asking(path, *, body=None, close=False, last=None, method="GET"):
    """The bytes of a request."""
    head = HEAD.format(method=method if body is None else "POST", path=path)
    if last is not None:
        head += f"Last-Event-ID: {last}\r\n"
    if close:
        head += "Connection: close\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class WebNode:
    """A node with an HTTP server and nothing else; its answers say which node it is.

    Attributes:
        may_go: requests to `/slow` are answered when it is set.
        asked: the paths of the requests that have come, in order.
    """

    def __init__(self, name, listening, *, waiting=False, kernel=None, **config):
        self.name, self.asked = name, []
        self.listening, self.address = listening, listening.getsockname()
        self.may_go = asyncio.Event()
        self.kernel = kernel or new_kernel()
        self.standby = Standby(waiting=waiting)
        self.entrance = HttpEntrance(self.standby)
        self.hub = EventHub(f"{name:x}")
        self.part = HttpPart(self.kernel, self.entrance, self.hub)
        self._args = HttpServerArgs(
            api=SimpleNamespace(dispatch=self.dispatch, at_once=self.at_once),
            config=HttpConfig(**config),
            listening=listening,
            entrance=self.entrance,
        )

    async def start(self):
        outcome = await self.kernel.start_root(HttpServer(), self._args, "web", lambda: None)
        assert isinstance(outcome, Started), outcome

    async def stop(self):
        self.kernel.thaw()
        if "web" in self.kernel.roots:
            await self.kernel.future_of(self.kernel.stop(self.kernel.roots["web"], SHUTDOWN, 3.0))

    @property
    def open(self):
        return self.entrance.server.connections

    def at_once(self, request, _limit):
        """What is answered without waiting: half of what could be, by the name of the web."""
        if self.name % 2 or request.path in ("/events", "/slow", "/big"):
            return None
        self.asked.append(request.path)
        return ApiResponse(status=200, body=b"%d " % self.name)

    async def dispatch(self, request):
        self.asked.append(request.path)
        body = await request.read_body()
        if request.path == "/events":
            after = sse.last_event_id(request.headers.get("last-event-id"))
            subscription = self.hub.subscribe(["node"], 100, after)
            stream = EventStream(subscription, self.hub.epoch, 15.0)
            return ApiResponse(status=200, media_type=media.EVENT_STREAM, stream=stream)
        if request.path == "/slow":
            await self.may_go.wait()
        answer = b"x" * BIG if request.path == "/big" else b"%d %s" % (self.name, body)
        return ApiResponse(status=200, body=answer)

    # A takeover

    async def give(self, *, drain_s=0.0):
        await self.part.drain(asyncio.get_running_loop().time() + drain_s)
        self.part.hold()
        while not self.part.idle():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        self.kernel.freeze()
        await self.part.stop()
        return self.part.pack(self.part.version)

    async def resume(self):
        self.kernel.thaw()
        await self.part.resume()

    async def take(self, packed):
        """As another process does, which gets duplicates; the one that gave ends then."""
        self.part.unpack(self.part.version, packed.body, tuple(map(os.dup, packed.descriptors)))
        ends = len(self.part._ends)
        await self.part.switch()
        for descriptor in packed.descriptors[: len(packed.descriptors) - ends]:
            os.close(descriptor)
        self.standby.open()


class Browser:
    """A client that has one connection."""

    async def connect(self, listening, **options):
        self.reader, self.writer = await asyncio.open_connection(
            *listening.getsockname(), **options
        )
        return self

    @property
    def port(self):
        return self.writer.get_extra_info("sockname")[1]

    def send(self, data):
        self.writer.write(data)

    async def answer(self):
        """The body of the next answer."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(re.search(rb"Content-Length: (\d+)", head)[1])
            return await self.reader.readexactly(length)

    async def ask(self, path, **fields):
        self.send(asking(path, **fields))
        return await self.answer()

    async def end(self):
        """Whatever comes until the connection ends."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()


def new_kernel():
    return actor_system(loop=asyncio.get_running_loop())._systemBase.kernel
