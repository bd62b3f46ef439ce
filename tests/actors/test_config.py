"""The configuration: what ships, what is refused, what the environment overrides."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from actors.config import PREFIX, Config, ConfigInvalid, load
from actors.etc_files import etc_file
from actors.settings import MASK, Mistake, value_at


def leaves(schema: type[Struct], under: str = "") -> list[str]:
    """Every dotted key of a schema that is not a table."""
    keys = []
    for field in fields(schema):
        key = f"{under}{field.name}"
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            keys += leaves(field.type, f"{key}.")
        elif key not in {"rp", "ivr.send_list"}:
            keys.append(key)
    return keys


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "vigie.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes_of(path: Path | None, environ: dict[str, str] | None = None) -> list[Mistake]:
    with pytest.raises(ConfigInvalid) as refused:
        load(path, environ or {})
    return refused.value.mistakes


def test_what_ships_is_valid_and_has_routing_points() -> None:
    config = load(None, {})
    assert config.rp["sales"].target == "7001"
    assert config.rp["sales"].alternates == ("7002", "7009")
    assert config.http.port == 8080
    assert config.cti.port == 7300


@pytest.mark.parametrize("key", leaves(Config))
def test_every_key_ships_with_its_default(key: str) -> None:
    document = tomllib.loads(etc_file("vigie.toml").read_text(encoding="utf-8"))
    assert value_at(msgspec.convert(document, Config), key) == value_at(Config(), key)
    shipped = document
    for part in key.split("."):
        assert part in shipped, f"{key} is missing from etc/vigie.toml"
        shipped = shipped[part]


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load(written(tmp_path, ""), {}) == Config()


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    text = """
        zzz = 1
        [http]
        port = 70000
        prot = 8080
        [cti.hb]
        interval_ms = "soon"
        [rp.sales]
        rtype = "magic"
    """
    assert mistakes_of(written(tmp_path, text)) == [
        Mistake("cti.hb.interval_ms", "must be an integer from 1 to 3600000", '"soon"'),
        Mistake("http.port", "must be an integer from 0 to 65535", "70000"),
        Mistake("http.prot", "is not a known key; did you mean port?", "8080"),
        Mistake(
            "rp.sales.rtype",
            "must be one of announcement, default, direct, direct_agent, disconnect, label, "
            "overwrite_dnis, priority, reject",
            '"magic"',
        ),
        Mistake("rp.sales.target", "is required"),
        Mistake("zzz", "is not a known key", "1"),
    ]


def test_a_rule_of_a_number_has_both_its_bounds(tmp_path: Path) -> None:
    text = "[overload]\nnew_above_journal_load = 1.5\n[journal]\ngather_ms = 9"
    rules = [mistake.rule for mistake in mistakes_of(written(tmp_path, text))]
    assert rules == [
        "must be a number from 0 to 5",
        "must be a number above 0 and at most 1",
    ]


def test_an_unknown_section_gets_the_nearest_name(tmp_path: Path) -> None:
    [mistake] = mistakes_of(written(tmp_path, "[rooting]\nlate_timeout_ms = 200"))
    assert mistake.key == "rooting"
    assert mistake.rule == "is not a known key; did you mean routing?"


def test_a_value_where_a_table_belongs_is_refused(tmp_path: Path) -> None:
    [http, point] = mistakes_of(written(tmp_path, "http = 3\n[rp]\nsales = '7001'"))
    assert (http.key, http.rule) == ("http", "must be a table")
    assert (point.key, point.rule) == ("rp.sales", "must be a table")


def test_each_bad_item_of_a_list_is_named(tmp_path: Path) -> None:
    text = '[rp.sales]\ntarget = "7001"\nalternates = ["7002", 7003, "a b"]'
    assert [mistake.key for mistake in mistakes_of(written(tmp_path, text))] == [
        "rp.sales.alternates[1]",
        "rp.sales.alternates[2]",
    ]


def test_a_bad_name_of_a_routing_point_is_refused(tmp_path: Path) -> None:
    [mistake] = mistakes_of(written(tmp_path, '[rp."a b"]\ntarget = "7001"'))
    assert mistake.key == "rp.a b"
    assert mistake.rule.startswith("must be 1 to 64")


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    [mistake] = mistakes_of(tmp_path / "none.toml")
    assert mistake.rule.endswith("none.toml cannot be read: No such file or directory")


@pytest.mark.parametrize("content", [b"[http", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vigie.toml"
    path.write_bytes(content)
    [mistake] = mistakes_of(path)
    assert "vigie.toml is not TOML: " in mistake.rule


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    text = """
        [http]
        port = 1
        [rp.to-sales]
        target = "7001"
        [ivr.send_list]
        default = ["call"]
        welcome = []
    """
    path = written(tmp_path, text)
    config = load(
        path,
        {
            "VIGIE_HTTP__PORT": "9000",
            "VIGIE_HTTP__METRICS_PUBLIC": "true",
            "VIGIE_CTI__HB__INTERVAL_MS": "500",
            "VIGIE_DATABASE__DSN": "postgresql://vigie@db/vigie",
            "VIGIE_RP__TO_SALES__ALTERNATES": "7002, 7003",
            "VIGIE_RP__4711__TARGET": "7004",
            "VIGIE_IVR__SEND_LIST__WELCOME": "ani,ud.offer",
            "VIGIE_LISTEN_FDS": "http:5",
            "HOME": "/",
        },
    )
    assert config.http.port == 9000
    assert config.http.metrics_public is True
    assert config.cti.hb.interval_ms == 500
    assert config.database.dsn == "postgresql://vigie@db/vigie"
    assert config.rp["to-sales"].alternates == ("7002", "7003")
    assert config.rp["4711"].target == "7004"
    assert config.ivr.send_list["welcome"] == ("ani", "ud.offer")


def test_mistakes_of_the_environment_name_the_variable() -> None:
    mistakes = mistakes_of(
        None,
        {
            "VIGIE_HTTP__PORT": "many",
            "VIGIE_HTP__PORT": "1",
            "VIGIE_HTTP__PORT__MORE": "1",
            "VIGIE_CTI__HB": "1",
        },
    )
    assert [(mistake.source, mistake.rule) for mistake in mistakes] == [
        ("VIGIE_CTI__HB", "is a table: set its keys one by one"),
        ("VIGIE_HTP__PORT", "is not a known key; did you mean http?"),
        ("VIGIE_HTTP__PORT", "must be an integer from 0 to 65535"),
        ("VIGIE_HTTP__PORT__MORE", "is no table"),
    ]


def test_a_variable_that_is_no_text_is_refused_in_ascii() -> None:
    [mistake] = mistakes_of(None, {"VIGIE_HTTP__HOST": "caf\udce9"})
    assert mistake.value == '"caf\\udce9"'


def test_a_secret_is_never_told() -> None:
    [mistake] = mistakes_of(None, {"VIGIE_DATABASE__DSN": "mysql://root:hunter2@db"})
    assert mistake.value == MASK
    assert "hunter2" not in str(mistake)


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"VIGIE_ROUTING__LATE_TIMEOUT_MS": "250"}, "routing.late_timeout_ms"),
        ({"VIGIE_ROUTING__DEFAULT_ANSWER_MS": "300"}, "routing.default_answer_ms"),
        ({"VIGIE_ROUTING__ABANDON_TIMEOUT_MS": "299"}, "routing.request_timeout_ms"),
        ({"VIGIE_CTI__MIN_REPLY_MS": "301"}, "cti.min_reply_ms"),
        ({"VIGIE_CTI__MAX_FRAME_BYTES": "5000000"}, "cti.max_frame_bytes"),
        ({"VIGIE_DATABASE__RECONNECT_MIN_S": "11"}, "database.reconnect_min_s"),
        ({"VIGIE_ANCHOR__RESTART_MIN_S": "31"}, "anchor.restart_min_s"),
        ({"VIGIE_CTI__PORT": "8080"}, "cti.port"),
        ({"VIGIE_DATABASE__CONNECTIONS": "32"}, "database.connections"),
        ({"VIGIE_ROUTING__REGION": "ZZ"}, "routing.region"),
    ],
)
def test_keys_that_disagree_are_refused(environ: dict[str, str], key: str) -> None:
    [mistake] = mistakes_of(None, environ)
    assert mistake.key == key


def test_a_relation_is_not_judged_on_a_value_that_is_wrong_by_itself() -> None:
    environ = {"VIGIE_ROUTING__DEFAULT_ANSWER_MS": "-1", "VIGIE_ROUTING__LATE_TIMEOUT_MS": "290"}
    [mistake] = mistakes_of(None, environ)
    assert mistake.key == "routing.default_answer_ms"


def test_send_lists_need_a_default(tmp_path: Path) -> None:
    [mistake] = mistakes_of(written(tmp_path, '[ivr.send_list]\nwelcome = ["ani"]'))
    assert (mistake.key, mistake.rule) == ("ivr.send_list", "must have a list named default")


def test_both_ports_may_be_free_ones() -> None:
    config = load(None, {"VIGIE_CTI__PORT": "0", "VIGIE_HTTP__PORT": "0"})
    assert (config.cti.port, config.http.port) == (0, 0)


NUMBERS = [key for key in leaves(Config) if type(value_at(Config(), key)) in {int, float}]


@given(st.sampled_from(NUMBERS), st.floats() | st.integers())
def test_a_number_is_taken_within_its_bounds_or_refused_by_name(key: str, number: float) -> None:
    name = PREFIX + key.upper().replace(".", "__")
    try:
        config = load(None, {name: repr(number)})
    except ConfigInvalid as refused:
        assert {mistake.source or mistake.key for mistake in refused.mistakes}  # noqa: PT017
    else:
        assert value_at(config, key) == number


TOML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SECTIONS = st.sampled_from([field.name for field in fields(Config)]) | st.text()


@given(st.dictionaries(SECTIONS, TOML))
def test_no_document_is_worse_than_refused(document: dict[str, object]) -> None:
    from actors.settings import read

    config, mistakes = read(Config, document)
    assert isinstance(config, Config)
    for mistake in mistakes:
        assert str(mistake)
        assert not mistake.source


def test_a_mistake_of_the_file_is_told_also_where_the_environment_overrides_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "vigie.toml"
    file.write_text('[http]\nport = 99999\n[rp.sales]\nalternates = ["7002"]\n')
    environ = {"VIGIE_HTTP__PORT": "8080", "VIGIE_RP__SALES__TARGET": "7001"}
    [mistake] = mistakes_of(file, environ)
    assert (mistake.key, mistake.value, mistake.source) == ("http.port", "99999", "")
    environ["VIGIE_HTTP__PORT"] = "many"
    assert [found.source for found in mistakes_of(file, environ)] == ["", "VIGIE_HTTP__PORT"]


def test_a_variable_that_names_a_section_alone_is_a_mistake() -> None:
    [mistake] = mistakes_of(None, {"VIGIE_HTTP": "3", "VIGIE_X": "3"})
    assert (mistake.source, mistake.rule) == ("VIGIE_HTTP", "is a table: set its keys one by one")
