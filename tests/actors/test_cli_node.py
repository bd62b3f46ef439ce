"""The command line with a whole node and its embedded PostgreSQL."""

import os
import re
import signal
import urllib.request

import pytest

from supervision.anchor.testing import wait_for, wait_gone

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[anchor]
restart_min_s = 0.05
"""
FEED = """\
{"at": 0.0, "frame": {"t": "rp.register", "rp": ["*"]}}
{"at": 0.1, "frame": {"t": "route.request", "xref": "x1", "call": "c1", "rp": "sales", \
"ani": "+33142685300", "ts": 1.0}}
{"at": 0.2, "frame": {"t": "route.request", "xref": "x2", "call": "c2", "rp": "sales", \
"ani": "0142345678", "ts": 1.0}}
"""


def ready(vigie):
    """Whether the node and PostgreSQL serve."""
    code, info = vigie("info")
    assert code == 0
    return info["node"]["state"] == info["postgres"]["state"] == "running" and info


def test_a_node_is_looked_at_fed_and_searched(vigie, tmp_path):
    info = wait_for(lambda: ready(vigie))
    with urllib.request.urlopen(f"{info['http']}/readyz", timeout=10) as answer:
        assert answer.status == 200
    _, tree = vigie("tree")
    assert [child["name"] for child in tree["children"]][:2] == ["logSup", "timeServer"]
    feed = tmp_path / "feed.jsonl"
    feed.write_text(FEED)
    code, report = vigie("feed", str(feed))
    assert (code, report["sent"], report["answered"], report["lost"]) == (0, 2, 2, 0)
    assert report["comparison"] == {"compared": 2, "different": 0, "differences": []}
    counts = vigie("info")[1]["counts"]
    assert (counts["sessions"], counts["restarts"]) == (2, 0)
    assert counts["actors"] > counts["sessions"]
    _, session = vigie("session", "show", "c1")
    assert (session["ani"], session["routing"]["target"]) == ("+33142685300", "7000")
    # PostgreSQL may still be starting: until it can tell, the answer is 503, and no empty list.
    found = wait_for(lambda: find(vigie, "01 42 68 53 00"))
    assert [item["session"] for item in found["items"]] == [session["session"]]
    _, tokens = vigie("token", "list")
    assert [item["name"] for item in tokens["items"]] == ["operator"]
    an_actor_is_watched_and_mended(vigie, tmp_path)


def find(vigie, number):
    code, found = vigie("session", "find", "--ani", number)
    return found if code == 0 else None


def an_actor_is_watched_and_mended(vigie, tmp_path):
    path = "node/timeServer"
    assert vigie("actor", "status", path)[1]["status"] == "running"
    assert vigie("actor", "log", path, "on", "--file")[1]["file"].startswith(str(tmp_path))
    assert vigie("actor", "statistics", path, "on")[1]["on"]
    code, traced = vigie("actor", "trace", path, "--messages", "2", "--seconds", "1")
    assert (code, traced["trace"]["ended"] in {"messages", "seconds"}) == (0, True)
    assert vigie("actor", "trace", path, "--messages", "2", "--seconds", "2h")[0] == 64
    assert vigie("actor", "status", path)[1]["debug"] == ["log", "log_to_file", "statistics"]
    assert vigie("actor", "no-debug", path)[0] == 0
    assert vigie("actor", "children", "node")[1]["total"] >= 3
    for action in ("suspend", "resume", "terminate", "restart", "stop"):
        assert vigie("actor", action, path, "--reason", "a test")[1]["by"] == "local"
    assert vigie("top", "--sort", "rate", "--window", "0.2")[1]["seconds"] == 0.2
    assert vigie("top", "--sort", "memory", "--limit", "3")[1]["counted"] > 3
    assert vigie("node")[1]["watched"] == 0


def test_what_is_killed_comes_back(vigie, tmp_path):
    before = wait_for(lambda: ready(vigie))
    assert re.fullmatch(r"\S+\n?", (tmp_path / "var/operator.token").read_text())
    for name in ("postgres", "node"):
        os.kill(before[name]["pid"], signal.SIGKILL)
    after = wait_for(lambda: (info := ready(vigie)) and all(info["restarts"].values()) and info)
    assert after["restarts"] == {"postgres": 1, "node": 1}
    assert after["http"] == before["http"]
    os.kill(after["anchor"]["pid"], signal.SIGKILL)
    for name in ("node", "postgres"):
        wait_gone(after[name]["pid"])
    assert vigie("start", "--config", str(tmp_path / "vigie.toml"))[0] == 0
