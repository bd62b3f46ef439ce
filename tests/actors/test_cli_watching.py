"""The commands that watch an actor, against a scripted node."""

import json

import pytest
from scripted_node import ScriptedNode

from actors.cli import main, watching
from supervision.anchor.messages import ExitCode

ACTOR = "/api/v1/actors/node%2Fx"
LIMITS = ("--messages", "3", "--seconds", "10s")


@pytest.fixture
def node(tmp_path):
    scripted = ScriptedNode(tmp_path)
    yield scripted
    scripted.close()


@pytest.fixture
def vigie(tmp_path, capsys):
    """Run a command of this data directory: exit code, stdout, stderr."""

    def run(*words):
        code = main([*words, "--data", str(tmp_path)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def event(number):
    return {
        "at": 1_800_000_000.25 + number,
        "path": "node/x",
        "event": "in",
        "message": f"Add{number}(amount)",
        "way": "cast",
        "other": "node/y",
        "seconds": None,
    }


def trace_row(events, ended=None):
    return {"id": "t1", "path": "node/x", "events": events, "ended": ended}


@pytest.fixture
def traced(node):
    """A trace of three events, of which the node knows two at first."""
    told = [
        {"trace": trace_row(2), "items": [event(0), event(1)], "next": 2},
        {"trace": trace_row(2), "items": [], "next": 2},
        {"trace": trace_row(3, "messages"), "items": [event(2)], "next": 3},
    ]

    class Answers(dict):
        def get(self, key, default=None):
            return told.pop(0) if key == "GET /api/v1/traces/t1" else super().get(key, default)

    node.answers = Answers()
    node.answers[f"POST {ACTOR}/trace"] = trace_row(0)
    return node


def test_a_trace_is_printed_to_its_end(traced, vigie):
    code, out, _ = vigie("actor", "trace", "node/x", *LIMITS, "--reason", "to see")
    lines = out.splitlines()
    assert code == 0
    assert [line.split("  ", 1)[1] for line in lines[:3]] == [
        f"node/x  in cast Add{number}(amount) from node/y" for number in range(3)
    ]
    assert lines[0].split("  ")[0].endswith(".250")
    assert lines[3] == "3 events of node/x: ended by messages"
    body = traced.asked[0][1]["body"]
    assert (body["messages"], body["seconds"], body["reason"]) == (3, 10.0, "to see")
    reads = [args["query"] for key, args in traced.asked if key.startswith("GET")]
    assert [query["after"] for query in reads] == ["0", "2", "2"]
    assert not [key for key, _ in traced.asked if key.startswith("DELETE")]


def test_a_trace_is_one_object_where_json_is_asked_for(traced, vigie):
    _, out, _ = vigie("actor", "trace", "node/x", *LIMITS, "--json")
    assert len(json.loads(out)["items"]) == 3


def test_ctrl_c_ends_the_trace_at_the_node(traced, vigie, monkeypatch):
    def interrupted(told):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "event_line", interrupted)
    assert vigie("actor", "trace", "node/x", *LIMITS)[0] == 130
    assert traced.asked[-1][0] == "DELETE /api/v1/traces/t1"


@pytest.mark.parametrize(
    "words", [(), ("--messages", "3"), ("--seconds", "3"), ("--messages", "0", "--seconds", "3")]
)
def test_a_trace_without_limits_is_bad_usage(vigie, words):
    code, _, err = vigie("actor", "trace", "node/x", *words)
    assert code == ExitCode.USAGE
    assert "--messages" in err or "--seconds" in err


def test_traces_are_listed_and_ended(node, vigie):
    node.answers["GET /api/v1/traces"] = {"items": [{**trace_row(2), "messages": 9, "by": "ann"}]}
    assert vigie("actor", "traces")[1].splitlines()[1].split()[:5] == [
        "t1",
        "node/x",
        "-",
        "2",
        "9",
    ]
    node.answers["DELETE /api/v1/traces/t1"] = trace_row(2, "stopped")
    assert vigie("actor", "untrace", "t1")[1] == "t1 of node/x: 2 events\n"


def test_statistics_are_switched_and_shown(node, vigie):
    off = {"path": "node/x", "on": False}
    node.answers[f"GET {ACTOR}/statistics"] = off
    assert vigie("actor", "statistics", "node/x")[1] == "no_statistics\n"
    on = {**off, "on": True, "start_time": 1.0, "current_time": 4.0, "messages_in": 7}
    node.answers[f"POST {ACTOR}/statistics"] = on
    out = vigie("actor", "statistics", "node/x", "on", "--reason", "slow")[1]
    assert ["messages_in", "7"] in [line.split() for line in out.splitlines()]
    assert node.asked[-1][1]["body"] == {"on": True, "reason": "slow"}


def test_a_log_is_switched_and_shown(node, vigie):
    row = {"on": True, "size": 5, "file": "/data/debug/x.log", "events": [event(0)]}
    node.answers[f"POST {ACTOR}/log"] = row
    out = vigie("actor", "log", "node/x", "on", "--size", "5", "--file")[1].splitlines()
    assert out[0] == "the latest 5 events, and /data/debug/x.log"
    assert out[1].endswith("node/x  in cast Add0(amount) from node/y")
    body = node.asked[-1][1]["body"]
    assert body == {"on": True, "size": 5, "file": True, "reason": ""}
    node.answers[f"GET {ACTOR}/log"] = {"on": False}
    assert vigie("actor", "log", "node/x")[1] == "no log\n"


def test_a_probe_is_installed_shown_and_removed(node, vigie):
    node.answers[f"POST {ACTOR}/probes"] = {"id": "slow", "state": {}}
    assert vigie("actor", "probe", "node/x", "slow", "--over", "0.1")[0] == 0
    body = node.asked[-1][1]["body"]
    assert body == {"name": "slow", "seconds": 60.0, "reason": "", "over_s": 0.1}
    node.answers[f"GET {ACTOR}/probes"] = {"items": [{"id": "slow", "state": {"count": 2}}]}
    assert vigie("actor", "probe", "node/x")[1].split() == ["slow", '{"count":', "2}"]
    node.answers[f"DELETE {ACTOR}/probes/slow"] = {"status": 204, "body": None}
    assert vigie("actor", "probe", "node/x", "slow", "--remove")[1] == "removed slow\n"
    asked = len(node.asked)
    code, _, err = vigie("actor", "probe", "node/x", "--remove")
    assert (code, len(node.asked)) == (ExitCode.USAGE, asked)
    assert "needs the name of the probe" in err
    node.answers[f"POST {ACTOR}/no_debug"] = {"status": 204, "body": None}
    assert vigie("actor", "no-debug", "node/x")[0] == 0


def test_a_state_is_patched_and_code_is_changed(node, vigie):
    done = {"path": "node/x", "dry_run": True, "state": {"amount": 5}}
    node.answers[f"POST {ACTOR}/replace_state"] = done
    words = ("actor", "replace-state", "node/x", '{"amount": 5}')
    assert json.loads(vigie(*words, "--dry-run")[1]) == done
    assert node.asked[-1][1]["body"] == {"patch": {"amount": 5}, "dry_run": True, "reason": ""}
    changed = {"path": "node/x", "action": "change_code", "reason": "by hand"}
    node.answers[f"POST {ACTOR}/change_code"] = changed
    words = ("actor", "change-code", "node/x", "--old", "2", "--extra", '{"a": 1}')
    assert vigie(*words)[1] == "change_code node/x: by hand\n"
    body = {"old_vsn": 2, "extra": {"a": 1}, "down": False, "reason": ""}
    assert node.asked[-1][1]["body"] == body


@pytest.mark.parametrize("patch", ["{", "[1]", "7"])
def test_a_patch_that_is_no_object_is_bad_usage(vigie, patch):
    assert vigie("actor", "replace-state", "node/x", patch)[0] == ExitCode.USAGE


@pytest.mark.parametrize("what", ["status", "info"])
def test_an_actor_is_looked_at(node, vigie, what):
    node.answers[f"GET {ACTOR}/{what}"] = {"path": "node/x", "meta": {"kind": "worker"}}
    assert '{"kind": "worker"}' in vigie("actor", what, "node/x")[1]


def test_the_children_of_a_supervisor_are_listed(node, vigie):
    row = {"id": "a", "status": "crash_loop", "failures": 4, "retry_in_s": 12.5}
    node.answers[f"GET {ACTOR}/children"] = {"items": [row]}
    assert vigie("actor", "children", "node/x")[1].splitlines()[1].split()[-1] == "12.5"


def test_the_statistics_of_the_node_are_shown(node, vigie):
    found = {"handled": 5, "reports": {"crash": 1, "hold": 2}, "collections": [3, 2, 1]}
    node.answers["GET /api/v1/node/statistics"] = found
    assert vigie("node")[1].splitlines()[1].split(maxsplit=1)[1] == "crash 1, hold 2"
