"""vigie route: the rules of routing, from the files alone."""

import json

import pytest

from actors.cli import main, route_commands
from actors.etc_files import etc_file
from actors.routing_core import facts
from supervision.anchor.messages import ExitCode

MONDAY = "2026-11-23T10:00+01:00"
SALES = ("route", "explain", "--ani", "01 42 34 56 78", "--rp", "sales")


@pytest.fixture
def vigie(capsys):
    """Run a command: exit code, stdout, stderr."""

    def run(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def explained(vigie, *words):
    code, out, err = vigie(*SALES, "--json", *words)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_a_decision_is_shown_with_its_reasons(vigie):
    code, out, err = vigie(*SALES, "--at", MONDAY, "--ready", "all")
    assert (code, err) == (0, "")
    assert out.startswith("7100 (direct_agent), most-idle, then 7001, 7002, 7009\n")
    assert "\n  1. caller: +33142345678 (public)\n" in out
    assert "routing point sales: open, calendar office" in out
    assert "\nsent along:\n  ani = +33142345678\n" in out


def test_the_moment_decides_what_is_open(vigie):
    assert explained(vigie, "--at", MONDAY)["decision"]["reason"] == "callback-offer"
    closed = explained(vigie, "--at", "2026-11-23T21:00+01:00")
    assert closed["decision"]["target"] == "ann-closed"
    assert closed["treat"] == {"announcement": "closed-sales"}
    assert closed["steps"][-1]["step"] == "routing_point"
    assert explained(vigie, "--at", "1795424400")["at"] == 1_795_424_400.0
    assert explained(vigie)["at"] > 1_700_000_000


def test_what_is_supposed_of_the_customer_counts(vigie):
    facts = ("--fact", "segment=gold", "--fact", "products=none,fibre", "--fact", "vip=true")
    told = explained(vigie, "--at", MONDAY, *facts)
    assert told["prio"] == 3
    assert told["send"] == {
        "ani": "+33142345678",
        "customer.segment": "gold",
        "platform": "north",
    }
    assert "condition 1 is met" in told["decision"]["why"][6]


def test_a_target_that_was_tried_is_not_chosen(vigie):
    told = explained(vigie, "--at", MONDAY, "--ready", "a100", "--tried", "7100")
    assert told["decision"]["target"] == "7001"
    assert told["decision"]["reason"] == "reroute"
    assert told["expected_wait_s"] == 180.0


def test_it_says_which_rules_it_rests_on(vigie, tmp_path):
    rules = tmp_path / "mine.toml"
    rules.write_text("version = 7\n[rp.sales]\nqueue = 'q'\n[queue.q]\ntarget = 'acd'\n")
    told = explained(vigie, "--rules", rules)
    assert told["decision"]["target"] == "acd"
    assert told["rules"]["number"] == 7
    assert told["rules"]["file"] == str(rules)
    assert len(told["rules"]["sha256"]) == 64
    assert told["expected_wait_s"] is None


def test_the_targets_of_the_configuration_are_those_that_are_named(vigie, tmp_path):
    config = tmp_path / "vigie.toml"
    config.write_text("[routing]\ndefault_target = '4711'\n")
    assert explained(vigie, "--rp", "x", "--config", config)["decision"]["target"] == "4711"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--at", "soon"], "argument --at: 'soon': a moment such as"),
        (["--at", "-1"], "a moment such as"),
        (["--at", "1e300"], "a moment such as"),
        (["--at", "9" * 400], "a moment such as"),
        (["--at", "9999-12-31"], "a moment such as"),
        (["--fact", "gold"], "a fact such as segment=gold"),
        (["--prio", "high"], "a whole number"),
        (["--lang", "x" * 1_025], "at most 1024 characters"),
    ],
)
def test_bad_usage_ends_with_64_and_says_why(vigie, words, says):
    code, out, err = vigie(*SALES, *words)
    assert (code, out) == (ExitCode.USAGE, "")
    assert says in err


@pytest.mark.parametrize(
    ("words", "field", "says"),
    [
        (["--fact", "colour=red"], "fact", "colour is no fact: they are id, segment"),
        (["--fact", "vip=perhaps"], "fact", "a fact is wrong"),
        (["--ready", "nobody"], "ready", "nobody is no agent of the rules"),
    ],
)
def test_what_there_is_not_is_refused_by_name(vigie, words, field, says):
    code, out, _ = vigie(*SALES, "--json", *words)
    assert code == ExitCode.USAGE
    error = json.loads(out)["error"]
    assert error["field"] == field
    assert says in error["msg"]


def test_what_ships_is_valid(vigie):
    code, out, _ = vigie("route", "check")
    assert code == 0
    assert out.startswith(f"{etc_file('routing.toml')} is valid: version 1 (")
    code, out, _ = vigie("route", "check", "--json")
    assert json.loads(out)["mistakes"] == []


@pytest.mark.parametrize("command", [("check",), ("explain", "--ani", "1", "--rp", "x", "--rules")])
def test_every_mistake_of_the_rules_is_named_with_file_line_and_key(vigie, tmp_path, command):
    rules = tmp_path / "routing.toml"
    rules.write_text("version = 1\n[rp.a]\nprio = 'high'\nqueu = 'q'\n")
    code, out, _ = vigie("route", *command, rules)
    assert code == ExitCode.USAGE
    assert out.splitlines() == [
        f"{rules}: 2 mistakes",
        f'{rules}:3: rp.a.prio: must be an integer from -100 to 100 (found "high")',
        f'{rules}:4: rp.a.queu: is not a known key; did you mean queue? (found "q")',
    ]
    code, out, _ = vigie("route", *command, rules, "--json")
    assert json.loads(out)["mistakes"][0] == {
        "file": str(rules),
        "line": 3,
        "key": "rp.a.prio",
        "rule": "must be an integer from -100 to 100",
        "value": '"high"',
    }


def test_a_file_that_is_not_there_is_named(vigie, tmp_path):
    code, out, _ = vigie("route", "check", tmp_path / "none.toml")
    assert code == ExitCode.USAGE
    assert "the file cannot be read: No such file" in out


def test_a_configuration_with_mistakes_is_refused(vigie, tmp_path):
    config = tmp_path / "vigie.toml"
    config.write_text("[routing]\nregion = 'XX'\n")
    code, out, _ = vigie(*SALES, "--config", config)
    assert code == ExitCode.USAGE
    assert "routing.region: must be a region" in out


def test_the_parser_knows_the_last_moment_of_calendars():
    assert route_commands.LAST_EPOCH_S == facts.LAST_EPOCH_S
