"""start, restart and stop with real anchors and a node of the tests' own."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from actors.cli import composition, main
from actors.config import load
from supervision.anchor.messages import ExitCode
from supervision.anchor.testing import PATIENCE_S, wait_gone

pytestmark = pytest.mark.system

NODE = Path(__file__).with_name("cli_node.py")
CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
[anchor]
start_timeout_s = 15.0
stop_timeout_s = 5.0
restart_min_s = 0.02
restart_max_s = 0.1
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "vigie.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture
def vigie(tmp_path, config, capfd, monkeypatch):
    """Run commands whose node is the tests' own; stop what they started."""
    made = composition._node

    def node(*args):
        spec = made(*args)
        return replace(spec, argv=(sys.executable, str(NODE), *spec.argv[4:]))

    monkeypatch.setattr(composition, "_node", node)

    def run(*words):
        data = ["--data", str(tmp_path / "var")]
        code = main([*words, *data, *(["--config", str(config)] if words[0] == "start" else [])])
        out, err = capfd.readouterr()
        return code, out, err

    yield run
    run("stop")


def test_a_start_returns_when_the_node_is_ready_and_says_where_it_is(vigie, tmp_path):
    code, out, _ = vigie("start")
    assert code == 0
    address, link, data, token = out.splitlines()
    assert address.startswith("vigie runs at http://127.0.0.1:")
    assert link.startswith("CTI link 127.0.0.1:")
    assert data == f"data {tmp_path / 'var'}"
    assert token.startswith("operator token vgo-secret")
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
    assert "vgo-secret" not in vigie("info")[1]


def test_the_node_is_told_data_and_configuration_as_absolute_paths(vigie, tmp_path, config):
    vigie("start")
    asked = json.loads(vigie("top", "--json")[1])
    assert asked["argv"] == [f"--data={tmp_path / 'var'}", f"--config={config}"]


def test_a_second_start_is_refused_and_the_first_goes_on(vigie, tmp_path):
    first = json.loads(vigie("start", "--json")[1])
    code, out, err = vigie("start")
    assert (code, out) == (ExitCode.FAILED, "")
    assert f"its anchor is process {first['anchor']['pid']}" in err
    assert vigie("ping")[0] == 0


def test_a_start_that_fails_says_why_with_the_nodes_last_words(vigie, monkeypatch):
    monkeypatch.setenv("CLI_NODE_FAILS", "yes")
    code, _, err = vigie("start")
    assert code == ExitCode.FAILED
    assert "not started: node ended before it was ready: exit 1" in err
    assert "the tree did not start: a reason" in err
    assert vigie("ping")[0] == ExitCode.UNREACHABLE


def test_a_configuration_with_mistakes_starts_nothing(vigie, config, tmp_path):
    config.write_text("[http]\nport = -1\n")
    code, out, _ = vigie("start")
    assert code == ExitCode.USAGE
    assert "http.port" in out
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("place", ["/etc/passwd", "/etc/passwd/below", "/proc/nope"])
def test_a_data_directory_that_cannot_be_one_is_told_in_one_line(config, capfd, place):
    code = main(["start", "--data", place, "--config", str(config)])
    out, err = capfd.readouterr()
    assert (code, out) == (ExitCode.USAGE, "")
    assert err.startswith(f"vigie: {place} cannot be the data directory: ")
    assert len(err.splitlines()) == 1


def test_a_later_start_says_where_the_operator_token_is(vigie, tmp_path, monkeypatch):
    file = tmp_path / "var" / "operator.token"
    file.parent.mkdir()
    file.write_text("vgo-secret\n")
    monkeypatch.setenv("CLI_NODE_IS_OLD", "yes")
    assert vigie("start")[1].splitlines()[-1] == f"operator token in {file}"


def test_a_restart_keeps_the_addresses_and_changes_the_process(vigie):
    before = json.loads(vigie("start", "--json")[1])
    code, out, _ = vigie("restart")
    after = json.loads(vigie("info", "--json")[1])
    assert (code, out) == (0, f"node restarted, process {after['node']['pid']}\n")
    assert before["node"]["pid"] != after["node"]["pid"]
    assert before["http"] == after["http"]
    assert after["restarts"] == {"node": 0}
    assert vigie("restart", "--program", "nothing")[0] == ExitCode.USAGE


def test_a_stop_returns_when_nothing_is_left_and_a_start_follows_at_once(vigie):
    for _ in range(2):
        started = json.loads(vigie("start", "--json")[1])
        assert vigie("stop")[0] == 0
        for name in ("anchor", "node"):
            wait_gone(started[name]["pid"], 0.0)


def test_a_killed_anchor_does_not_block_the_next_start(vigie):
    started = json.loads(vigie("start", "--json")[1])
    os.kill(started["anchor"]["pid"], signal.SIGKILL)
    wait_gone(started["anchor"]["pid"])  # its socket goes before its lease does
    assert vigie("ping")[0] == ExitCode.UNREACHABLE
    assert vigie("start")[0] == 0
    wait_gone(started["node"]["pid"], 0.0)


def test_in_the_foreground_the_command_becomes_the_anchor(tmp_path, config):
    data = tmp_path / "var"
    launcher = (
        "import sys, dataclasses\n"
        "from actors.cli import composition, main\n"
        "made = composition._node\n"
        f"node = (sys.executable, {str(NODE)!r})\n"
        "composition._node = lambda *args: dataclasses.replace(made(*args), argv=node)\n"
        "sys.exit(main())\n"
    )
    words = ["start", "--foreground", "--data", data, "--config", config]
    running = subprocess.Popen(
        [sys.executable, "-c", launcher, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with running.stdout as out:
        lines = [out.readline() for _ in range(4)]
        assert lines[0].startswith(b"vigie runs at http://")
        assert (data / "anchor.lock").read_text() == f"{running.pid}\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE_S) == 0


def test_an_embedded_server_is_left_out_where_a_dsn_is_configured(tmp_path):
    data = tmp_path / "var"
    embedded = composition.anchor_spec(load(None, {}), data, None, os.environ)
    assert [program.name for program in embedded.programs] == ["postgres", "node"]
    dsn = embedded.program("node").env["VIGIE_DATABASE__DSN"]
    assert dsn.startswith("postgresql:///vigie?user=vigie&host=")
    own = {"VIGIE_DATABASE__DSN": "postgresql://elsewhere/vigie"}
    external = composition.anchor_spec(load(None, own), data, None, os.environ)
    assert [program.name for program in external.programs] == ["node"]
    assert list(external.program("node").env) == ["PYTHONPATH"]
    assert external.stop_bound_s <= embedded.stop_bound_s == pytest.approx(20.0)
