"""The commands that ask a running node, against one that is scripted."""

import json

import pytest
from scripted_node import ScriptedNode

from actors.cli import main, rooms, text
from actors.cli.arguments import duration, positive
from supervision.anchor.messages import ExitCode, Refusal

TREE = {
    "path": "node",
    "name": "node",
    "kind": "supervisor",
    "status": "running",
    "restarts": 0,
    "mailbox": 0,
    "handled": 12,
    "last_exit": None,
    "children": [
        {
            "path": "node/callSup",
            "name": "callSup",
            "status": "crash_loop",
            "restarts": 7,
            "mailbox": 3,
            "handled": 99,
            "last_exit": {"reason": "ZeroDivisionError", "at": 1.0},
            "children": [],
            "pool": {"count": 20_000, "by_status": {"running": 20_000}, "mailbox_max": 4},
        }
    ],
}
SESSION = {
    "session": "0123456789abcdef0123",
    "rev": 3,
    "state": "connected",
    "call": "c-1",
    "ani": "+33140000000",
    "ani_type": "geographic",
    "dnis": "7001",
    "digits": None,
    "lang": "fr",
    "rp": "sales",
    "auth_level": 1,
    "customer": {"segment": "gold"},
    "journey": [{"ts": 1.0, "step": "menu", "app": "ivr", "data": {"key": "1"}}],
    "routing": {
        "target": "7001",
        "rtype": "direct",
        "reason": "default",
        "ts": 2.0,
        "ms": 1.25,
        "why": ["the point's target"],
    },
    "timings": {"queue_s": 1.5},
    "ud": {"order": "42"},
    "opened": 1.0,
    "updated": 2.0,
    "expires": None,
}


COUNTS = {
    "sessions": 7,
    "links": 1,
    "actors": 20,
    "restarts": 2,
    "dead_letters": 0,
    "handled": 900,
}


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


def test_json_and_data_are_understood_before_and_after_the_command(node, tmp_path, capsys):
    node.answers["status"] = {"state": "running", "programs": {}}
    for words in (
        ["--json", "--data", str(tmp_path), "status"],
        ["status", "--json", "--data", str(tmp_path)],
        ["--data", str(tmp_path), "status", "--json"],
    ):
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["state"] == "running"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["actor"],
        ["actor", "show"],
        ["top", "--sort", "age"],
        ["tree", "--depth", "-1"],
        ["token", "create"],
        ["token", "create", "--scope", "root"],
        ["token", "create", "--scope", "ivr", "--expires", "soon"],
        ["feed", "--rate", "0", "--seconds", "1"],
        ["session", "find"],
        ["status", "--colour"],
    ],
)
def test_bad_usage_ends_with_64_and_says_why(words, capsys):
    assert main(words) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: vigie")
    assert "\nvigie: " in err


@pytest.mark.parametrize("words", [["actor", "show"], ["nonsense"], ["session", "find", "--ani"]])
def test_bad_usage_is_json_where_json_was_asked_for(words, capsys):
    for asked in ([*words, "--json"], ["--json", *words]):
        assert main(asked) == ExitCode.USAGE
        out, err = capsys.readouterr()
        assert err == ""
        assert json.loads(out)["error"]["code"] == ExitCode.USAGE
        assert json.loads(out)["error"]["msg"]


def test_json_and_data_are_understood_around_every_word_of_a_command(node, tmp_path, capsys):
    node.answers["GET /api/v1/tokens"] = {"items": []}
    data = ["--data", str(tmp_path)]
    for words in (
        ["token", "--json", *data, "list"],
        ["--json", "token", *data, "list"],
        [*data, "token", "list", "--json"],
    ):
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out) == {"items": []}


@pytest.mark.parametrize(
    "words",
    [["ping"], ["stop"], ["info"], ["tree"], ["session", "show", "c"], ["token", "list"]],
)
def test_without_a_node_every_command_ends_with_69(vigie, words):
    code, out, err = vigie(*words)
    assert (code, out) == (ExitCode.UNREACHABLE, "")
    assert "no anchor runs in" in err


def test_an_error_is_json_where_json_was_asked_for(vigie):
    code, out, _ = vigie("ping", "--json")
    assert json.loads(out)["error"]["code"] == code == ExitCode.UNREACHABLE


def test_ping_tells_an_anchor_without_its_node_apart(node, vigie):
    node.answers |= {"ping": {"pid": 7}, "status": {"programs": {"node": {"state": "running"}}}}
    code, out, _ = vigie("ping")
    assert (code, out.startswith("pong from process 7")) == (0, True)
    node.answers["status"] = {"programs": {"node": {"state": "backoff"}}}
    code, _, err = vigie("ping")
    assert code == ExitCode.UNREACHABLE
    assert "the anchor lives, but the node is backoff" in err


def test_status_shows_restarts_and_last_exits(node, vigie):
    program = {
        "state": "backoff",
        "pid": None,
        "incarnation": 4,
        "restarts": 3,
        "failures": 3,
        "since": 0.0,
        "next_start_in_s": 1.5,
        "last_exit": {"reason": "SIGKILL", "at": 0.0},
    }
    node.answers["status"] = {"state": "running", "programs": {"node": program}}
    _, out, _ = vigie("status")
    assert "backoff, starts in 1.5s" in out
    assert "SIGKILL" in out


def test_info_has_the_shape_of_the_contract_and_no_secret(node, vigie):
    node.answers["info"] = {
        "anchor": {"pid": 1, "python": "3.11.7", "started": 0.0, "uptime_s": 3.0},
        "programs": {
            "node": {"pid": 2, "state": "running", "version": "1", "operator_token": "secret"},
            "postgres": {"pid": 3, "state": "running", "version": "18.6"},
        },
        "listeners": {
            "http": {"host": "127.0.0.1", "port": 8080},
            "cti": {"host": "::1", "port": 7300},
        },
        "directory": "/data",
        "labels": {"version": "1", "config": "as shipped"},
    }
    node.answers["status"] = {"state": "running", "programs": {"node": {"restarts": 2}}}
    node.answers["GET /api/v1/node"] = {"version": "1", **COUNTS}
    code, out, _ = vigie("info", "--json")
    info = json.loads(out)
    assert code == 0
    assert [info[name]["pid"] for name in ("anchor", "node", "postgres")] == [1, 2, 3]
    assert (info["http"], info["cti"]) == ("http://127.0.0.1:8080", "[::1]:7300")
    assert info["restarts"] == {"node": 2}
    assert info["counts"] == COUNTS
    assert "secret" not in out
    shown = [line.split() for line in vigie("info")[1].splitlines()]
    assert ["sessions", "7"] in shown
    node.answers["GET /api/v1/node"] = Refusal(ExitCode.UNREACHABLE, "node is not running")
    assert json.loads(vigie("info", "--json")[1])["counts"] == {}
    assert "the node does not answer" in vigie("info")[1]


def test_the_tree_is_indented_with_status_restarts_and_mailbox(node, vigie):
    node.answers["GET /api/v1/tree"] = TREE
    code, out, _ = vigie("tree", "node", "--depth", "2")
    lines = [line.split() for line in out.splitlines()]
    assert code == 0
    assert out.splitlines()[2].startswith("  callSup")
    assert lines[2] == ["callSup", "crash_loop", "7", "3", "99", "ZeroDivisionError"]
    assert lines[3] == ["(20000", "dynamic)", "20000", "running", "4"]
    assert node.asked[-1][1]["query"] == {"path": "node", "depth": "2"}


def test_top_asks_the_server_who_has_most(node, vigie):
    row = {"path": "node/x", "status": "running", "mailbox": 5, "rate": 1.25, "restarts": 0}
    node.answers["GET /api/v1/top"] = {"items": [row]}
    _, out, _ = vigie("top", "--sort", "rate", "--limit", "3")
    assert out.splitlines()[1].split() == ["node/x", "running", "5", "1.2", "-", "0"]
    assert node.asked[-1][1]["query"] == {"attribute": "rate", "n": "3"}


def test_top_shows_who_grew_most_within_a_window(node, vigie):
    row = {"path": "node/x", "status": "running", "mailbox": 5, "rate": 1.25, "value": 7.5}
    node.answers["GET /api/v1/top"] = {"items": [row]}
    _, out, _ = vigie("top", "--sort", "rate", "--window", "5s", "--under", "node/x")
    assert out.splitlines()[0].endswith("NEW RATE/S")
    assert out.splitlines()[1].split()[-1] == "7.5"
    asked = {"attribute": "rate", "seconds": "5.0", "under": "node/x"}
    assert node.asked[-1][1]["query"] == asked


def test_the_path_of_an_actor_is_one_segment(node, vigie):
    node.answers["GET /api/v1/actors/node%2Fcall%20Sup"] = {
        "path": "node/call Sup",
        "since": 0.0,
        "links": ["node"],
        "history": [{"incarnation": 1, "at": 0.0, "reason": "killed"}],
    }
    code, out, _ = vigie("actor", "show", "node/call Sup")
    assert code == 0
    assert "incarnation 1  killed" in out


def test_the_state_of_an_actor_is_shown(node, vigie):
    node.answers["GET /api/v1/actors/node/state"] = {"path": "node", "state": {"open": 3}}
    assert json.loads(vigie("actor", "state", "node")[1])["state"] == {"open": 3}


@pytest.mark.parametrize(
    "action", ["suspend", "resume", "restart", "stop", "kill", "terminate", "delete"]
)
def test_an_action_on_an_actor_carries_its_reason(node, vigie, action):
    done = {"path": "node/x", "action": action, "reason": "a test"}
    node.answers[f"POST /api/v1/actors/node%2Fx/{action}"] = done
    code, out, _ = vigie("actor", action, "node/x", "--reason", "a test")
    assert (code, out) == (0, f"{action} node/x: a test\n")
    assert node.asked[-1][1]["body"] == {"reason": "a test"}


def test_a_session_is_shown_with_routing_journey_and_timings(node, vigie):
    node.answers["GET /api/v1/sessions"] = {"items": [SESSION]}
    code, out, _ = vigie("session", "show", "c-1")
    assert code == 0
    for words in ("routed to 7001 (direct, default) in 1.2 ms", "menu", "queue_s", "order"):
        assert words in out


def test_a_session_is_found_by_its_own_id_too(node, vigie):
    node.answers["GET /api/v1/sessions"] = {"items": []}
    node.answers[f"GET /api/v1/sessions/{SESSION['session']}"] = SESSION
    assert vigie("session", "show", SESSION["session"])[0] == 0
    code, _, err = vigie("session", "show", "c-2")
    assert (code, err) == (ExitCode.FAILED, "vigie: no session of call c-2\n")


@pytest.mark.parametrize("words", [("show", "c-1"), ("find", "--ani", "+33140000000")])
def test_a_store_that_cannot_answer_is_not_taken_for_nothing_there(node, vigie, words):
    problem = {"title": "Not available now", "detail": "the store cannot answer"}
    answer = {"status": 503, "body": problem, "headers": {"Retry-After": "5"}}
    node.answers["GET /api/v1/sessions"] = answer
    told = "vigie: Not available now: the store cannot answer; try again in 5 s\n"
    assert vigie("session", *words) == (ExitCode.TRY_AGAIN, "", told)


def test_sessions_of_a_number_are_listed(node, vigie):
    node.answers["GET /api/v1/sessions"] = {"items": [SESSION]}
    _, out, _ = vigie("session", "find", "--ani", "+33 1 40 00 00 00")
    assert "c-1" in out.splitlines()[1]
    node.answers["GET /api/v1/sessions"] = {"items": []}
    assert vigie("session", "find", "--ani", "9") == (0, "no session of 9\n", "")


def test_a_token_is_made_listed_and_revoked(node, vigie):
    made = {"token": "secret", "id": "t1", "scope": "ivr"}
    node.answers["POST /api/v1/tokens"] = {"status": 201, "body": made}
    assert vigie("token", "create", "--scope", "ivr", "--expires", "12h")[1] == "secret\n"
    wanted = {"scope": "ivr", "name": "", "expires_s": 43_200.0}
    assert node.asked[-1][1]["body"] == wanted
    assert json.loads(vigie("token", "create", "--scope", "ivr", "--json")[1]) == made
    row = {"id": "t1", "scope": "ivr", "name": "menu", "created": 1.0, "expires": None}
    node.answers["GET /api/v1/tokens"] = {"items": [row]}
    assert vigie("token", "list")[1].splitlines()[1].split()[:3] == ["t1", "ivr", "menu"]
    node.answers["DELETE /api/v1/tokens/t1"] = {"status": 204, "body": None}
    assert vigie("token", "revoke", "t1") == (0, "revoked t1\n", "")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.USAGE),
        (403, ExitCode.NOT_PERMITTED),
        (404, ExitCode.FAILED),
        (410, ExitCode.FAILED),
        (429, ExitCode.TRY_AGAIN),
        (500, ExitCode.FAILED),
        (503, ExitCode.TRY_AGAIN),
    ],
)
def test_a_problem_of_the_api_becomes_an_exit_code_and_words(node, vigie, status, code):
    problem = {"title": "Bad", "detail": "so it is", "field": "depth", "rule": "at most 64"}
    node.answers["GET /api/v1/tree"] = {"status": status, "body": problem}
    assert vigie("tree") == (code, "", "vigie: Bad: so it is (depth: at most 64)\n")


def test_a_node_that_is_down_behind_its_anchor_ends_with_69(node, vigie):
    node.answers["GET /api/v1/tree"] = Refusal(ExitCode.UNREACHABLE, "node is not running")
    assert vigie("tree") == (ExitCode.UNREACHABLE, "", "vigie: node is not running\n")


def test_config_check_names_every_mistake_and_ends_with_64(vigie, tmp_path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("[http]\nport = 1234\n")
    bad.write_text('[http]\nport = 99999\n[cti]\nprot = 1\nhost = ""\n')
    assert vigie("config", "check", str(good))[0] == 0
    code, out, _ = vigie("config", "check", str(bad), "--json")
    assert code == ExitCode.USAGE
    found = json.loads(out)
    assert {item["key"] for item in found["mistakes"]} == {"http.port", "cti.prot", "cti.host"}
    assert all(item["rule"] for item in found["mistakes"])
    assert f"{bad}: 3 mistakes\n" in vigie("config", "check", str(bad))[1]
    bad.write_text("[http]\nport = 99999\n")
    assert f"{bad}: 1 mistake\n" in vigie("config", "check", str(bad))[1]


def test_config_check_without_a_file_checks_the_one_that_ships(vigie):
    code, out, _ = vigie("config", "check", "--json")
    assert (code, json.loads(out)["valid"]) == (0, True)


def test_a_foreign_package_in_place_of_a_room_is_refused(tmp_path, capsys, monkeypatch):
    home, foreign = tmp_path / "vigie", tmp_path / "foreign" / "supervision"
    found = {name: home / name for name in rooms.ROOMS}
    assert rooms.mistake(found) is None
    monkeypatch.setattr(rooms, "found", lambda: {**found, "supervision": foreign})
    assert main(["ping"]) == ExitCode.USAGE
    assert f"{foreign} is not vigie's package supervision" in capsys.readouterr().err
    assert "missing" in rooms.mistake({**found, "protocols": None})


def test_the_rooms_of_this_installation_belong_together():
    assert rooms.mistake(rooms.found()) is None


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)]
)
def test_a_duration_has_a_unit_or_is_seconds(written, seconds):
    assert duration(written) == seconds


@pytest.mark.parametrize("written", ["", "m", "-1", "0", "nan", "inf", "1y", "1e999"])
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(Exception, match="required"):
        duration(written)
    with pytest.raises(Exception, match="a number above 0"):
        positive(written)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.2s"), (61, "1m 1s"), (7260, "2h 1m"), (90_000, "1d 1h")],
)
def test_elapsed_time_is_told_in_its_two_greatest_units(seconds, words):
    assert text.elapsed(seconds) == words


def test_alarms_are_listed_and_none_is_said_in_a_word(node, vigie):
    node.answers["GET /api/v1/alarms"] = {"items": [], "next_cursor": None, "total": 0}
    assert vigie("alarms") == (0, "no alarms\n", "")
    item = {
        "name": "disk-low",
        "path": "node/callSup/contextStore",
        "severity": "minor",
        "text": "1 % left",
        "since": 1.0,
        "at": 2.0,
        "repeats": 3,
    }
    node.answers["GET /api/v1/alarms"] = {"items": [item], "next_cursor": "x", "total": 2}
    code, out, _ = vigie("alarms")
    assert code == 0
    assert "disk-low  minor     node/callSup/contextStore        3  1 % left" in out
    assert out.endswith("... 1 more\n")


def test_the_database_is_shown_with_its_hosts_and_its_pool(node, vigie):
    pool = {"connections": 8, "configured": 4, "limit": 32, "hosts": 2, "leaving": 0}
    host = {"role": "primary", "why": "", "breaker": "closed", "failed": 0, "opened": 3}
    shown = {
        "state": "up",
        "primary": "db-a:5432",
        "hosts": {
            "db-a:5432": host,
            "db-b:5432": host | {"role": "unreachable", "breaker": "open", "why": "refused"},
        },
        "connections": {"odbcConnection-1": "idle", "odbcConnection-2": "busy"},
        "waiting": 1,
        "running": 2,
        "queries": 70,
        "pool": pool,
        "customers": {},
    }
    node.answers["GET /api/v1/database"] = shown
    code, out, _ = vigie("database", "show")
    assert code == 0
    assert "1 busy, 1 idle" in out
    assert "8 to each of 2 hosts, database.connections says 4; at most 32" in out
    assert "db-b:5432  unreachable  open" in out
    node.answers["GET /api/v1/database"] = shown | {"pool": None, "hosts": {}, "connections": {}}
    assert "pool         none" in vigie("database", "show")[1]
    node.answers["POST /api/v1/database/pool"] = pool | {"connections": 4}
    code, out, _ = vigie("database", "pool", "4", "--reason", "quiet again")
    assert (code, out) == (0, "pool: 4 to each of 2 hosts; at most 32\n")
    assert vigie("database", "pool", "0")[0] == 64
