"""Node's `soap`, built from the WSDL that a real node serves, does every operation.

It runs where Node is there with the package: `scripts/test` installs it where npm and a network
are; so does `npm install --prefix tests/peers`, or elsewhere with `NODE_PATH` set to its
`node_modules`.
"""

import contextlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from soap_node import SoapNode

from actors.web.soap_records import TWINS

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
PATIENCE_S = 60


def node_js(*words):
    done = subprocess.run(
        ["node", *words], cwd=HERE, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A node, where there is a client for it."""
    if shutil.which("node") is None:
        pytest.skip("Node is missing")
    if node_js("-e", "require.resolve('soap')")[0]:
        pytest.skip("Node's package soap is missing: no npm or network, or npm install was not run")
    with contextlib.ExitStack() as stack:
        yield SoapNode(tmp_path_factory.mktemp("node"), stack)


def told(wsdl, token, call):
    """What the client printed."""
    code, out, err = node_js("session_context.cjs", str(wsdl), token, call)
    assert code == 0, err
    return json.loads(out)


@pytest.fixture(scope="module")
def said(served):
    return told(served.wsdl, served.token(), "node-1")


def test_it_finds_every_operation_in_the_wsdl(said):
    assert sorted(said["described"]) == sorted(twin.name for twin in TWINS)


def test_it_opens_finds_and_reads_a_session(said):
    view = said["opened"]["session"]
    assert (said["opened"]["created"], view["rev"], view["ani"]) == (True, 1, "+33612345678")
    assert view["expires"] is not None
    assert view["routing"] is None
    assert [(one["key"], one["value"]) for one in view["ud"]["entry"]] == [
        ("offer", "gold"),
        ("n", "5"),
    ]
    assert said["found"]["total"] == 1
    assert said["read"]["session"]["session"] == view["session"]


def test_it_gets_the_send_list(said):
    sent = {one["key"]: one["value"] for one in said["sent"]["fields"]["entry"]}
    assert sent == {"ani": "+33612345678", "ud.offer": "gold", "auth_level": "0"}


def test_it_changes_a_session_and_is_told_the_current_revision_when_it_is_stale(said):
    assert (said["changed"]["session"]["rev"], said["changed"]["session"]["auth_level"]) == (2, 2)
    assert said["stale"]["status"] == 500
    told = said["stale"]["fault"]["detail"]["Problem"]
    assert (told["type"], told["rev"]) == ("urn:vigie:problem:stale-revision", "2")


def test_it_gets_the_journey_across_calls(said):
    found = said["journey"]
    assert [one["step"] for one in found["journey"]["item"]] == ["menu"]
    assert found["complete"] is False  # the node has no database


def test_it_adds_a_step_once_routes_and_closes(said):
    assert said["added"]["noted"]["steps"] == said["again"]["noted"]["steps"] == 1
    assert (said["added"]["replayed"], said["again"]["replayed"]) == (False, True)
    assert said["routed"]["decision"]["target"] == "7100"
    assert said["closed"]["session"]["state"] == "closed"


def test_a_client_built_from_an_older_wsdl_goes_on(served, said, tmp_path):
    path = tmp_path / "older.wsdl"
    path.write_bytes(served.older_wsdl())
    older = told(path, served.token(), "node-2")
    assert older["opened"]["session"]["session"] != said["opened"]["session"]["session"]
    assert older["changed"]["session"]["rev"] == 2
    assert older["stale"]["fault"]["detail"]["Problem"]["rev"] == "2"
    assert older["added"]["noted"]["steps"] == 1
    assert older["routed"]["decision"]["target"] == "7100"
    assert older["closed"]["session"]["state"] == "closed"
