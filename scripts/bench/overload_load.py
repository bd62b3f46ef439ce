"""The generator of the overload bench: calls at several rates in turn, over links that stay open.

    overload_load.py PORT PHASES < TOKEN        PHASES: JSON, [{"rate": R, "seconds": S}, ...]

Route requests arrive at random, whether or not those before are answered: of new calls, each of
which is cleared once it has been answered, and, one in four, of calls that were established before
anything was measured. Prints a summary of each phase and of each second as one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from protocols.cti.framing import Decoder, encode

LINKS = 4
ESTABLISHED = 2_000
ESTABLISHED_SHARE = 0.25
SETUP_RATE = 400.0
IN_TIME_S = 0.3
"""The shipped ``routing.request_timeout_ms``."""

DRAIN_S = 3.0
KINDS = ("new", "established")


@dataclass(slots=True)
class Tally:
    """What became of the requests of one kind that were due in one second."""

    sent: int = 0
    answered: int = 0
    late: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in another one."""
        self.sent += other.sent
        self.answered += other.answered
        self.late += other.late
        self.refused += other.refused
        self.waits += other.waits

    def plain(self) -> dict[str, Any]:
        """As JSON has it; times in milliseconds from the instant a request was due."""
        cuts = statistics.quantiles(self.waits, n=100) if len(self.waits) > 1 else [0.0] * 99
        return {
            "sent": self.sent,
            "answered": self.answered,
            "late": self.late,
            "refused": dict(self.refused),
            "unanswered": self.sent - self.answered - sum(self.refused.values()),
            "p50_ms": round(cuts[49] * 1e3, 1),
            "p99_ms": round(cuts[98] * 1e3, 1),
            "max_ms": round(max(self.waits, default=0.0) * 1e3, 1),
        }


class Tallies:
    """All tallies, by second and kind; the clock begins with the first phase."""

    def __init__(self) -> None:
        self.start = 0.0
        self.seconds: dict[tuple[int, str], Tally] = {}

    def of(self, kind: str, due: float) -> Tally:
        """The one of a request."""
        key = (int(due - self.start), kind)
        found = self.seconds.get(key)
        if found is None:
            found = self.seconds[key] = Tally()
        return found

    def between(self, first: int, last: int, kind: str) -> Tally:
        """Those of some seconds together."""
        whole = Tally()
        for second in range(first, last):
            whole.add(self.seconds.get((second, kind), Tally()))
        return whole


class Link(asyncio.Protocol):
    """One link: what it has asked, by the number of the frame."""

    def __init__(self, token: str, number: int, run: str, tallies: Tallies) -> None:
        self._token = token
        self._number = number
        self._run = run
        self._tallies = tallies
        self._decoder = Decoder()
        self._sent = 0
        self._asked: dict[int, tuple[str, float, str]] = {}
        self.open = asyncio.Event()
        self.lost = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        hello = {"t": "hello", "proto": 1, "name": f"load{self._number}", "side": "primary"}
        transport.write(encode(hello | {"token": self._token}))

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that it broke: no rate is worth anything then."""
        self.lost = self.lost or str(exc or "closed by vigie")

    def ask(self, kind: str, call: str, due: float) -> None:
        """Send a route request."""
        number = self._sent + 1
        self._asked[number] = (kind, due, call)
        self._tallies.of(kind, due).sent += 1
        xref = f"{self._run}.{self._number}.{number}"
        frame = {"t": "route.request", "xref": xref, "call": call, "rp": "sales"}
        self._send(frame | {"ani": "+33142685300", "ts": round(time.time(), 3)})

    def _send(self, frame: dict[str, Any]) -> None:
        self._sent += 1
        self._transport.write(encode(frame | {"i": self._sent}))

    def data_received(self, data: bytes) -> None:
        """Take answers and refusals."""
        now = time.monotonic()
        self._decoder.feed(data)
        while (frame := self._decoder.next_frame()) is not None:
            kind = frame["t"]
            if kind == "route.select":
                self._answered(int(frame["xref"].rpartition(".")[2]), now)
            elif kind == "error":
                self._refused(frame)
            elif kind == "hb":
                self._send({"t": "hb.ok", "ts": time.time()})
            elif kind == "hello":
                self.open.set()

    def _answered(self, number: int, now: float) -> None:
        asked = self._asked.pop(number, None)
        if asked is None:
            return
        kind, due, call = asked
        tally = self._tallies.of(kind, due)
        tally.answered += 1
        tally.late += now - due > IN_TIME_S
        tally.waits.append(now - due)
        if kind == "new":
            self._send({"t": "call.event", "call": call, "ev": "cleared", "ts": time.time()})

    def _refused(self, frame: dict[str, Any]) -> None:
        asked = self._asked.pop(frame.get("ref", 0), None)
        if asked is None:
            return
        kind, due, _ = asked
        rule = str(frame.get("msg", "")).partition(" ")[0]
        self._tallies.of(kind, due).refused[f"{frame['code']} {rule}"] += 1


async def main(port: int, phases: list[dict[str, float]], token: str) -> dict[str, Any]:
    """Connect, establish, run the phases one after the other, and tell."""
    loop, run, tallies = asyncio.get_running_loop(), f"{time.time_ns():x}", Tallies()
    links = [Link(token, number, run, tallies) for number in range(LINKS)]
    for link in links:
        await loop.create_connection(lambda link=link: link, "127.0.0.1", port)  # type: ignore[misc]
        await link.open.wait()
    established = [f"{run}-e{number}" for number in range(ESTABLISHED)]
    tallies.start = time.monotonic()
    await offer(links, SETUP_RATE, [("setup", call) for call in established])
    await asyncio.sleep(1.0)
    tallies.seconds.clear()
    tallies.start = time.monotonic()
    first, summaries = 0, []
    for phase in phases:
        count = round(phase["rate"] * phase["seconds"])
        await offer(links, phase["rate"], drawn(count, established, f"{run}-{first}"))
        last = int(time.monotonic() - tallies.start)
        summaries.append({"first": first, "last": last} | phase)
        first = last
    await asyncio.sleep(DRAIN_S)
    return told(tallies, summaries, [link.lost for link in links if link.lost])


def drawn(count: int, established: list[str], run: str) -> list[tuple[str, str]]:
    """Kinds and calls of so many requests."""
    return [
        ("established", random.choice(established))  # noqa: S311 - a load, no secret
        if random.random() < ESTABLISHED_SHARE  # noqa: S311
        else ("new", f"{run}-{number}")
        for number in range(count)
    ]


async def offer(links: list[Link], rate: float, requests: list[tuple[str, str]]) -> None:
    """Send requests at random instants of an average rate, each at its own or at once after it."""
    due = time.monotonic()
    for number, (kind, call) in enumerate(requests):
        due += random.expovariate(rate)
        wait = due - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        elif number % 64 == 0:
            await asyncio.sleep(0)  # late: answers must be read all the same
        links[number % len(links)].ask(kind, call, due)


def told(tallies: Tallies, phases: list[dict[str, Any]], lost: list[str]) -> dict[str, Any]:
    """The report."""
    for phase in phases:
        for kind in KINDS:
            phase[kind] = tallies.between(phase["first"], phase["last"], kind).plain()
    seconds = []
    for second in range(phases[-1]["last"]):
        both = tallies.between(second, second + 1, "new")
        both.add(tallies.between(second, second + 1, "established"))
        seconds.append(both.plain())
    busy = round(time.process_time(), 2)
    return {"phases": phases, "seconds": seconds, "links_lost": lost, "cpu_s": busy}


if __name__ == "__main__":
    gc.disable()
    report = asyncio.run(main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.stdin.read().strip()))
    print(json.dumps(report))
