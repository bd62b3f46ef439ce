from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest

from actors import metrics
from actors.node_reports import NodeCollector, registry_of
from supervision.introspection import Introspection
from supervision.testing import Kit, Probe


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


def shown(kernel, sessions):
    pool, count = SimpleNamespace(count=lambda: sessions), SimpleNamespace(lost=0)
    registry = registry_of(NodeCollector(kernel, pool, count))
    return generate_latest(registry).decode()


def test_two_nodes_of_a_process_each_show_their_own_numbers_and_those_of_the_process(kit):
    metrics.GENERATION.set(3)
    first, second = shown(kit.kernel, 1), shown(kit.kernel, 2)
    assert "\nvigie_sessions 1.0\n" in first
    assert "\nvigie_sessions 2.0\n" in second
    for text in (first, second):
        assert "\nvigie_generation 3.0\n" in text


def test_every_metric_is_shown_once(kit):
    lines = shown(kit.kernel, 1).splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))


def test_a_watched_actor_is_no_second_actor_in_the_metrics(kit):
    """Its class is derived from its own and has the same name; one label must come once."""
    address = kit.start(Probe(lambda request: request))
    introspection = Introspection(kit.kernel)
    kit.loop.run(introspection.statistics, address.path, "on")
    for number in range(64):
        kit.call(address, number)
    lines = shown(kit.kernel, 0).splitlines()
    counts = [line for line in lines if line.startswith("vigie_handler_seconds_count")]
    assert [line for line in counts if 'actor="Probe"' in line] == [
        'vigie_handler_seconds_count{actor="Probe"} 2.0'
    ]
