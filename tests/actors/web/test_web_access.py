import asyncio
import json
import stat

import pytest

from actors.web import tokens
from actors.web.tokens import TokenStore, TokensUnreadable, TooManyTokens, open_store
from protocols.http import problem

NOW = 1_000.0
TREE, SESSION = "/api/v1/tree", "/api/v1/sessions/" + "d" * 20
KILL = "/api/v1/actors/node/kill"
NEEDS = {
    ("GET", TREE): {"viewer", "operator", "admin"},
    ("GET", "/metrics"): {"viewer", "operator", "admin"},
    ("GET", SESSION): {"viewer", "ivr", "operator", "admin"},
    ("POST", SESSION + "/close"): {"ivr", "operator", "admin"},
    ("POST", "/api/v1/sessions"): {"ivr", "operator", "admin"},
    ("POST", KILL): {"operator", "admin"},
}


@pytest.mark.parametrize("scope", tokens.SCOPES)
@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_a_scope_permits_what_it_includes_and_no_more(site, scope, method, path):
    answer = site.ask(method, path, scope=scope)
    if scope in NEEDS[method, path]:
        assert answer.status not in (401, 403)
    else:
        assert answer.rule == (403, "forbidden", "Authorization")
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(("method", "path"), NEEDS)
def test_without_a_token_the_answer_is_401_and_says_how_to_ask(site, method, path):
    answer = site.ask(method, path, scope=None)
    assert answer.rule == (401, "unauthorized", "Authorization")
    assert answer.headers["www-authenticate"] == 'Bearer realm="vigie"'


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer a b", "Bearer unknown"]
)
def test_a_header_without_a_valid_token_is_401(site, header):
    answer = site.get(TREE, headers={"Authorization": header})
    assert answer.rule == (401, "unauthorized", "Authorization")
    assert "error=" in answer.headers["www-authenticate"]


def test_the_scheme_is_not_case_sensitive(site):
    header = f"bEARER {site.secrets['viewer']}"
    assert site.get(TREE, headers={"Authorization": header}).status == 200


def test_a_bad_token_does_not_matter_where_none_is_needed(site):
    assert site.get("/livez", headers={"Authorization": "Bearer unknown"}).status == 200


def test_a_revoked_token_opens_nothing_more(site):
    store = site.services.tokens
    token = store.authenticate(site.secrets["viewer"], NOW)
    assert site.get(TREE, scope="viewer").status == 200
    assert site.do(store.revoke(token.id, NOW)) is True
    assert site.get(TREE, scope="viewer").rule == (401, "unauthorized", "Authorization")
    assert site.do(store.revoke(token.id, NOW)) is False


def test_the_body_of_somebody_who_may_not_is_not_even_read(site):
    head = "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    with site.connect() as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 401")


def test_the_first_start_makes_an_operator_token_that_only_its_user_can_read(tmp_path):
    store, secret = open_store(tmp_path, NOW)
    assert (tmp_path / "operator.token").read_text() == f"{secret}\n"
    assert store.authenticate(secret, NOW).scope == "operator"
    for name in ("operator.token", "tokens.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_later_start_makes_none_and_knows_the_first(tmp_path):
    _, secret = open_store(tmp_path, NOW)
    store, none = open_store(tmp_path, NOW + 1)
    assert none is None
    assert store.authenticate(secret, NOW + 1).name == "operator"


def test_the_file_holds_no_secret(tmp_path):
    store, operator = open_store(tmp_path, NOW)
    secret, token = asyncio.run(store.create("viewer", "screen", NOW))
    text = (tmp_path / "tokens.json").read_text()
    assert operator not in text
    assert secret not in text
    assert token.sha256 in text
    assert len(secret) == 43  # 256 bits in base64


def test_a_token_ends_at_its_time_and_leaves_the_file(tmp_path):
    store, _ = open_store(tmp_path, NOW)
    secret, token = asyncio.run(store.create("cti", "link", NOW, expires=NOW + 10))
    assert store.authenticate(secret, NOW + 9.9).scope == "cti"
    assert store.authenticate(secret, NOW + 10) is None
    asyncio.run(store.create("viewer", "screen", NOW + 20))
    assert token.id not in (tmp_path / "tokens.json").read_text()


def test_what_is_made_and_revoked_survives_a_restart(tmp_path):
    store, _ = open_store(tmp_path, NOW)
    kept, _ = asyncio.run(store.create("viewer", "kept", NOW))
    gone, token = asyncio.run(store.create("viewer", "gone", NOW))
    asyncio.run(store.revoke(token.id, NOW))
    again = TokenStore.load(tmp_path / "tokens.json")
    assert again.authenticate(kept, NOW).name == "kept"
    assert again.authenticate(gone, NOW) is None


def test_tokens_made_at_the_same_time_are_all_kept(tmp_path):
    store, _ = open_store(tmp_path, NOW)

    async def make():
        await asyncio.gather(*(store.create("viewer", str(n), NOW) for n in range(20)))

    asyncio.run(make())
    assert len(TokenStore.load(tmp_path / "tokens.json").valid(NOW)) == 21


def test_the_number_of_tokens_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
    store, _ = open_store(tmp_path, NOW)
    asyncio.run(store.create("viewer", "second", NOW))
    with pytest.raises(TooManyTokens):
        asyncio.run(store.create("viewer", "third", NOW))


def test_a_file_left_by_a_crash_while_writing_is_no_hindrance(tmp_path):
    (tmp_path / ".tokens.json.new").write_text("half")
    store, secret = open_store(tmp_path, NOW)
    assert store.authenticate(secret, NOW)
    assert not (tmp_path / ".tokens.json.new").exists()


@pytest.mark.parametrize("contents", ["", "{", "[]", '{"tokens": [{}]}', '{"tokens": [], "x": 1}'])
def test_a_damaged_file_is_told_and_lets_nobody_in(tmp_path, contents):
    (tmp_path / "tokens.json").write_text(contents)
    with pytest.raises(TokensUnreadable, match=r"tokens\.json"):
        open_store(tmp_path, NOW)


def test_every_refusal_of_access_is_a_problem_of_the_catalogue(site):
    body = json.loads(site.get(TREE, scope=None).body)
    assert body["type"] == problem.UNAUTHORIZED.uri
    assert body["rule"] == "a valid bearer token"
