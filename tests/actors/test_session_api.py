import pytest

from actors import session_api, session_changes
from actors.session_changes import InvalidChange


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"auth_level": 0},
        {"auth_level": 100},
        {"lang": "fr"},
        {"lang": "pt-BR"},
        {"digits": ""},
        {"digits": "0123456789ABCD*#"},
        {"ud.offer": "gold", "ud.a.b": {"nested": [1, None]}},
    ],
)
def test_what_a_caller_may_change_is_accepted(changes):
    session_changes.check_changes(changes, [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"state": "closed"}, "state"),
        ({"ud": {}}, "ud"),
        ({"ud.": "x"}, "ud."),
        ({"ud." + "k" * 256: "x"}, "ud." + "k" * 256),
        ({"auth_level": True}, "auth_level"),
        ({"auth_level": "3"}, "auth_level"),
        ({"auth_level": 101}, "auth_level"),
        ({"lang": "fr_FR"}, "lang"),
        ({"lang": None}, "lang"),
        ({"digits": "12 34"}, "digits"),
        ({"digits": 1234}, "digits"),
    ],
)
def test_any_other_key_or_value_is_refused_by_its_name(changes, field):
    with pytest.raises(InvalidChange) as raised:
        session_changes.check_changes(changes, [])
    assert raised.value.field == field
    assert raised.value.rule


def test_a_key_is_set_or_deleted_and_not_both():
    session_changes.check_changes({"lang": "fr"}, ["digits", "ud.offer"])
    with pytest.raises(InvalidChange, match="not both"):
        session_changes.check_changes({"ud.offer": 1}, ["ud.offer"])


def test_a_key_to_delete_keeps_the_same_rule():
    with pytest.raises(InvalidChange, match="rev"):
        session_changes.check_changes({}, ["rev"])


@pytest.mark.parametrize("text", ["0" * 20, "0123456789abcdef" + "0" * 10])
def test_the_id_of_a_session_is_20_to_26_hexadecimal_digits(text):
    assert session_api.SESSION_ID.fullmatch(text)
    assert not session_api.SESSION_ID.fullmatch(text[:19])
    assert not session_api.SESSION_ID.fullmatch(text.replace("0", "G"))
