"""sys and recon over real HTTP, on the actors of a real node."""

import json
import time
from urllib.parse import quote

import pytest
from msgspec import Struct, structs

from actors.node_reports import to_events
from actors.web import operations
from actors.web.api import Api
from supervision import Cast, ChildSpec, GenServer, Supervisor, SupervisorFlags
from supervision.eventloop.base import EventLoopBase
from supervision.introspection import DebugLimits, Introspection


class Balance(Struct, frozen=True):
    owner: str = "ann"
    amount: int = 0
    secret: str = "4711"


class Add(Struct, frozen=True):
    amount: int


class Account(GenServer):
    def init(self, args):
        self.state = Balance()

    def handle_call(self, request, from_):
        self.state = structs.replace(self.state, amount=self.state.amount + request.amount)
        return self.state.amount

    def handle_cast(self, request):
        self.handle_call(request, None)

    def code_change(self, old_vsn, state, extra):
        if old_vsn != 1:
            raise ValueError("unknown version")
        return structs.replace(state, owner=extra)

    def format_status(self, state):
        return {"owner": state.owner, "amount": state.amount}


class Top(Supervisor):
    def init(self, args):
        return SupervisorFlags(intensity=50), [ChildSpec("a", Account), ChildSpec("b", Account)]


A = "/api/v1/actors/" + quote("node/a", safe="")


class Node:
    """A node on the site's own loop."""

    def __init__(self, site, directory):
        self.site = site
        self.kernel = site.soon(lambda: EventLoopBase(None, False, loop=site.loop).kernel)
        site.do(self._start())
        limits = DebugLimits(directory=directory, traces=2, top_rows=10, window_seconds=5.0)
        tree = site.soon(Introspection, self.kernel, "node", limits)
        object.__setattr__(site.services, "introspection", tree)
        self.kernel.reports.subscribe(to_events(site.services.events))

    async def _start(self):
        await self.kernel.start_root(Top(), None, "node", lambda: None)

    def cell(self, name="a"):
        return self.kernel.roots["node"].children[name]

    def add(self, amount, name="a"):
        return self.site.do(self._add(amount, name))

    async def _add(self, amount, name):
        return await self.kernel.call(self.cell(name).address, Add(amount))

    def cast(self, amount, name="a"):
        self.site.soon(self.kernel.cast, self.cell(name).address, Cast(Add(amount)))


@pytest.fixture
def node(site, tmp_path):
    return Node(site, tmp_path)


def until(condition, seconds=10.0):
    """Ask again and again, for what happens in another thread."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end


def test_status_info_and_children_of_an_actor_are_told(site, node):
    status = site.get(f"{A}/status").json()
    assert (status["actor_class"], status["status"], status["parent"]) == (
        "Account",
        "running",
        "node",
    )
    assert status["state"] == {"owner": "ann", "amount": 0}
    info = site.get(f"{A}/info").json()
    assert (info["meta"]["kind"], info["memory"]["mailbox"]) == ("worker", 0)
    rows = site.get("/api/v1/actors/node/children?sort=id").json()
    assert [(row["id"], row["status"]) for row in rows["items"]] == [
        ("a", "running"),
        ("b", "running"),
    ]
    assert site.get(f"{A}/children").rule == (409, "action-refused", "path")
    detail = site.get(A).json()
    assert (detail["spec"]["restart"], detail["shutdown_s"]) == ("permanent", 5.0)
    assert "4711" not in json.dumps([status, info, detail])


def test_an_actor_is_suspended_changed_and_resumed(site, node):
    assert site.post(f"{A}/suspend", {"reason": "to look"}).json()["by"] == site.who["operator"]
    node.cast(5)
    until(lambda: site.get(A).json()["mailbox"] == 1)
    assert site.get(A).json()["status"] == "suspended"
    change = {"old_vsn": 1, "extra": "bob", "reason": "by hand"}
    assert site.post(f"{A}/change_code", change, scope="admin").status == 200
    assert site.get(f"{A}/state").json()["state"] == {"owner": "bob", "amount": 0}
    site.post(f"{A}/resume")
    until(lambda: site.get(f"{A}/state").json()["state"]["amount"] == 5)


def test_what_a_change_of_code_refuses_is_named(site, node):
    change = {"old_vsn": 7}
    not_suspended = site.post(f"{A}/change_code", change, scope="admin")
    assert not_suspended.rule == (409, "not-suspended", "path")
    site.post(f"{A}/suspend")
    failed = site.post(f"{A}/change_code", change, scope="admin")
    assert failed.rule == (409, "callback-failed", "path")
    assert site.get(A).json()["status"] == "suspended"
    assert site.post(f"{A}/change_code", change).rule[:2] == (403, "forbidden")


def test_a_state_is_patched_after_a_dry_run(site, node):
    patch = {"patch": {"amount": 40}, "dry_run": True, "reason": "a mistake"}
    shown = site.post(f"{A}/replace_state", patch, scope="admin").json()
    assert (shown["state"], shown["dry_run"]) == ({"owner": "ann", "amount": 40}, True)
    assert node.add(1) == 1
    done = site.post(f"{A}/replace_state", {**patch, "dry_run": False}, scope="admin").json()
    assert (done["by"], done["reason"]) == (site.who["admin"], "a mistake")
    assert node.add(1) == 41


@pytest.mark.parametrize(
    ("patch", "rule"),
    [
        ({"amount": "x"}, (409, "state-not-plain", "state.amount")),
        ({"colour": 1}, (409, "state-not-plain", "state.colour")),
        ([1], (400, "invalid-value", "patch")),
    ],
)
def test_a_patch_that_does_not_fit_is_named_and_changes_nothing(site, node, patch, rule):
    answer = site.post(f"{A}/replace_state", {"patch": patch}, scope="admin")
    assert answer.rule == rule
    assert node.add(1) == 1


def test_a_state_tells_what_can_be_patched_and_the_log_what_was(site, node, caplog):
    caplog.set_level("INFO", logger="actors.web.steering_operations")
    assert site.get(f"{A}/state").json()["patchable"] == ["owner", "amount"]
    for patch, dry_run in (({"owner": "bob"}, True), ({"owner": "bob"}, False), ({"x": 1}, False)):
        site.post(f"{A}/replace_state", {"patch": patch, "dry_run": dry_run}, scope="admin")
    said = [record.getMessage().replace(site.who["admin"], "ann") for record in caplog.records]
    assert said[0].startswith("ann tried to patch owner of node/a")
    assert said[1].startswith("ann patched owner of node/a")
    assert said[2].startswith("refused ann a patch of x: node/a: state.x: Balance has no such")
    found = site.get("/api/v1/events?kinds=node", headers={"Accept": "application/json"}).json()
    assert [event["data"]["fields"] for event in found["items"]] == [["owner"]]


@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("POST", "suspend", None),
        ("POST", "kill", None),
        ("POST", "stop", None),
        ("POST", "log", {"on": True}),
        ("POST", "trace", {"messages": 1, "seconds": 1}),
        ("GET", "state", None),
        ("GET", "log", None),
    ],
)
def test_what_is_asked_of_an_actor_that_does_not_run_is_refused_in_a_word(
    site, node, method, what, body
):
    assert site.post(f"{A}/terminate").status == 200
    assert site.get(A).json()["status"] == "stopped"
    answer = site.ask(method, f"{A}/{what}", body)
    assert answer.rule == (409, "not-running", "path")
    assert answer.json()["rule"] == "running, not stopped"
    assert site.ask(method, f"/api/v1/actors/node%2Fnobody/{what}", body).rule[0] == 404


def test_the_times_of_an_actor_are_the_same_whenever_they_are_read(site, node):
    assert len({site.get(A).json()["since"] for _ in range(10)}) == 1


def test_a_state_is_patched_by_admins_only(site, node):
    answer = site.post(f"{A}/replace_state", {"patch": {"amount": 1}})
    assert answer.rule[:2] == (403, "forbidden")


def test_the_state_of_a_supervisor_is_not_patched(site, node):
    patch = {"patch": {"flags": None}}
    answer = site.post("/api/v1/actors/node/replace_state", patch, scope="admin")
    assert answer.rule[:2] in {(409, "state-not-plain"), (409, "action-refused")}


def test_a_child_is_terminated_restarted_stopped_and_deleted(site, node):
    site.post(f"{A}/terminate")
    assert site.get(A).json()["status"] == "stopped"
    site.post(f"{A}/restart")
    assert site.get(A).json()["status"] == "running"
    assert site.post(f"{A}/delete").rule == (409, "action-refused", "path")
    site.post(f"{A}/stop", {"reason": "enough"})
    until(lambda: site.get(A).json()["incarnation"] == 3)
    site.post(f"{A}/terminate")
    assert site.post(f"{A}/delete").status == 200
    assert site.get(A).rule == (404, "no-such-actor", "path")


def test_statistics_are_switched_on_and_off(site, node):
    assert site.get(f"{A}/statistics").json()["on"] is False
    site.post(f"{A}/statistics", {"on": True})
    node.add(1)
    row = site.get(f"{A}/statistics").json()
    assert (row["messages_in"], row["messages_out"], row["reductions"]) == (1, 1, 1)
    assert site.post(f"{A}/statistics", {"on": False}).json()["messages_in"] is None


def test_a_log_is_kept_in_a_file_too_and_shows_no_values(site, node, tmp_path):
    site.post(f"{A}/log", {"on": True, "size": 5, "file": True})
    node.add(123456)
    row = site.get(f"{A}/log").json()
    assert [event["event"] for event in row["events"]] == ["in", "reply"]
    assert row["events"][0]["message"] == "Add(amount)"
    (file,) = tmp_path.glob("sys-*.log")
    assert (row["file"], len(file.read_text().splitlines())) == (str(file), 2)
    assert "123456" not in json.dumps(row) + file.read_text()
    assert site.post(f"{A}/log", {"on": True, "size": 9}).json()["file"] is None
    assert site.post(f"{A}/log", {"on": True, "size": 1001}).rule == (400, "invalid-value", "size")
    assert site.post(f"{A}/log", {"on": False}).json()["events"] == []


def test_a_probe_is_installed_read_and_removed(site, node):
    probe = {"name": "count", "seconds": 60}
    assert site.post(f"{A}/probes", probe).json() == {"id": "count", "state": {}}
    node.add(1)
    assert site.get(f"{A}/probes").json()["items"] == [{"id": "count", "state": {"Add": 1}}]
    assert site.post(f"{A}/probes", probe).rule == (409, "action-refused", "path")
    assert site.ask("DELETE", f"{A}/probes/count").status == 204
    for unknown in ("count", "nothing"):
        gone = site.ask("DELETE", f"{A}/probes/{unknown}")
        assert gone.rule == (404, "no-such-probe", "probe")
    assert site.get(f"{A}/probes").json()["items"] == []
    results = site.get("/api/v1/events?kinds=trace", headers={"Accept": "application/json"}).json()
    assert results["items"][-1]["data"] == {
        "path": "node/a",
        "probe": "count",
        "result": {"Add": 1},
    }


@pytest.mark.parametrize(
    ("probe", "field"),
    [
        ({"name": "eval", "seconds": 1}, "name"),
        ({"name": "count"}, "seconds"),
        ({"name": "count", "seconds": 99_999}, "seconds"),
        ({"name": "count", "seconds": 0}, "seconds"),
    ],
)
def test_a_probe_outside_of_its_bounds_is_refused(site, node, probe, field):
    assert site.post(f"{A}/probes", probe).rule == (400, "invalid-value", field)


def test_everything_is_dropped_at_once(site, node):
    site.post(f"{A}/statistics", {"on": True})
    site.post(f"{A}/trace", {"messages": 5, "seconds": 60})
    assert site.get(f"{A}/status").json()["debug"] == ["statistics", "trace"]
    assert site.post(f"{A}/no_debug").status == 204
    assert site.get(f"{A}/status").json()["debug"] == []
    assert type(node.cell().actor) is Account


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({}, "messages"),
        ({"messages": 5}, "seconds"),
        ({"seconds": 5}, "messages"),
        ({"messages": 0, "seconds": 5}, "messages"),
        ({"messages": 10_001, "seconds": 5}, "messages"),
        ({"messages": 5, "seconds": 0}, "seconds"),
        ({"messages": 5, "seconds": 3_601}, "seconds"),
        ({"messages": 5, "seconds": 5, "under": True, "actors": 101}, "actors"),
        ({"messages": 1.5, "seconds": 5}, "messages"),
    ],
)
def test_a_trace_cannot_be_asked_for_without_limits(site, node, limits, field):
    assert site.post(f"{A}/trace", limits).rule == (400, "invalid-value", field)
    assert site.get("/api/v1/traces").json()["items"] == []


def test_a_trace_is_streamed_and_read_to_its_end(site, node):
    row = site.post(f"{A}/trace", {"messages": 3, "seconds": 60, "reason": "to see"}).json()
    assert (row["actors"], row["by"], row["reason"]) == (
        1,
        site.who["operator"],
        "to see",
    )
    url = f"/api/v1/traces/{row['id']}"
    assert site.get(f"{url}?wait_s=0.01").json()["items"] == []
    node.add(1)
    told = site.get(f"{url}?wait_s=5").json()
    assert [event["event"] for event in told["items"]] == ["in", "reply"]
    node.add(1)
    rest = site.get(f"{url}?after={told['next']}&wait_s=5").json()
    assert ([event["event"] for event in rest["items"]], rest["trace"]["ended"]) == (
        ["in"],
        "messages",
    )
    events = site.get("/api/v1/events?kinds=trace", headers={"Accept": "application/json"}).json()
    data = [event["data"] for event in events["items"]]
    assert [(one.get("number"), one.get("ended")) for one in data] == [
        (1, None),
        (2, None),
        (3, None),
        (None, "messages"),
    ]


def test_a_trace_of_one_actor_takes_no_class(site, node):
    """It would be of an actor of another class, and nothing would tell."""
    body = {"messages": 3, "seconds": 60, "class": "Top"}
    assert site.post(f"{A}/trace", body).rule == (400, "invalid-value", "class")
    assert site.get("/api/v1/traces").json()["items"] == []


def test_a_trace_is_ended_before_its_limits(site, node):
    row = site.post(f"{A}/trace", {"messages": 3, "seconds": 60}).json()
    assert site.post(f"{A}/trace", {"messages": 3, "seconds": 60}).rule[1] == "action-refused"
    assert site.ask("DELETE", f"/api/v1/traces/{row['id']}").json()["ended"] == "stopped"
    assert site.get("/api/v1/traces/t99").rule == (404, "no-such-trace", "trace")
    assert site.ask("DELETE", "/api/v1/traces/t99").rule == (404, "no-such-trace", "trace")


def test_traces_below_a_path_and_of_a_class_are_counted_and_limited(site, node):
    limits = {"messages": 3, "seconds": 60}
    below = {**limits, "under": True, "class": "Account"}
    assert site.post("/api/v1/actors/node/trace", below).json()["actors"] == 2
    assert site.post("/api/v1/actors/node/trace", limits).json()["actors"] == 1
    refused = site.post(f"{A}/trace", limits)
    assert refused.rule[1] in {"limit-reached", "action-refused"}
    site.post("/api/v1/actors/node/no_debug")
    site.post("/api/v1/actors/node/trace", limits)
    refused = site.post("/api/v1/actors/node/trace", {**limits, "under": True})
    assert refused.rule == (429, "limit-reached", None)
    assert refused.headers["Retry-After"]


def test_viewers_look_and_operators_act(site, node):
    for path in (f"{A}/status", f"{A}/statistics", f"{A}/log", "/api/v1/traces", "/api/v1/top"):
        assert site.get(path, scope="viewer").status == 200
    for path in (f"{A}/trace", f"{A}/log", f"{A}/statistics", f"{A}/probes", f"{A}/no_debug"):
        assert site.post(path, {}, scope="viewer").rule[:2] == (403, "forbidden")


def test_top_tells_who_has_most_and_who_grew_most(site, node):
    for _ in range(5):
        node.add(1, "b")
    top = site.get("/api/v1/top?attribute=rate&n=1").json()
    assert (top["items"][0]["path"], top["counted"]) == ("node/b", 3)
    grown = site.get("/api/v1/top?attribute=rate&n=5&seconds=0.05").json()
    assert (grown["items"], grown["seconds"]) == ([], 0.05)
    below = site.get("/api/v1/top?attribute=mailbox&under=node/a").json()
    assert [row["path"] for row in below["items"]] == ["node/a"]


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("attribute=colour", (400, "invalid-value", "attribute")),
        ("n=0", (400, "invalid-value", "n")),
        ("n=11", (400, "invalid-value", "n")),
        ("n=5&seconds=0", (400, "invalid-value", "seconds")),
        ("n=5&seconds=6", (400, "invalid-value", "seconds")),
        ("n=5&seconds=8.1", (400, "invalid-value", "seconds")),
        ("n=5&under=nowhere", (404, "no-such-actor", "path")),
    ],
)
def test_a_question_beyond_its_bounds_is_refused(site, node, query, rule):
    assert site.get(f"/api/v1/top?{query}").rule == rule


def test_the_statistics_of_the_node_are_told(site, node):
    node.add(1)
    found = site.get("/api/v1/node/statistics").json()
    assert found["handled"] >= 1
    assert found["memory_peak_bytes"] > 1_000_000


def test_the_path_of_a_ranking_shadows_no_actor(site, node):
    assert site.get("/api/v1/actors/top").rule == (404, "no-such-actor", "path")


def test_what_operators_do_is_an_event_with_who_and_why(site, node):
    site.post(f"{A}/suspend", {"reason": "to look"})
    found = site.get("/api/v1/events?kinds=node", headers={"Accept": "application/json"}).json()
    assert found["items"][-1]["data"] == {
        "path": "node/a",
        "what": "operator",
        "action": "suspend",
        "reason": "to look",
        "by": site.who["operator"],
    }


def test_every_operation_that_traces_or_ranks_is_described(site):
    document = site.get("/openapi.json", scope=None).json()
    new_trace = document["components"]["schemas"]["NewTrace"]
    assert set(new_trace["required"]) == {"messages", "seconds"}
    assert "/api/v1/top" in document["paths"]
    assert Api(site.services, operations.http("1", metrics_public=False))
