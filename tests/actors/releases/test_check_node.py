"""The check in a node that runs, of releases that are copies of this one with a change."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors.cli import rooms
from actors.cli.peer import Peer
from actors.releases import manifest as manifests
from actors.releases.manifest import Compose, Manifest
from actors.session_record import VERSION

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PATIENCE_S = 120.0
SESSIONS = 20
CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
"""

CONVERSIONS = """
def _up(plain):
    state, session = plain
    {up}
    return [state, {{**session, "priority": 1}}]


def _down(plain):
    state, session = plain
    del session["priority"]
    {down}
    return [state, session]


WAYS = Conversions(
    up={{**WAYS.up, VERSION - 1: _up}}, down={{**WAYS.down, **{ways}}}
)
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node with some sessions; its data directory."""
    place = tmp_path_factory.mktemp("node")
    (place / "vigie.toml").write_text(CONFIG)
    data, environ = place / "data", os.environ | {"PYTHONPATH": str(rooms.home())}
    vigie = [sys.executable, "-P", "-m", "actors.cli"]
    options = ["--data", str(data)]
    start = [*vigie, "start", "--config", str(place / "vigie.toml"), *options]
    subprocess.run(start, check=True, env=environ, timeout=PATIENCE_S)
    try:
        with Peer(data, PATIENCE_S) as peer:
            for number in range(SESSIONS):
                peer.api("POST", "sessions", body={"call": f"c{number}", "ani": "+33123456789"})
        yield data
    finally:
        subprocess.run([*vigie, "stop", *options], check=True, env=environ, timeout=PATIENCE_S)


def replace(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1, (file, old)
    file.write_text(text.replace(old, new))


@pytest.fixture
def other(node, tmp_path):
    """Records a copy of this release with a change as another one; returns its version."""

    def make(change):
        home = tmp_path / "other"
        for room in rooms.ROOMS:
            # With what is compiled, but for what another process is just writing.
            ignored = shutil.ignore_patterns("*.pyc.*")
            shutil.copytree(rooms.home() / room, home / room, ignore=ignored)
        if (rooms.home() / "etc").is_dir():  # a checkout; what is installed has it elsewhere
            shutil.copytree(rooms.home() / "etc", home / "etc")
            shutil.copy(rooms.home() / "pyproject.toml", home)
        change(home)
        vsn = f"9.{tmp_path.name.strip('_')[-20:].replace('_', '-')}"
        argv = (sys.executable, "-P", "-m", "actors.cli.compose")
        compose = Compose(argv, {"PYTHONPATH": str(home)})
        found = Manifest(vsn=vsn, origin="external", path=str(home), compose=compose)
        directory = node / "releases" / vsn
        directory.mkdir()
        (directory / "manifest.json").write_bytes(manifests.encode(found))
        return vsn

    return make


def priority(up="", down="", ways="{VERSION: _down}"):
    """Give sessions a field more, with these conversions."""

    def change(home):
        field = "    once: tuple[Once, ...] = ()\n"
        data, record = home / "actors" / "session_data.py", home / "actors" / "session_record.py"
        replace(data, field, f"{field}    priority: int = 3\n")
        replace(record, f"VERSION = {VERSION}\n", f"VERSION = {VERSION + 1}\n")
        conversions = CONVERSIONS.format(up=up or "pass", down=down or "pass", ways=ways)
        after = "SHARED = 10_000\n"  # stands behind the ways, and before they are used
        replace(record, after, f"{conversions}\n\n{after}")

    return change


def check(node, vsn, **args):
    with Peer(node, PATIENCE_S) as peer:
        return peer.ask("release.check", {"vsn": vsn, **args})


def tried(plan):
    (line,) = [line for line in plan["dry_run"] if line.get("type") == "sessions"]
    return line["tried"], line["failed"], line["lost"]


def test_conversions_that_lead_there_and_back_are_tried_on_every_session(node, other):
    plan = check(node, other(priority()))
    assert (plan["ok"], plan["why"]) == (True, [])
    assert tried(plan) == (SESSIONS, 0, 0)
    assert [line["type"] for line in plan["states"]] == ["session"]


def test_a_conversion_that_raises_on_some_sessions_refuses(node, other):
    plan = check(node, other(priority(up='assert not session["call"].endswith("7")')))
    assert tried(plan) == (SESSIONS, 2, 0)
    assert not plan["ok"]
    assert any("2 of 20 cannot be taken in" in why for why in plan["why"])


def test_what_a_downgrade_loses_refuses_unless_it_is_forced(node, other):
    vsn = other(priority(down='del session["ani"]'))
    plan = check(node, vsn)
    assert (plan["ok"], tried(plan)) == (False, (SESSIONS, 0, SESSIONS))
    assert "+33" not in str(plan)  # values are nobody's business
    assert check(node, vsn, force=True)["ok"]


def test_a_missing_downgrade_refuses_even_if_it_is_forced(node, other):
    vsn = other(priority(ways="{}"))
    for force in (False, True):
        plan = check(node, vsn, force=force)
        assert not plan["ok"]
        assert any(f"no downgrade from {VERSION + 1} to {VERSION}" in why for why in plan["why"])


def test_a_release_that_cannot_be_imported_is_not_tried(node, other):
    def change(home):
        file = home / "actors" / "routing.py"
        file.write_text(file.read_text() + "\nimport nowhere_at_all\n")

    vsn = other(change)
    with pytest.raises(Exception, match="No module named 'nowhere_at_all'"):
        check(node, vsn)


def test_a_child_more_is_a_difference_of_the_trees(node, other):
    def change(home):
        file = home / "actors" / "tree.py"
        line = '            ChildSpec("timeServer", TimeServer, args.calendars),\n'
        replace(file, line, line + line.replace("timeServer", "timeServer2"))
        server = home / "actors" / "time_server.py"
        text = server.read_text()
        server.write_text(
            text.replace(
                "self.register(NAME)", "self.address.path.endswith('2') or self.register(NAME)"
            )
        )

    plan = check(node, other(change))
    assert any(line["path"] == "node/timeServer2" for line in plan["tree"])


def test_what_a_downgrade_of_the_counters_loses_is_found(node, other):
    def change(home):
        file = home / "actors" / "takeover" / "counters.py"
        replace(file, "VERSION = 2\n", "VERSION = 3\n")
        replace(file, "    level: Level\n", "    level: Level\n    third: int = 0\n")
        replace(file, "{1: _with_level}", "{1: _with_level, 2: dict}")
        lost = 'lambda state: {**state, "lost": 12}'
        replace(file, "{2: _without_level}", f"{{2: _without_level, 3: {lost}}}")

    plan = check(node, other(change))
    (line,) = [line for line in plan["dry_run"] if line.get("type") == "counters"]
    assert (line["tried"], line["failed"], line["lost"]) == (1, 0, 1)
    assert any(why.startswith("counters: the way back loses something") for why in plan["why"])


def test_the_node_serves_as_before_whatever_was_tried(node):
    with Peer(node, PATIENCE_S) as peer:
        shown = peer.api("GET", "sessions", {"ani": "+33123456789", "open": 1, "limit": 50})
        assert shown["total"] == SESSIONS
    assert not list(Path(node, "releases").glob(".check.*"))
