"""A journey across calls on a whole node with its own PostgreSQL, which is killed in between."""

import json
import os
import signal
import urllib.request

import pytest

from actors.cli import main
from supervision.anchor.testing import wait_for

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[anchor]
restart_min_s = 0.05
[sessions]
linger_s = 0.1
[database]
store_interval_ms = 10
query_timeout_ms = 2_000
[overload]  # a busy machine is not what is tried here
new_after_ms = 50_000
all_after_ms = 60_000
"""
ANI = "+33612345678"
PATIENCE_S = 60.0


class World:
    """A node, its command line and its API.

    Args:
        directory: of the node.
        capfd: what commands print.
    """

    def __init__(self, directory, capfd):
        self.data, self.capfd = directory / "var", capfd
        config = directory / "vigie.toml"
        config.write_text(CONFIG)
        assert self.vigie("start", "--config", str(config))[0] == 0
        self.url = json.loads(self.vigie("info", "--json")[1])["http"]
        self.token = (self.data / "operator.token").read_text().strip()

    def vigie(self, *words):
        code = main([*words, "--data", str(self.data)])
        return code, self.capfd.readouterr()[0]

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def begin(self, call, step):
        """A call of the customer, and a step of it."""
        session = self.ask("POST", "sessions", {"call": call, "ani": ANI})["session"]
        self.ask("POST", f"sessions/{session}/events", {"ev": "in", "step": step})
        return session

    def across(self, session):
        return self.ask("GET", f"sessions/{session}/journey?across=1")

    def node(self):
        return json.loads(self.vigie("info", "--json")[1])["node"]

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=PATIENCE_S) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self):
        """Kill the node, and wait until the next one serves."""
        pid = self.node()["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.node()["pid"] not in (pid, None) and self.is_ready(), PATIENCE_S)


@pytest.fixture
def world(tmp_path, capfd):
    made = World(tmp_path, capfd)
    yield made
    made.vigie("stop")


def steps(call):
    return [step["step"] for step in call["journey"]]


def test_previous_calls_are_there_after_the_node_was_killed(world):
    first = world.begin("c-1", "menu")
    world.ask("POST", f"sessions/{first}/close", {"reason": "hung up"})
    second = world.begin("c-2", "balance")
    wait_for(lambda: world.across(second)["complete"], PATIENCE_S)
    world.kill()
    third = world.begin("c-3", "payment")

    def told():
        found = world.across(third)
        return found["complete"] and found

    found = wait_for(told, PATIENCE_S)
    assert steps(found) == ["payment"]
    assert [(one["call"], one["state"], steps(one)) for one in found["previous"]] == [
        ("c-2", "ivr", ["balance"]),
        ("c-1", "closed", ["menu"]),
    ]
    code, shown = world.vigie("session", "show", "c-3")
    assert code == 0
    assert "previous calls" in shown
    for words in ("c-2  ivr  by ani", "c-1  closed  by ani", "menu", "balance"):
        assert words in shown
