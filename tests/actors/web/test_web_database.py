"""The database over HTTP: looked at by viewers, its pool changed by operators."""

DATABASE = "/api/v1/database"
POOL = f"{DATABASE}/pool"


def test_viewers_see_hosts_connections_and_the_pool(site):
    answer = site.get(DATABASE, scope="viewer")
    assert answer.status == 200
    shown = answer.json()
    assert shown["hosts"]["a"]["role"] == "primary"
    assert shown["pool"]["connections"] == 4


def test_operators_change_the_size_of_the_pool(site):
    answer = site.post(POOL, {"connections": 6, "reason": "busy hour"})
    assert (answer.status, answer.json()["connections"]) == (200, 6)
    assert site.get(DATABASE).json()["pool"]["connections"] == 6


def test_viewers_do_not(site):
    assert site.post(POOL, {"connections": 6}, scope="viewer").status == 403


def test_a_size_that_may_not_be_is_refused_with_the_field_and_the_rule(site):
    for connections, rule in ((9, "1 to 8 (database.max_connections)"), (0, None), ("x", None)):
        answer = site.post(POOL, {"connections": connections})
        assert answer.status == 400
        assert answer.json()["field"] == "connections"
        if rule:
            assert answer.json()["rule"] == rule


def test_without_a_pool_it_is_said_when_to_ask_again(site):
    site.services.database.busy = True
    for answer in (site.get(DATABASE), site.post(POOL, {"connections": 2})):
        assert answer.status == 503
        assert answer.headers["Retry-After"]
