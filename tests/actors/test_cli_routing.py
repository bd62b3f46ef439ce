"""Rules of routing on the command line, with a whole node: applied live, asked, kept."""

import os
import signal

import pytest

from supervision.anchor.testing import wait_for

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[anchor]
restart_min_s = 0.05
[rp.sales]
target = "7001"
"""
RULES = """
version = {version}
[rp.sales]
queue = "sites"
[queue.sites]
strategy = "percentage"
destinations = [{{ target = "{target}", percent = 100 }}]
"""
ASK = ("route", "explain", "--live", "--ani", "0142345678", "--rp", "sales")


def rules(path, version, target):
    path.write_text(RULES.format(version=version, target=target))
    return path


def target(vigie):
    code, told = vigie(*ASK)
    return None if code else told["decision"]["target"]


def test_rules_are_checked_applied_live_asked_and_kept(vigie, tmp_path):
    file = rules(tmp_path / "mine.toml", 2, "north")
    assert target(vigie) == "7001"
    assert vigie("route", "apply", file, "--check")[0] == 0
    assert target(vigie) == "7001"
    code, applied = vigie("route", "apply", file, "--reason", "a new site")
    assert (code, applied["version"]["number"], applied["before"]["number"]) == (0, 2, 0)
    assert target(vigie) == "north"
    assert vigie("route", "apply", rules(file, 2, "south"))[0] == 1
    assert vigie("route", "apply", rules(file, 3, "not a target"))[0] == 64
    _, found = vigie("route", "status")
    assert (found["version"]["number"], found["points"]) == (2, ["sales"])
    _, info = vigie("info")
    os.kill(info["node"]["pid"], signal.SIGKILL)
    assert wait_for(lambda: target(vigie) == "north")


def test_what_a_node_has_of_its_own_cannot_be_supposed(vigie):
    assert vigie(*ASK, "--ready", "all")[0] == 64
