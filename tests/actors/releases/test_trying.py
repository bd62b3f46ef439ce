"""States of parts that are one record are tried there and back, as sessions and actors are."""

import msgspec
import pytest
from msgspec import Struct

from actors.releases.plan import LOSSY, _tried
from actors.releases.state_types import of_parts
from actors.releases.trying import taken
from actors.takeover.part_states import read
from supervision.release.carrier import Part
from supervision.release.versions import Conversions


class Tally(Struct):
    """What the part has now."""

    count: int
    level: int
    names: set[str] = set()


DECODER = msgspec.msgpack.Decoder(Tally)
BEFORE = {"count": 7, "names": ["b", "a"]}


class Tallies(Part):
    """A part whose state is one record."""

    name = "tallies"
    version = 2
    conversions = Conversions()

    def pack(self, version):
        raise NotImplementedError(version)

    def unpack(self, version, body, descriptors):
        self.taken = read(self, DECODER, version, body)


def up(state):
    return {**state, "level": 1}


def down(state):
    del state["level"]
    return state


def loses(state):
    return {"count": 0, "names": state["names"]}


def fails(state):
    return {"count": state["gone"]}


def tried(monkeypatch, ways, version=1, state=BEFORE):
    monkeypatch.setattr(Tallies, "conversions", ways)
    results, problems = {}, []
    [part] = taken([Tallies()], results, problems, {"tallies": Tally})
    if part.reads(version):
        part.unpack(version, msgspec.msgpack.encode(state), ())
    assert problems == []
    return results["tallies"]


def line(result):
    return _tried("tallies", result, None)


def test_what_comes_back_as_it_was_is_told_so(monkeypatch):
    result = tried(monkeypatch, Conversions(up={1: up}, down={2: down}))
    assert (result.tried, result.failed, result.lossy, result.back) == (1, 0, 0, True)
    text = "tallies: 1 tried, 1 converted to version 2, all of them back as they were"
    assert line(result) == line(result) | {"text": text}


def test_a_downgrade_that_loses_something_is_found(monkeypatch):
    result = tried(monkeypatch, Conversions(up={1: up}, down={2: loses}))
    assert (result.failed, result.lossy) == (0, 1)
    assert result.why == ["tallies['count'] has another value"]
    assert LOSSY in line(result)["lossy"]


def test_what_the_new_state_has_no_field_for_is_lost(monkeypatch):
    result = tried(
        monkeypatch,
        Conversions(up={1: up}, down={2: down}),
        state={**BEFORE, "old": 1},
    )
    assert result.why == ["tallies['old'] is lost"]


@pytest.mark.parametrize(
    ("ways", "why"),
    [
        (Conversions(up={1: up}, down={2: fails}), "KeyError"),
        (Conversions(up={1: fails}, down={2: down}), "KeyError"),
        (Conversions(up={1: up}), "no downgrade from version 2 to 1"),
        (Conversions(down={2: down}), "no way leads from version 1 to version 2"),
    ],
    ids=["down fails", "up fails", "no down", "no up"],
)
def test_a_step_that_fails_or_is_missing_is_a_failure(monkeypatch, ways, why):
    result = tried(monkeypatch, ways)
    assert (result.failed, result.lossy) == (1, 0)
    assert why in result.why[0]
    assert "cannot be taken in" in line(result)["why"]


def test_a_state_of_the_same_version_is_taken_as_it_is(monkeypatch):
    result = tried(monkeypatch, Conversions(), 2, {**BEFORE, "level": 3})
    assert (result.tried, result.failed, result.back) == (1, 0, False)


def test_counters_links_and_http_connections_are_among_them():
    assert {"counters", "links", "http"} <= set(of_parts())
