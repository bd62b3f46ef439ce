AGENTS = "/api/v1/agents"


def names(answer):
    return [item["agent"] for item in answer.json()["items"]]


def test_agents_are_listed_by_name(site):
    answer = site.get(AGENTS, scope="viewer")
    assert names(answer) == ["anna", "bert"]
    assert answer.json()["items"][0]["skills"] == {"tax": 3}


def test_agents_can_be_sorted_paged_and_searched(site):
    first = site.get(f"{AGENTS}?sort=since&limit=1")
    assert names(first) == ["bert"]
    cursor = first.json()["next_cursor"]
    assert names(site.get(f"{AGENTS}?cursor={cursor}&limit=1")) == ["anna"]
    assert names(site.get(f"{AGENTS}?q=7002")) == ["bert"]


def test_agents_need_the_scope_of_viewers(site):
    assert site.get(AGENTS, scope="ivr").rule == (403, "forbidden", "Authorization")
