"""A shadow of a node: it decides as that one does, acts on nothing, and tells what differs."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import pytest
from shadow_kit import Looking, points

from actors.config import Config
from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    OpenSession,
    PatchSession,
    RevConflict,
    RouteFromIvr,
)
from actors.takeover.node_side import AnchorLine, Giving
from actors.takeover.parts import taking_parts
from supervision.release.taking import Taker

pytestmark = pytest.mark.system

OPEN = OpenSession(call="call-7", ani="+33600000001", dnis="800", app="ivr")
FRENCH = {"lang": "fr"}


def run(story: Any) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


def request(cti: Any, number: int, rp: str = "sales") -> None:
    cti.send("route.request", xref=f"x-{number}", call=f"call-{number}", rp=rp, ts=time.time())


def config(target: str = "7001") -> Config:
    return Config(rp=points(target))


def test_a_shadow_of_the_same_version_decides_as_the_node_that_serves(tmp_path: Path) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config(), config()) as both:
            cti = await both.cti()
            for n in range(20):
                request(cti, n)
            await both.until(lambda: len(cti.answers) == 20)
            await both.look_on()
            late = await both.cti("cti-2")
            for n in range(100, 150):
                request(cti, n)
                request(late, n + 1_000, "help")
            request(cti, 3)  # of a call that was there before
            await both.until(lambda: len(cti.answers) == 70 and len(late.answers) == 50)
            await both.until(lambda: both.decisions["same"] >= 100)
            report = both.shadow.report()
            assert report["decisions"]["different"] == 0, report
            assert report["crashes"] == 0, report
            assert report["links"] == 2

    run(story())


def test_decisions_that_differ_are_told_with_both_answers(tmp_path: Path) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config("7001"), config("9009")) as both:
            cti = await both.cti()
            await both.look_on()
            for n in range(10):
                request(cti, n)
                request(cti, n + 100, "help")
            await both.until(lambda: both.decisions["different"] + both.decisions["same"] == 20)
            decisions = both.decisions
            assert (decisions["different"], decisions["same"]) == (10, 10)
            assert decisions["fields"]["target"] == 10
            first = decisions["differences"][0]
            assert (first["live"]["target"], first["shadow"]["target"]) == ("7001", "9009")
            assert all(
                answer == {"7001"} for key, answer in cti.answers.items() if int(key[2:]) < 100
            )

    run(story())


def test_a_shadow_leaves_nothing_on_the_disk_and_no_connection_open(tmp_path: Path) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config(), config()) as both:
            cti = await both.cti()
            await both.look_on()
            before = files(tmp_path / "new")
            for n in range(10):
                request(cti, n)
            await both.until(lambda: both.decisions["same"] == 10)
            assert files(tmp_path / "new") == before
            assert not (tmp_path / "new" / "journal").exists()

    run(story())


def files(directory: Path) -> dict[str, int]:
    return {str(one): one.stat().st_size for one in sorted(directory.rglob("*"))}


def test_what_an_application_does_to_a_session_the_shadow_does_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config(), config()) as both:
            cti = await both.cti()
            await both.look_on()
            applications = both.old.assembly.services.sessions
            opened = (await applications.open(OPEN)).value
            await applications.patch(opened.session, PatchSession(rev=opened.rev, set=FRENCH))
            await applications.add_step(opened.session, AddJourneyStep(ev="step", step="menu"))
            await applications.route(opened.session, RouteFromIvr("sales"))
            with pytest.raises(RevConflict):
                await applications.patch(opened.session, PatchSession(rev=99, set=FRENCH))
            request(cti, 1)  # the session of this call has another id on the other node
            await both.until(lambda: cti.answers)
            known = (await applications.open(OpenSession(call="call-1"))).value
            await applications.close(known.session, CloseSession("done"))
            await both.until(lambda: both.applications["same"] == 7)
            said = both.applications
            ways = {"open": 2, "patch": 2, "add_step": 1, "route": 1, "close": 1}
            assert said["requests"] == ways
            assert (said["different"], said["undecided"], said["under_way"]) == (0, 0, 0), said
            assert said["untold"] == {}
            pool = both.new.assembly.pool
            await both.until(lambda: pool.address_of(opened.session) is not None)
            assert pool.children[opened.session].kept[1].lang == "fr"

    run(story())


def test_a_route_of_an_application_that_differs_is_told_and_the_copy_goes_on_as_the_session(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config("7001"), config("9009")) as both:
            await both.look_on()
            applications = both.old.assembly.services.sessions
            session = (await applications.open(OPEN)).value.session
            await applications.route(session, RouteFromIvr("sales"))
            await both.until(lambda: both.applications["different"] == 1)
            said = both.applications
            assert said["fields"]["target"] == 1
            [first] = said["differences"]
            assert (first["request"], first["call"]) == ("route", "call-7")
            assert (first["live"]["target"], first["shadow"]["target"]) == ("7001", "9009")
            applied = both.new.assembly.services.sessions
            await both.until(lambda: both.new.assembly.pool.address_of(session) is not None)
            assert (await applied.get(session)).routing.target == "7001"

    run(story())


def test_a_request_that_cannot_be_forwarded_is_answered_and_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config(), config()) as both:
            await both.look_on()

            def unwritten(session: str) -> Any:
                raise ValueError("no such record")

            both.mirror._written = unwritten
            applications = both.old.assembly.services.sessions
            assert (await applications.open(OPEN)).created
            await both.until(lambda: both.applications["untold"])
            assert both.applications["untold"] == {"ValueError: no such record": 1}

    run(story())


def test_the_node_that_serves_is_as_it_was_when_nobody_looks_on_any_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config(), config()) as both:
            cti = await both.cti()
            await both.look_on()
            connection = next(iter(both.old.assembly.links.connections))
            assert "write" in vars(connection)
            both.mirror.end()
            assert not {"write", "data_received", "connection_lost"} & set(vars(connection))
            assert "accept" not in vars(both.old.assembly.links)
            assert "open" not in vars(both.old.assembly.services.sessions)
            request(cti, 1)
            await both.until(lambda: cti.answers)

    run(story())


class Told(AnchorLine):
    """Keeps what the anchor is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def tell(self, event: str, info: Any) -> None:
        self.told.append((event, info))


def test_the_anchor_is_told_that_a_shadow_does_not_keep_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with Looking(tmp_path, config(), config()) as both:
            cti = await both.cti()
            line = Told()
            giving = Giving(both.old.assembly, line)
            listening = await giving.operations["takeover.listen"]({"secret": "s"})
            taker = Taker(both.new.kernel, taking_parts(both.new.assembly), mode="shadow")
            await taker.connect(listening["path"], "s")
            await taker.copied()  # and reads nothing more
            request(cti, 1)
            await both.until(lambda: cti.answers)
            assert line.told == []
            assert giving._giver is not None
            while giving._giver.forward(bytes(65_536)):
                pass
            request(cti, 2)
            request(cti, 3)
            await both.until(lambda: len(cti.answers) == 3)
            [(event, info)] = line.told
            assert (event, info["phase"]) == ("takeover", "failed")
            words = (
                r"the shadow did not keep up: after [2-9] records more than 8,388,608 bytes waited"
            )
            assert re.fullmatch(words, info["why"])
            await giving.operations["takeover.resume"]({})
            taker.close()
            both.new.kernel.release_timers()
            both.new.kernel.thaw()

    run(story())
