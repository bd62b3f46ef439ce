"""What operators may patch of the actors of a call, and the examples that the documents give."""

import json
import re
import shlex
from pathlib import Path

import pytest
from call_kit import CallKit, route_request

from actors.call_messages import RouteAsked
from actors.cli.parser import make_parser
from actors.session_data import Session
from supervision.introspection import Introspection, NotPlain

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


class Mending:
    """An introspection of a kit, and one call that was routed."""

    def __init__(self, kit):
        self.tree = kit.loop.run(Introspection, kit.kernel)
        self.kit = kit
        session = kit.open()
        kit.send(session, RouteAsked(route_request(), "link-1", kit.marks(None)))
        kit.settle()
        self.session = session.path

    def patch(self, path, patch, **options):
        return self.kit.run(self.tree.patch_state(path, patch, **options))

    def state(self, path):
        return self.kit.run(self.tree.state(path))


@pytest.fixture
def mending(kit):
    return Mending(kit)


def examples():
    """The patches of the commands and of the request that the documents show for the router."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    for line in re.findall(r"^vigie (actor replace-state .*)$", text, re.MULTILINE):
        words = shlex.split(line)
        options = make_parser(words).parse_args(words)
        assert options.path == "node/callSup/router"
        yield options.patch
    text = (DOCS / "http.md").read_text(encoding="utf-8")
    for body in re.findall(r"^POST .*router/replace_state +(\{.*\})$", text, re.MULTILINE):
        yield json.loads(body)["patch"]


def test_the_examples_of_the_documents_work_on_a_router(kit, mending):
    shown = list(examples())
    assert len(shown) >= 3
    path = kit.router.path
    for patch in shown:
        assert set(patch) <= set(mending.state(path).patchable)
        changed = mending.patch(path, patch)
        for name, value in patch.items():
            assert changed[name].items() >= value.items()
    assert mending.state(path).patchable == ["decided", "kept", "refused"]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"decided": {"x": "a"}}, "state.decided.x"),
        ({"default_target": "7000"}, "state.default_target"),
        ({"table": {"default_target": "7000"}}, "state.table"),
    ],
)
def test_what_does_not_fit_the_router_is_refused(kit, mending, patch, field):
    before = mending.state(kit.router.path).state
    with pytest.raises(NotPlain) as refusal:
        mending.patch(kit.router.path, patch)
    assert refusal.value.field == field
    assert mending.state(kit.router.path).state == before


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"state": "bogus"}, "state"),
        ({"data": {"session": "zzz"}}, "data.session"),
        ({"data": {"names": ["c2"]}}, "data.names"),
        ({"data": {"auth_level": "high"}}, "data.auth_level"),
    ],
)
def test_a_session_stays_itself_and_in_a_state_that_it_knows(mending, patch, field):
    with pytest.raises(NotPlain) as refusal:
        mending.patch(mending.session, patch, dry_run=True)
    assert refusal.value.field == field


def test_what_can_be_patched_of_a_session_can_be(mending):
    found = mending.state(mending.session)
    assert {"state", "data.auth_level", "data.lang", "data.ud"} <= set(found.patchable)
    assert "data.session" not in found.patchable
    known = {f"data.{name}" for name in Session.__struct_fields__} | {"state"}
    assert known > set(found.patchable)
    changed = mending.patch(
        mending.session, {"state": "ivr", "data": {"auth_level": 2, "ud": {"order": "42"}}}
    )
    assert (changed["state"], changed["data"].auth_level) == ("ivr", 2)
    assert changed["data"].ud["order"] == "42"
    told = [report.data for report in mending.kit.reported("operator")]
    assert told[-1]["fields"] == ["data.auth_level", "data.ud", "state"]
