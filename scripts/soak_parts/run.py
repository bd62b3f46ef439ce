"""A whole run: a node, calls and applications on it, blows meanwhile, and the judgement."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from protocols.feed.records import Ledger
from protocols.feed.report import FeedReport
from protocols.feed.run import FeedOptions, open_books
from protocols.feed.run import run as run_feed
from protocols.feed.schedule import Load
from soak_parts.chaos import Chaos, wait_healed
from soak_parts.ivr import Caller, Worker, connections
from soak_parts.ivr_ledger import IvrBook
from soak_parts.plan import Pace, draw_plan
from soak_parts.proxy import ChaosProxy
from soak_parts.upgrades import Upgrades, installed
from soak_parts.vigie import Vigie, footprint, settings_for

WATCH_S = 0.5
NAMES = ("cti", "http")
LINKS = ("soak-a", "soak-b")
REMEMBERED = 2_000_000
BLOWS_SHARE = 0.92
"""Of the run, in which blows of the plan fall; then those kinds are struck that they spared."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is like.

    Attributes:
        seconds: how long calls arrive.
        rate: calls a second, over both links.
        speed: how many seconds of a call pass in one.
        workers: IVR applications, half of them through the chaos proxy.
        wait_s: how long a peer waits for a routing answer before it gives up.
        calm: whether no blow falls at all, for comparison.
    """

    seconds: float
    seed: int
    rate: float = 200.0
    speed: float = 10.0
    workers: int = 8
    wait_s: float = 10.0
    pace: Pace = field(default_factory=Pace)
    calm: bool = False


@dataclass
class Outcome:
    """What is left of a run, to be judged.

    Attributes:
        books: of each link, by its name, while they are written.
        feeds: report and books of each link.
        watched: what the links waited for, every half second.
        before: memory and descriptors of the node before and `after` the run.
    """

    chaos: Chaos
    ivr: IvrBook
    region: str
    books: dict[str, Ledger] = field(default_factory=dict)
    feeds: list[tuple[FeedReport, Ledger]] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    watched: list[dict[str, Any]] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)


async def run(settings: Settings, data: Path, say: Say) -> Outcome:
    """Start a node, run calls and blows on it, and let it heal; the node still runs afterwards."""
    node, versions = await asyncio.to_thread(_node, settings, data)
    await asyncio.to_thread(node.run, "start")
    info = await wait_healed(node)
    links, http = [ChaosProxy("127.0.0.1", info["listeners"][name]["port"]) for name in NAMES]
    for proxy in (links, http):
        await proxy.start()
    region = (await node.api("GET", "node"))["region"]
    outcome = Outcome(Chaos(node, links, http), IvrBook(), region)
    if versions:
        outcome.chaos.upgrades = Upgrades(node, *versions)
    outcome.before = footprint(info["programs"]["node"]["pid"])
    try:
        await _under_chaos(settings, outcome, info["listeners"]["http"]["port"], say)
        healed = await wait_healed(node)
    finally:
        await links.close()
        await http.close()
    outcome.after = footprint(healed["programs"]["node"]["pid"])
    status = (await node.ask("status"))["programs"]
    outcome.restarts = {name: program["restarts"] for name, program in status.items()}
    return outcome


def _node(settings: Settings, data: Path) -> tuple[Vigie, tuple[str, ...]]:
    """The node, and the releases that it goes between, where it does."""
    wanted = settings_for(settings.seconds)
    if not settings.pace.upgrade:
        return Vigie(data, wanted), ()
    with tempfile.TemporaryDirectory(prefix="vigie-soak-") as place:
        node, *versions = installed(Path(place), data, wanted)
    return node, tuple(versions)


async def _under_chaos(settings: Settings, outcome: Outcome, port: int, say: Say) -> None:
    chaos, stop = outcome.chaos, asyncio.Event()
    token = await asyncio.to_thread(_token, chaos.node, "cti")
    ivr_token = await asyncio.to_thread(_token, chaos.node, "ivr")
    async with asyncio.TaskGroup() as tasks:
        feeds = [
            tasks.create_task(_feed(settings, number, outcome, token))
            for number in range(len(LINKS))
        ]
        applications = tasks.create_task(_applications(settings, outcome, port, ivr_token, stop))
        watches = [
            tasks.create_task(_progress(outcome, settings.seconds, say)),
            tasks.create_task(_watch(outcome)),
        ]
        if settings.calm:
            await asyncio.sleep(settings.seconds)
        else:
            plan = draw_plan(settings.seconds * BLOWS_SHARE, settings.seed, settings.pace)
            await chaos.carry_out(plan)
            await chaos.strike_spared()
        say(
            f"chaos is over after {sum(chaos.counts.values())} blows; what is open comes to its end"
        )
        stop.set()
        await applications
        outcome.feeds = [await feed for feed in feeds]
        for watch in watches:
            watch.cancel()


def _token(node: Vigie, scope: str) -> str:
    token: str = node.run("token", "create", "--scope", scope, "--name", "soak")["token"]
    return token


async def _feed(
    settings: Settings, number: int, outcome: Outcome, token: str
) -> tuple[FeedReport, Ledger]:
    load = Load(
        rate=settings.rate / len(LINKS),
        seconds=settings.seconds,
        speed=settings.speed,
        seed=settings.seed * len(LINKS) + number,
        tail_s=min(20.0, settings.seconds / 2),
    )
    options = FeedOptions(
        host="127.0.0.1",
        port=outcome.chaos.links.port,
        token=token,
        load=load,
        name=LINKS[number],
        run=f"{LINKS[number]}-{time.time_ns() // 1_000_000:x}",
        wait_s=settings.wait_s,
        compare=0,
        settle_s=30.0,
        keep=REMEMBERED,
        answer_report=True,
    )
    books = outcome.books[LINKS[number]] = open_books(options)
    return await run_feed(options, books=books), books


async def _applications(
    settings: Settings, outcome: Outcome, port: int, token: str, stop: asyncio.Event
) -> None:
    book, proxied = outcome.ivr, outcome.chaos.http.port
    async with connections(token) as http, asyncio.TaskGroup() as tasks:
        for number in range(settings.workers):
            direct = number % 2 == 0
            base = f"http://127.0.0.1:{port if direct else proxied}"
            rng = Random(settings.seed * 1_000 + number)  # noqa: S311 - chance to be repeated
            caller = Caller(http, base, book, direct=direct)
            name = f"ivr{number}-{time.time_ns() // 1_000_000:x}"
            tasks.create_task(Worker(name, caller, book, rng).run(stop))


async def _progress(outcome: Outcome, seconds: float, say: Say) -> None:
    """Say now and then how it stands."""
    begun = time.monotonic()
    while True:
        await asyncio.sleep(max(5.0, seconds / 20))
        chaos, book = outcome.chaos, outcome.ivr
        say(
            f"{time.monotonic() - begun:4.0f} s: blows {dict(chaos.counts)}, applications answered "
            f"{book.answered.total()}, broken {book.broken}, wrong {len(book.wrong)}"
        )


async def _watch(outcome: Outcome) -> None:
    """Write down every half second what the links wait for."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(WATCH_S)
        for name, books in outcome.books.items():
            if books.unacked:
                i, first = next(iter(books.unacked.items()))
                waiting = {"i": i, "t": first.frame["t"], "call": first.frame.get("call")}
            else:
                waiting = {}
            outcome.watched.append(
                {"clock": loop.time(), "link": name, "first": waiting}
                | {"unacked": len(books.unacked), "held": len(books.unnumbered)}
                | {"open": len(books.open), "resumed": books.resumed}
            )
