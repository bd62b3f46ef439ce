"""Rules: what is refused, where it is said to be, and which rules may follow which."""

import hashlib
import re
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_kit import mistakes_of, ruleset

from actors.etc_files import etc_file
from actors.routing_core.key_lines import key_lines, line_of
from actors.routing_core.rules import Rules
from actors.routing_core.rules_file import NO_RULES, RulesInvalid, follows, load
from actors.settings import read

SHIPPED = etc_file("routing.toml")


def told(text, **options):
    return [(item.line, item.key, item.rule) for item in mistakes_of(text, **options)]


def test_what_ships_is_valid_and_knows_its_version():
    rules = load(SHIPPED)
    assert rules.version.number == 1
    assert rules.version.sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert rules.rules.queue["sales"].strategy == "last-agent"
    assert rules.rules.interception["fraud"].exact["+33999000001"].action == "reject"


@pytest.mark.parametrize(
    ("text", "line", "key", "rule"),
    [
        (
            "version = 1\n\n[queue.a]\ntarget = '1'\nstrategi = 'x'",
            5,
            "queue.a.strategi",
            "did you",
        ),
        ("version = 1\nqueue.a.target = '1'\nqueue.a.strategy = 'x'", 3, "queue.a.strategy", "one"),
        ("version = 1\n[queue]\na = {target = '1', max_wait_s = -1}", 3, "queue.a.max_wait_s", "0"),
        ("version = 1\n[rp.x]\nqueue = 'nowhere'", 3, "rp.x.queue", "must name a queue"),
        ("version = 1\n[rp.x]\n[[rp.x.when]]\nprio = 1", 3, "rp.x.when[0].queue", "is required"),
        (
            "version = 1\n[rp.x]\n[[rp.x.when]]\nqueue = 'a'\n[[rp.x.when]]\nlangs = [\n'f',\n7]",
            8,
            "rp.x.when[1].langs[1]",
            "text",
        ),
        ("version = 1\n[calendar.c]\nzone = 'Mars/Base'", 3, "calendar.c.zone", "a zone"),
        ("version = 1\n[calendar.c]\nzone = 'Europe'", 3, "calendar.c.zone", "a zone"),
        ("version = 1\n[calendar.c.week]\nmon = ['8-12']", 3, "calendar.c.week.mon[0]", "period"),
        (
            "version = 1\n[calendar.c.week]\nmon = ['08:00-08:00']",
            3,
            "calendar.c.week.mon[0]",
            "must not be empty",
        ),
        ("version = 1\n[calendar.c]\nholidays = ['02-30']", 3, "calendar.c.holidays[0]", "exists"),
        (
            "version = 1\n[interception.i]\n\nexact.'+33' = {action = 'route'}",
            4,
            "interception.i.exact.+33.target",
            "is required where the action is route",
        ),
        (
            "version = 1\n[interception.i.prefix]\n'+33' = {action = 'reject', until = 2027-01-01}",
            3,
            "interception.i.prefix.+33.until",
            "with its offset",
        ),
        (
            "version = 1\n[queue.a]\nskills = {x = 1}\noverflow = ['a']",
            4,
            "queue.a.overflow[0]",
            "a",
        ),
        ("version = 1\n[queue.a]\nlabel = 'x'", 2, "queue.a", "must have a target"),
        ("version = 1\n[queue.a]\ntarget='1'\nstrategy = 'percentage'", 4, "queue.a.strategy", "d"),
        (
            """version = 1
[queue.a]
strategy = 'percentage'
[[queue.a.destinations]]
target = '1'
percent = 60
[[queue.a.destinations]]
target = '2'
percent = 39.9""",
            4,
            "queue.a.destinations",
            "sum up to 100",
        ),
        (
            """version = 1
[queue.a]
strategy = 'round-robin'
destinations = [{target = '1'},
{target = '1'}]""",
            5,
            "queue.a.destinations[1]",
            "once",
        ),
        ("version = 1\n[rp.x]\ncalendar = 'c'\n[calendar.c]", 2, "rp.x.closed.target", "required"),
        (
            "version = 1\n[limits]\nagent_skills = 1\n[agent.a]\nskills = {x=1, y=1}",
            5,
            "agent.a.skills",
            "1",
        ),
        ("[limits]\nagents = 1\n", 1, "version", "is required"),
    ],
)
def test_a_mistake_is_told_with_its_line_its_key_and_its_rule(text, line, key, rule):
    (found,) = told(text)
    assert found[:2] == (line, key)
    assert rule in found[2]


def test_every_mistake_is_told_at_once_by_line():
    found = told("version = 1\n[queue.a]\nfoo = 1\n[rp.b]\nsend = ['x']\nprio = 'high'")
    assert [line for line, _, _ in found] == [3, 5, 6]


def test_a_mistake_reads_as_editors_understand_it():
    (found,) = mistakes_of("version = 1\n[rp.x]\nprio = 500")
    assert str(found) == (
        "routing.toml:3: rp.x.prio: must be an integer from -100 to 100 (found 500)"
    )


@pytest.mark.parametrize(
    ("content", "line", "rule"),
    [
        (b"version = 1\nfoo = \n", 2, "must be TOML"),
        (b"version = 1\n[a\n", 2, "must be TOML"),
        (b'version = 1\nx = "\n', 2, "must be TOML"),
        (b"version = 1\n\n# \xff\n", 3, "UTF-8"),
        (b"x = " + b"[" * 5_000, 1, "nested"),
        (b"version = 1\nversion = 2", 2, "must be TOML"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_line(content, line, rule):
    (found,) = mistakes_of(content)
    assert (found.line, found.key) == (line, "")
    assert rule in found.rule


def test_rules_that_are_too_long_are_not_read():
    (found,) = mistakes_of("version = 1\n" + "#" * 100, max_bytes=100)
    assert found.rule == "the file must be at most 100 bytes long"


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RulesInvalid, match="cannot be read"):
        load(tmp_path / "routing.toml")


def test_no_text_at_all_is_told_for_what_it_lacks():
    assert told("") == [(1, "version", "is required, and 1 or above")]


def test_a_version_goes_up_or_stays_with_the_same_rules():
    one, other = ruleset("[queue.a]\ntarget = '1'"), ruleset("[queue.a]\ntarget = '2'")
    assert follows(one, NO_RULES) == follows(one, one) == ""
    assert "must go up" in follows(other, one)
    assert follows(ruleset("", version=2), one) == ""
    assert "must be above 2" in follows(one, ruleset("", version=2))


TRICKY = '''\
# a = 1
title = "a # b = [c]"   # comment
"quoted.key" = 1
a.b . "c d" = 2
text = """
x = 1
[no.table]
"quote" and \\""" still
""""
raw = \'\'\'
y = 2\'\'\'
list = [ # comment ]
  1, "]", [2,
  3], { in = 1, "o.k" = [5] },
]
[ one . two ]
k = 1979-05-27 07:32:00
[[many]]
n = 1
[[many.more]]
m = { p.q = 1 }
[many.sub]
z = 0
[[many]]
n = 2
[[many.more]]
m = 1
'''


def test_the_line_of_every_key_is_found_in_whatever_way_it_is_written():
    tomllib.loads(TRICKY)
    lines = key_lines(TRICKY)
    assert lines == {
        "title": 2,
        "quoted.key": 3,
        "a": 4,
        "a.b": 4,
        "a.b.c d": 4,
        "text": 5,
        "raw": 10,
        "list": 12,
        "list[0]": 13,
        "list[1]": 13,
        "list[2]": 13,
        "list[2][0]": 13,
        "list[2][1]": 14,
        "list[3]": 14,
        "list[3].in": 14,
        "list[3].o.k": 14,
        "list[3].o.k[0]": 14,
        "one": 16,
        "one.two": 16,
        "one.two.k": 17,
        "many": 18,
        "many[0]": 18,
        "many[0].n": 19,
        "many[0].more": 20,
        "many[0].more[0]": 20,
        "many[0].more[0].m": 21,
        "many[0].more[0].m.p": 21,
        "many[0].more[0].m.p.q": 21,
        "many[0].sub": 22,
        "many[0].sub.z": 23,
        "many[1]": 24,
        "many[1].n": 25,
        "many[1].more": 26,
        "many[1].more[0]": 26,
        "many[1].more[0].m": 27,
    }


def test_lines_are_counted_the_same_with_line_ends_of_windows():
    assert key_lines(TRICKY.replace("\n", "\r\n")) == key_lines(TRICKY)


def test_a_key_that_is_missing_is_pointed_at_by_the_table_around_it():
    lines = key_lines("[a]\n[a.b]\nc = 1\n[[d]]\nx = 1")
    assert line_of(lines, "a.b.missing") == 2
    assert line_of(lines, "d[0].y.z") == 4
    assert line_of(lines, "nowhere.at.all") == 1


KEYS = st.text("abc-_", min_size=1, max_size=3)
LEAVES = st.one_of(
    st.integers(-9, 9).map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.text("ab #=[]{},'\\\"\n", max_size=6).map(
        lambda text: '"' + re.sub(r'["\\]', r"\\\g<0>", text).replace("\n", "\\n") + '"'
    ),
    st.text('ab #=[]{},"\\\n', max_size=6).map(lambda text: f"'''\n{text}'''"),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[\n" + ", # ]\n".join(items) + "\n]"),
        st.dictionaries(KEYS, inner, max_size=3).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=6,
)


def keys_of(value: object, under: str) -> Iterator[str]:
    """Every key of a document, as mistakes name it."""
    if isinstance(value, dict):
        for name, one in value.items():
            key = f"{under}.{name}" if under else name
            yield key
            yield from keys_of(one, key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield f"{under}[{index}]"
            yield from keys_of(one, f"{under}[{index}]")


@settings(max_examples=300)
@given(st.dictionaries(KEYS, VALUES, max_size=5), st.lists(KEYS, max_size=3, unique=True))
def test_the_lines_of_any_document_are_those_of_its_keys(pairs, tables):
    texts = [f"{key} = {value}" for key, value in pairs.items()]
    texts += [f"[t.{table}]\nx = 1" for table in tables]
    text = "\n".join(texts) + "\n"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # a table's name was a key's before
    lines = key_lines(text)
    assert set(keys_of(document, "")) == set(lines)
    line = 1
    for key, written in zip(pairs, texts, strict=False):
        assert lines[key] == line
        line += written.count("\n") + 1


@settings(max_examples=300)
@given(st.binary(max_size=80) | st.text("[]{}=\"'.#,\nab1 ", max_size=60).map(str.encode))
def test_rubbish_is_refused_with_a_line_that_there_is(content):
    last = content.count(b"\n") + 1
    assert all(1 <= mistake.line <= last for mistake in mistakes_of(content))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "9" * 5_000, "1e400", "2026-02-30"])
def test_a_number_that_is_none_is_refused(value):
    (found,) = mistakes_of(f"version = 1\n[queue.q]\ntarget = 'x'\nmax_wait_s = {value}")
    assert found.line == 4


def test_what_a_terminal_would_obey_is_not_printed():
    (found,) = mistakes_of('version = 1\n[queue."\\u001b[2J"]\ntarget = "x"')
    assert str(found).isprintable()
    assert found.line == 2


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8), st.booleans())
def test_percentages_sum_up_to_100_or_are_refused(hundredths, mended):
    if mended:
        hundredths = [*hundredths, 10_000 - sum(hundredths)]
    if min(hundredths) < 0:
        return
    shares = [
        f"{{ target = 't{index}', percent = {share / 100} }}"
        for index, share in enumerate(hundredths)
    ]
    text = f"[queue.q]\nstrategy = 'percentage'\ndestinations = [{', '.join(shares)}]"
    if sum(hundredths) == 10_000:
        assert len(ruleset(text).rules.queue["q"].destinations) == len(hundredths)
    else:
        assert "sum up to 100" in mistakes_of(f"version = 1\n{text}")[0].rule


def test_rules_that_are_right_are_read_the_same_at_once_and_key_by_key():
    document = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    rules, mistakes = read(Rules, document)
    assert mistakes == []
    assert rules == load(SHIPPED).rules


def test_a_large_file_is_read_as_a_small_one():
    numbers = "".join(f"'+33999{index:06}' = {{ action = 'reject' }}\n" for index in range(5_000))
    rules = ruleset(f"[interception.i.exact]\n{numbers}")
    assert len(rules.rules.interception["i"].exact) == 5_000
