"""What a stop tells of releases, with an anchor that is scripted."""

import json

import pytest
from scripted_node import ScriptedNode

from actors.cli import main
from supervision.anchor.client import Client


@pytest.fixture
def stop(tmp_path, capsys, monkeypatch):
    """Stop an anchor that answers as told; return how long it waits and what it tells."""
    waited = []
    monkeypatch.setattr(Client, "wait_for_end", lambda _, seconds: waited.append(seconds) or True)
    scripted = ScriptedNode(tmp_path)

    def run(answer, *words):
        scripted.answers["stop"] = answer
        assert main(["stop", "--data", str(tmp_path), *words]) == 0
        return waited[-1], capsys.readouterr().out

    yield run
    scripted.close()


def test_a_stop_on_probation_says_which_release_starts_next(stop):
    answer = {"pid": 1, "bound_s": 20.0, "starts_next": "1.0", "was_on_probation": "2.0"}
    _, out = stop(answer)
    assert out.splitlines()[1:] == [
        "release 2.0 was on probation: vigie start starts 1.0, the permanent one",
        "nothing is held against 2.0: vigie release upgrade 2.0 tries it again",
    ]
    found = json.loads(stop(answer, "--json")[1])
    assert (found["starts_next"], found["was_on_probation"]) == ("1.0", "2.0")


def test_a_stop_of_a_permanent_release_says_no_more_than_that_it_is_done(stop):
    answer = {"pid": 1, "bound_s": 20.0, "starts_next": "1.0", "was_on_probation": None}
    assert len(stop(answer)[1].splitlines()) == 1
    assert json.loads(stop(answer, "--json")[1])["was_on_probation"] is None


def test_an_anchor_that_knows_no_releases_is_stopped_as_well(stop):
    waited_s, out = stop({"pid": 1, "bound_s": 20.0}, "--json")
    assert waited_s >= 20.0
    assert json.loads(out).keys() == {"stopped", "seconds"}
