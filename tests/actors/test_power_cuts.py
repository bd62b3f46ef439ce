"""Power cuts in the probation of a release: what starts is the permanent one, with every call.

Anchor, nodes and PostgreSQL end at one instant: while the new release comes in, while it is on
probation, while it is rolled back by itself, while it is made permanent. Whatever was acknowledged
before has happened once afterwards, in the release that the pointers name.
"""

import asyncio
import contextlib
from random import Random

import pytest
from power_cut_kit import Calls, Site, lay_out, power_cut, until

from supervision.anchor.messages import Refusal
from supervision.anchor.pointers import ASIDE, DIRECTORY

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

WHO = {"who": "ops"}
COPY_S, FREEZE_S, SWITCH_S, PROBATION_S = 2.0, 0.03, 0.1, 1.5
ROLLBACK_S, COMMIT_S = 1.2, 0.1
"""How long each moment is, roughly: the power goes anywhere in it."""

MOMENTS = ("probation", "switch", "freeze", "copy", "rollback", "way back", "commit")
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 42))]


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("trees"))


@pytest.fixture
def site(trees, tmp_path):
    made = Site.make(trees, tmp_path / "data")
    made.start()
    yield made
    with contextlib.suppress(Refusal):
        power_cut(made.node.anchor("ping", {})["pid"])


class Moment:
    """Brings a node to a moment of an upgrade, and waits for an instant in it."""

    def __init__(self, site, calls, chance):
        self._site, self._calls, self._chance = site, calls, chance
        self._begun = []

    async def come(self, name):
        """Return when the power is to go."""
        upgrade = self._begin("upgrade", vsn=self._site.second)
        if name in {"copy", "freeze", "switch"}:
            await self._seconds(await self._coming_in(name))
            return
        await upgrade
        await self._calls.some()
        if name == "probation":
            await self._seconds(PROBATION_S)
        elif name == "commit":
            self._begin("commit")
            await self._seconds(COMMIT_S)
        else:
            await self._seconds(await self._going_back(name))

    async def end(self):
        """What was asked has come to its end, whatever that is."""
        for one in self._begun:
            with contextlib.suppress(Refusal):
                await one

    async def _coming_in(self, name):
        if name == "copy":
            await until(lambda: self._site.history()[-1]["step"] == "upgrade")
            return COPY_S
        if name == "freeze":
            await until(self._aside)
            return FREEZE_S
        await until(lambda: self._site.pointers().provisional)
        return SWITCH_S

    async def _going_back(self, name):
        """The probation has failed; the permanent release takes over by itself."""
        self._site.say_no()
        if name == "rollback":
            await until(lambda: self._site.history()[-1]["step"] == "rollback")
            return ROLLBACK_S
        await until(self._aside)
        return SWITCH_S

    def _aside(self):
        return (self._site.node.data / DIRECTORY / ASIDE).exists()

    def _begin(self, op, **args):
        asked = asyncio.to_thread(self._site.node.anchor, f"release.{op}", WHO | args)
        self._begun.append(asyncio.create_task(asked))
        return self._begun[-1]

    async def _seconds(self, most):
        await asyncio.sleep(self._chance.uniform(0.0, most))


def assert_permanent(site, cut, info):
    """What starts is what the pointers named, and they, the history and the node agree."""
    found = site.pointers()
    assert (found.permanent, found.current) == (cut.permanent, cut.permanent)
    assert info["node"]["release"] == cut.permanent
    last = site.history()[-1]
    fell = (last["step"], last.get("result"), last.get("vsn"), last.get("from"))
    assert cut.provisional == (fell == ("fallback", "permanent", cut.permanent, cut.current))
    assert found.refused == cut.refused  # a power cut says nothing about a release
    status = site.node.run("release", "status")
    assert status["permanent"] == status["current"] == cut.permanent
    states = {row["vsn"]: (row["state"], row["running"]) for row in _rows(site)}
    assert states[cut.permanent] == ("permanent", True)
    assert states[site.other(cut.permanent)] == ("old", False)


def _rows(site):
    return site.node.run("release", "list")["items"]


def assert_kept(report):
    """Nothing is lost, doubled or other than what was acknowledged.

    An answer that took too long may be missing: on a busy machine a switch has then routed itself.
    """
    assert report.comparison.compared > 0
    assert list(report.comparison.differences) == []
    assert (report.resumed + report.resume_lost, report.doubled, report.unacked) == (1, 0, 0)
    assert (list(report.faults), list(report.contradictions)) == ([], [])


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_power_cut_on_probation_the_permanent_release_starts_with_every_call(site, seed):
    asyncio.run(_play(site, MOMENTS[seed % len(MOMENTS)], seed))


async def _play(site, name, seed):
    region = (await site.node.wait_api("GET", "node"))["region"]
    calls = Calls(site, region, seed)
    await calls.some()
    moment = Moment(site, calls, Random(seed))
    await moment.come(name)
    anchor = (await site.node.ask("ping"))["pid"]
    await asyncio.to_thread(power_cut, anchor)
    await moment.end()
    site.say_nothing()
    cut = site.pointers()
    assert cut.permanent == site.first or name == "commit"
    site.use(cut.permanent)
    assert (await asyncio.to_thread(site.node.run, "journal", "check"))["sound"]
    info = await asyncio.to_thread(site.start)
    await asyncio.to_thread(assert_permanent, site, cut, info)
    await calls.some()
    await _again(site, site.other(cut.permanent))
    await calls.some()
    assert_kept(await calls.end())


async def _again(site, vsn):
    """The other release comes in after all, and stays."""
    force = vsn in site.pointers().refused  # where it has failed, before the power went
    args = WHO | {"vsn": vsn, "force": force}
    await asyncio.to_thread(site.node.anchor, "release.upgrade", args)
    await asyncio.to_thread(site.node.anchor, "release.commit", WHO)
    assert site.pointers().permanent == vsn
