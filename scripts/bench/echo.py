"""The least that can answer a CTI: what the routing bench measures vigie beside.

A bare asyncio server of framing A. It answers `hello`, and each `route.request` with the same
`route.select`, at once and without looking at it: no checks, no actors, no session. What it has
read it acknowledges once a read, or the feed would hold its frames back. It imports nothing of
vigie. Prints its port when it listens.
"""

import asyncio
import struct
import sys

import msgpack

HEADER = struct.Struct(">I")
HEARTBEATS = {"interval_ms": 300, "timeout_ms": 200, "retry_ms": 100, "limit": 10}


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.buffer = b""
        self.number = 0
        self.last_i = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole frame of a read with one write."""
        self.buffer += data
        start, out = 0, []
        while len(self.buffer) - start >= HEADER.size:
            (length,) = HEADER.unpack_from(self.buffer, start)
            end = start + HEADER.size + length
            if end > len(self.buffer):
                break
            answer = self.answer(msgpack.unpackb(self.buffer[start + HEADER.size : end]))
            if answer is not None:
                out.append(self.framed(answer))
            start = end
        self.buffer = self.buffer[start:]
        if start and self.last_i:
            out.append(self.framed(self.numbered({"t": "ack", "last_i": self.last_i})))
        if out:
            self.transport.write(b"".join(out))

    def answer(self, frame: dict) -> dict | None:
        """Give the answer to one frame, if it gets one."""
        self.last_i = frame.get("i", 0)
        if frame["t"] == "hello":
            return {"t": "hello", "proto": 1, "session": "echo", "hb": HEARTBEATS, "last_i": 0}
        if frame["t"] == "hb":
            return self.numbered({"t": "hb.ok", "ts": frame["ts"]})
        if frame["t"] == "route.request":
            return self.numbered(
                {
                    "t": "route.select",
                    "xref": frame["xref"],
                    "target": "7000",
                    "rtype": "default",
                    "session": "0" * 20,
                    "rev": 1,
                    "reason": "configured",
                }
            )
        return None

    def framed(self, frame: dict) -> bytes:
        """Give the bytes of a frame."""
        payload = msgpack.packb(frame)
        return HEADER.pack(len(payload)) + payload

    def numbered(self, frame: dict) -> dict:
        """Give the frame the next number."""
        self.number += 1
        return frame | {"i": self.number}


async def main() -> None:
    """Serve a free port until standard input ends, as it does when the bench is gone."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
