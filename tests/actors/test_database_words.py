"""What PostgreSQL's failures are called, and what is never said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.database import DatabaseDown, QueryFailed, QueryTimeout, QueueFull
from actors.database_words import HIDDEN, hosts, is_schema_error, said, without_secrets, words


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (DatabaseDown("no route"), "no route"),
        (QueryFailed("53100", "no space"), "the server's disk is full: no space (53100)"),
        (QueryFailed("XX000", "oh"), "oh (XX000)"),
        (QueryTimeout("exec", 5.0), "the database is slow: not done within 5 s"),
        (QueryTimeout("wait", 0.12), "the database is slow: no connection was free for 0.12 s"),
        (QueueFull(7), "7 queries wait already (database.queue_limit)"),
        (ValueError("no"), "ValueError: no"),
    ],
)
def test_a_failure_is_told_in_words(failure, text):
    assert words(failure) == text


def test_a_state_without_a_name_is_told_by_its_number():
    assert said("99999", "oh") == "oh (99999)"


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (QueryFailed("42P01", ""), True),
        (QueryFailed("42501", ""), True),
        (QueryFailed("3F000", ""), True),
        (QueryFailed("53100", ""), False),
        (DatabaseDown("42P01"), False),
    ],
)
def test_the_schema_is_at_fault_for_some(failure, answer):
    assert is_schema_error(failure) is answer


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        ("postgresql://vigie:hush@db.example:5432/x", "db.example:5432"),
        ("postgresql://a.example,b.example/x?user=vigie", "a.example,b.example"),
        ("postgresql:///x?user=vigie&password=hush&host=%2Frun", "/run"),
        ("postgresql://vigie:hu/sh@db.example/x", ""),
        ("postgresql://[half/x", ""),
    ],
)
def test_where_a_dsn_leads_is_told_without_its_secrets(dsn, place):
    assert hosts(dsn) == place


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://vigie:hu%2Fsh@db.example/x",
        "postgresql://vigie:hu/sh@db.example/x",
        "postgresql:///x?password=hu%2Fsh",
        "postgresql://db.example/x?user=vigie&password=hu/sh&sslpassword=other",
        "postgresql://vigie:hu/sh@db.example/x?host=@abstract",
    ],
)
@pytest.mark.parametrize("told", ["refused for hu/sh", "hu/sh@db"])
def test_a_password_is_hidden_in_whatever_is_said(dsn, told):
    assert without_secrets(told, dsn) == told.replace("hu/sh", HIDDEN)


@given(st.text(), st.text(min_size=2, alphabet=st.characters(exclude_characters="@?#*")))
def test_a_password_never_comes_through(text, password):
    dsn = f"postgresql://vigie:{password}@db.example/x"
    told = without_secrets(f"{text}{password}{text}", dsn)
    assert password not in told
    assert HIDDEN in told
