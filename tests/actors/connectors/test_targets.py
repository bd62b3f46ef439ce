"""The hosts that a DSN names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connectors.targets import targets


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        (
            "postgresql://u:pw@a:5433,b/db?sslmode=require",
            {
                "a:5433": "postgresql://u:pw@a:5433/db?sslmode=require",
                "b": "postgresql://u:pw@b/db?sslmode=require",
            },
        ),
        (
            "postgresql:///db?user=u&host=/one,/two",
            {
                "/one": "postgresql:///db?user=u&host=/one",
                "/two": "postgresql:///db?user=u&host=/two",
            },
        ),
        (
            "postgresql://u@/db?host=a,b&port=1,2",
            {
                "a:1": "postgresql://u@/db?host=a&port=1",
                "b:2": "postgresql://u@/db?host=b&port=2",
            },
        ),
        (
            "postgres://u@[::1]:7,[::2]/db?port=9&target_session_attrs=primary",
            {
                "[::1]:7": "postgres://u@[::1]:7/db",
                "[::2]": "postgres://u@[::2]/db?port=9",
            },
        ),
        (
            "postgresql:///db?host=%2Fs&port=1,2",
            {"/s": "postgresql:///db?host=%2Fs&port=1,2"},
        ),
        ("postgresql://u@a,a/db", {"a,a": "postgresql://u@a,a/db"}),
        ("postgresql://u@a/db?host=x,y", {"a": "postgresql://u@a/db?host=x,y"}),
        ("postgresql://u:p/w@a,b/db", {"": "postgresql://u:p/w@a,b/db"}),
        ("postgresql://[", {"": "postgresql://["}),
        ("", {"": ""}),
    ],
)
def test_each_host_gets_a_dsn_of_its_own(dsn, expected):
    found = {target.host: target.dsn for target in targets(dsn)}
    assert {host: one.replace("%2F", "/") for host, one in found.items()} == {
        host: one.replace("%2F", "/") for host, one in expected.items()
    }


@given(st.text(max_size=60))
def test_no_text_is_too_strange(text):
    assert targets(f"postgresql://{text}")


@given(
    st.lists(st.sampled_from(["a", "b:1", "c"]), min_size=2, max_size=4, unique=True),
    st.text(
        st.characters(codec="ascii", exclude_characters="@/?#[]%", min_codepoint=48), min_size=4
    ),
)
def test_a_password_is_in_no_name_of_a_host(names, password):
    places = ",".join(names)
    found = targets(f"postgresql://u:{password}@{places}/db")
    assert [target.host for target in found] == names
