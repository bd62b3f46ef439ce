import json

from actors import metrics
from actors.session_api import RouteAnswer


def test_health_needs_no_token_and_metrics_do(site):
    assert site.get("/livez", scope=None).json() == {"status": "alive"}
    assert site.get("/readyz", scope=None).json()["ready"] is True
    assert site.get("/openapi.json", scope=None).status == 200
    assert site.get("/metrics", scope=None).rule == (401, "unauthorized", "Authorization")


def test_metrics_are_public_where_configured(make_site):
    assert make_site(metrics_public=True).get("/metrics", scope=None).status == 200


def test_a_node_that_is_not_ready_says_so_with_503(site):
    site.services.readiness.ready = False
    answer = site.get("/readyz", scope=None)
    assert (answer.status, answer.json()["ready"]) == (503, False)
    assert answer.headers["content-type"] == "application/json"


def test_metrics_are_prometheus_text_with_the_names_of_the_contract(site):
    metrics.ROUTE_SECONDS.labels("sales", "direct").observe(0.002)
    metrics.DB_SECONDS.labels("wait").observe(0.001)
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7"
    answer = site.get("/metrics", headers={"Accept": prometheus + ",*/*;q=0.1"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    for line in (
        'vigie_route_seconds_bucket{le="0.0025",reason="direct",rp="sales"}',
        'vigie_db_seconds_count{phase="wait"}',
        "vigie_generation ",
        "vigie_http_connections 1.0",
    ):
        assert line in text


def test_requests_are_counted_by_operation_and_status(site):
    def count():
        return metrics.REGISTRY.get_sample_value(
            "vigie_http_requests_total", {"operation": "livez", "status": "200"}
        )

    before = count() or 0
    site.get("/livez")
    assert count() == before + 1


def test_the_description_tells_every_operation_and_is_not_made_of_tokens(site):
    document = site.get("/openapi.json", scope=None).json()
    assert document["info"]["version"] == "1.2.3"
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(op.doc.method, op.doc.path) for op in site.operations}
    assert ("PATCH", "/api/v1/sessions/{session}") in described
    assert not any("tokens" in path for _, path in described)
    assert set(document["components"]["schemas"]["RouteAnswer"]["properties"]) == set(
        RouteAnswer.__struct_fields__
    )


def test_every_answer_forbids_caching_and_guessing_of_types(site):
    for path in ("/livez", "/api/v1/nothing"):
        headers = site.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_head_is_get_without_the_body(site):
    get, head = site.get("/readyz"), site.ask("HEAD", "/readyz")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))


def test_an_unknown_path_is_404_and_an_unknown_method_405_with_allow(site):
    assert site.get("/api/v1/nothing").rule == (404, "not-found", None)
    assert site.get("/api/v1/tree/").rule == (404, "not-found", None)
    answer = site.ask("DELETE", "/api/v1/tree")
    assert answer.rule == (405, "method-not-allowed", "method")
    assert answer.headers["allow"] == "GET, HEAD"
    assert site.ask("OPTIONS", "/api/v1/sessions").headers["allow"] == "GET, HEAD, POST"


def test_tokens_are_made_through_the_control_channel_only(site):
    assert site.post("/api/v1/tokens", {"scope": "viewer"}, scope="admin").status == 404


def test_a_failure_is_500_and_tells_nothing_of_the_inside(site, caplog):
    site.services.sessions.views = None
    answer = site.get("/api/v1/sessions/" + "0" * 20)
    assert answer.rule == (500, "internal-error", None)
    assert "NoneType" not in answer.body.decode()
    assert "getSession failed" in caplog.text
    assert json.loads(answer.body)["detail"] == "the failure has been logged"


def test_the_node_tells_what_it_is_and_how_much_is_in_it(site):
    node = site.get("/api/v1/node", scope="viewer").json()
    assert (node["version"], node["region"], node["uptime_s"]) == ("1.2.3", "FR", 61.5)
    counts = [node[name] for name in ("sessions", "links", "actors", "restarts", "dead_letters")]
    assert counts == [3, 2, 19, 1, 4]
    assert site.get("/api/v1/node", scope="ivr").rule == (403, "forbidden", "Authorization")
