from urllib.parse import quote

import pytest

from supervision.introspection import Asked

PATH = quote("node/a1", safe="")


def test_the_tree_is_shown_from_a_path_to_a_depth(site):
    tree = site.get("/api/v1/tree").json()
    assert (tree["path"], tree["kind"], len(tree["children"])) == ("node", "supervisor", 5)
    assert site.get("/api/v1/tree?depth=0").json()["children"] == []
    assert site.get("/api/v1/tree?path=node/a1&depth=0").json()["path"] == "node/a1"


@pytest.mark.parametrize("depth", ["-1", "65", "x", "", "1.5", "99999999999999999999"])
def test_a_depth_that_breaks_its_rule_is_named(site, depth):
    assert site.get(f"/api/v1/tree?depth={depth}").rule == (400, "invalid-value", "depth")


def test_the_path_of_an_actor_is_one_encoded_segment(site):
    answer = site.get(f"/api/v1/actors/{PATH}").json()
    assert (answer["path"], answer["handler_s"]) == ("node/a1", {"p50": 0.001})
    assert site.get("/api/v1/actors/node/a1").rule == (404, "not-found", None)


def test_the_state_of_an_actor_is_shown(site):
    assert site.get(f"/api/v1/actors/{PATH}/state").json()["state"] == {"calls": 3}


def test_an_unknown_path_is_404_everywhere(site):
    unknown = (404, "no-such-actor", "path")
    assert site.get("/api/v1/tree?path=nowhere").rule == unknown
    assert site.get("/api/v1/actors?under=nowhere").rule == unknown
    assert site.get("/api/v1/actors/nowhere").rule == unknown
    assert site.get("/api/v1/actors/nowhere/state").rule == unknown
    assert site.post("/api/v1/actors/nowhere/kill", {"reason": "test"}).rule == unknown


@pytest.mark.parametrize(
    "action", ["suspend", "resume", "restart", "kill", "stop", "terminate", "delete"]
)
def test_an_action_is_done_with_its_reason_and_says_by_whom(site, action):
    answer = site.post(f"/api/v1/actors/{PATH}/{action}", {"reason": "stuck"})
    assert answer.json() == {
        "path": "node/a1",
        "action": action,
        "reason": "stuck",
        "by": site.who["operator"],
        "at": 1_800_000_000.0,
    }
    assert site.services.introspection.done == [
        (action, "node/a1", Asked("stuck", site.who["operator"]))
    ]


def test_an_action_without_a_reason_tells_who_asked(site):
    assert site.post(f"/api/v1/actors/{PATH}/kill").json()["reason"] == (
        f"kill by {site.who['operator']}"
    )


def test_what_is_noted_of_an_action_names_who_asked_and_why(site):
    token = site.do(site.services.tokens.create("operator", "", site.services.wall()))
    site.secrets["nameless"] = token[0]
    done = site.post(f"/api/v1/actors/{PATH}/kill", {"reason": " "}, scope="nameless").json()
    assert (done["by"], done["reason"]) == (token[1].id, f"kill by {token[1].id}")
    site.post(f"/api/v1/actors/{PATH}/kill", {"reason": "stuck"})
    assert [what for *_, what in site.services.introspection.done] == [
        Asked("", token[1].id),
        Asked("stuck", site.who["operator"]),
    ]


def test_tokens_of_one_name_are_told_apart(site):
    by = set()
    for _ in range(2):
        site.secrets["other"], token = site.do(
            site.services.tokens.create("operator", "ann", site.services.wall())
        )
        done = site.post(f"/api/v1/actors/{PATH}/kill", scope="other").json()
        assert done["by"] == f"ann ({token.id})"
        by.add(done["by"])
    assert len(by) == 2


@pytest.mark.parametrize("body", [{"reason": 1}, {"reason": "x" * 201}])
def test_a_reason_that_breaks_its_rule_stops_the_action(site, body):
    answer = site.post(f"/api/v1/actors/{PATH}/kill", body)
    assert answer.rule == (400, "invalid-value", "reason")
    assert site.services.introspection.done == []


def test_actors_are_listed_in_pages_that_a_cursor_goes_on_with(site):
    url = "/api/v1/actors?sort=mailbox&order=desc&limit=4"
    first = site.get(url).json()
    second = site.get(f"{url}&cursor={first['next_cursor']}").json()
    assert [item["mailbox"] for item in first["items"] + second["items"]] == [2, 1, 1, 0, 0, 0]
    assert (first["total"], second["total"], second["next_cursor"]) == (6, 6, None)


def test_actors_are_searched_by_path_below_a_path(site):
    found = site.get("/api/v1/actors?under=node&q=A3").json()
    assert [item["path"] for item in found["items"]] == ["node/a3"]


def test_under_a_pool_its_members_are_listed_and_under_others_themselves_too(site):
    tree = site.services.introspection
    tree.pools.add("node")
    for under, first, total in (("node", "node/a0", 5), ("node/a1", "node/a1", 1)):
        found = site.get(f"/api/v1/actors?under={under}").json()
        assert (found["items"][0]["path"], found["total"]) == (first, total)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("cursor=nonsense", "cursor"),
        ("sort=state", "sort"),
        ("order=up", "order"),
        ("q=" + "x" * 257, "q"),
        ("limit=1&limit=2", "limit"),
        ("limit=%zz", "query"),
        ("limit=%ff", "query"),
    ],
)
def test_a_parameter_that_breaks_its_rule_is_named(site, query, field):
    assert site.get(f"/api/v1/actors?{query}").rule == (400, "invalid-value", field)


def test_dead_letters_are_listed_with_the_newest_first(site):
    page = site.get("/api/v1/dead-letters?limit=2").json()
    assert [letter["number"] for letter in page["items"]] == [10, 2]
    rest = site.get(f"/api/v1/dead-letters?cursor={page['next_cursor']}").json()
    assert [letter["number"] for letter in rest["items"]] == [1]
    assert page["total"] == 3
