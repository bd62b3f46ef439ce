"""releaseHandler measures a version on probation and tells the anchor once that it failed."""

import asyncio
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, Histogram

from actors import metrics, release_counts
from actors.alarms import Alarms
from actors.config import Config, ProbationConfig
from actors.probation import Counts
from actors.release_handler import (
    NAME,
    HandlerArgs,
    MadePermanent,
    ReleaseHandler,
    Standing,
    Status,
)
from actors.standby import Standby
from actors.takeover.node_side import NodeSide
from supervision import ChildSpec, SupervisorFlags
from supervision.testing import Kit

CONFIG = ProbationConfig(settle_s=0.0, window_s=10.0)


class Node:
    """A handler in a kit, with what it is told and what it tells."""

    def __init__(self, kit, *, provisional=True, waiting=False, config=CONFIG):
        self.kit = kit
        self.counts = Counts()
        self.failed = []
        self.runs = []
        self.stopped = 0
        self.standby = Standby(waiting=waiting)
        self.standing = Standing("2.0.0", "1.0.0", provisional=provisional, generation=4)
        args = HandlerArgs(
            standing=self.standing,
            standby=self.standby,
            config=config,
            counts=lambda: self.counts,
            failed=self.failed.append,
            probes=self,
        )
        spec = ChildSpec("releaseHandler", ReleaseHandler, args)
        self.supervisor = kit.start_supervisor(SupervisorFlags(intensity=5), [spec])
        kit.settle()

    def run(self, name, words, timeout_s, told):
        self.runs.append((name, words, timeout_s, told))

    def stop(self):
        self.stopped += 1

    def status(self):
        return self.kit.call(NAME, Status())


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


def test_a_permanent_version_is_measured_by_nobody(kit):
    node = Node(kit, provisional=False)
    node.counts = Counts(crashes=1_000)
    kit.advance(100.0)
    assert (node.status().phase, node.failed) == ("permanent", [])


def test_a_version_that_fails_is_told_once_with_why(kit):
    node = Node(kit)
    assert node.status().phase == "probation"
    node.counts = Counts(crashes=21)
    kit.advance(30.0)
    (why,) = node.failed
    assert why == "21 actors crashed in 1 s: release.probation.max_crashes is 20"
    assert (node.status().phase, node.status().verdict) == ("failed", why)
    assert kit.reported("release", vsn="2.0.0", phase="failed", why=why)


def test_nothing_is_measured_before_the_switch_and_what_was_counted_before_is_not_its_own(kit):
    node = Node(kit, waiting=True)
    node.counts = Counts(crashes=500)
    kit.advance(60.0)
    assert (node.status().phase, node.failed) == ("standby", [])
    node.standby.open()
    kit.advance(5.0)
    assert (node.status().phase, node.status().crashed, node.failed) == ("probation", 0, [])


def test_the_anchors_word_that_the_version_is_permanent_reaches_the_handler(kit):
    node, told = Node(kit), []
    release = SimpleNamespace(permanence=SimpleNamespace(become=lambda: told.append("permanent")))
    assembly = SimpleNamespace(
        kernel=kit.kernel, release=release, config=Config(), alarms=Alarms(kit.kernel)
    )
    done = asyncio.run(NodeSide._permanent(SimpleNamespace(assembly=assembly), {}))
    assert done == {"missing": ""}
    kit.settle()
    assert (told, node.status().phase) == (["permanent"], "permanent")


def test_a_version_that_becomes_permanent_is_measured_no_longer(kit):
    node = Node(kit)
    kit.cast(NAME, MadePermanent())
    kit.settle()
    node.counts = Counts(crashes=500)
    kit.advance(60.0)
    status = node.status()
    assert (status.phase, status.permanent, node.failed) == ("permanent", "2.0.0", [])
    assert node.stopped


def test_a_handler_that_crashes_goes_on_with_what_it_knew(kit):
    node = Node(kit)
    node.counts = Counts(crashes=15)
    kit.advance(2.0)
    kit.faults.kill(NAME)
    kit.settle()
    node.counts = Counts(crashes=30)
    kit.advance(2.0)
    assert len(node.failed) == 1
    kit.faults.kill(NAME)
    kit.advance(5.0)
    assert (node.status().phase, len(node.failed)) == ("failed", 1)


def test_a_handler_that_crashes_after_the_commit_begins_no_new_probation(kit):
    node = Node(kit)
    kit.cast(NAME, MadePermanent())
    kit.settle()
    kit.faults.kill(NAME)
    kit.advance(5.0)
    assert node.status().phase == "permanent"


def test_probes_are_run_again_and_again_and_fail_the_version(kit):
    words = ("/bin/check", "-x")
    node = Node(kit, config=ProbationConfig(probes={"calls": words}, probe_every_s=10.0))
    for round_number in range(1, 4):
        name, ran, timeout_s, told = node.runs[-1]
        assert (name, ran, timeout_s, len(node.runs)) == ("calls", words, 5.0, round_number)
        told(name, "exit 2: no calls")
        kit.advance(10.0)
    assert node.failed == ["probe calls failed 3 times in a row: exit 2: no calls"]
    kit.advance(60.0)
    assert len(node.runs) == 3


def test_the_status_tells_the_measures(kit):
    node = Node(kit)
    node.counts = Counts(crashes=1, answered=400, failed=2, refused=100)
    kit.advance(1.0)
    status = node.status()
    assert (status.vsn, status.permanent, status.generation) == ("2.0.0", "1.0.0", 4)
    assert (status.seconds, status.crashed) == (1.0, 1)
    assert (status.measures.requests, status.measures.refused_share) == (500, 0.2)


def test_the_fast_reading_of_a_histogram_says_what_its_collection_says():
    histogram = Histogram(
        "waits", "x", ("rp", "reason"), buckets=(0.1, 0.5), registry=CollectorRegistry()
    )
    for index, wait in enumerate((0.05, 0.05, 0.3, 0.7, 0.1)):
        histogram.labels(str(index % 2), "r").observe(wait)
    (family,) = histogram.collect()
    collected = {}
    for sample in family.samples:
        if sample.name.endswith("_bucket"):
            bound = sample.labels["le"]
            collected[bound] = collected.get(bound, 0) + sample.value
    assert release_counts.within(histogram) == tuple(collected.values()) == (3, 4, 5)
    assert release_counts.BOUNDS[-1] == 1.0


def test_the_reader_adds_up_what_the_node_counts(kit):
    read = release_counts.reader(kit.kernel)
    before = read()
    metrics.ROUTE_SECONDS.labels("sales", "ok").observe(0.02)
    metrics.HTTP_REQUESTS.labels("x", "200").inc()
    metrics.HTTP_REQUESTS.labels("x", "500").inc()
    metrics.HTTP_REQUESTS.labels("x", "503").inc()
    metrics.SHED.labels("new", "wait").inc()
    metrics.ROUTES_LATE.labels("router").inc()
    metrics.LINK_FRAMES_FAILED.inc()
    kit.kernel.report("crash", "node/x")
    after = read()
    names = ("crashes", "answered", "failed", "late", "refused")
    grown = {name: getattr(after, name) - getattr(before, name) for name in names}
    assert grown == {"crashes": 1, "answered": 3, "failed": 2, "late": 1, "refused": 1}
    assert after.waits[-1] - before.waits[-1] == 1
