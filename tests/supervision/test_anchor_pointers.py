"""Pointers and history on the disk: whole at any moment, refused when they are not ours."""

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.anchor import history, pointers
from supervision.anchor.pointers import (
    NotCurrent,
    Pointers,
    PointersUnreadable,
    Refused,
    ReleaseState,
)

VSNS = st.from_regex(r"[0-9]\.[0-9]{1,2}(\+g[0-9a-f]{3})?", fullmatch=True)


@given(
    VSNS,
    VSNS,
    st.lists(VSNS, max_size=3, unique=True),
    st.dictionaries(VSNS, st.builds(Refused, st.text(), st.floats(0, 1e10))),
)
def test_what_is_written_is_what_is_read(permanent, current, old, refused):
    known = Pointers(permanent, current, tuple(old), refused)
    assert Pointers.from_json(known.to_json()) == known


def test_a_release_is_what_the_pointers_say():
    known = Pointers("2", "3", ("1",))
    found = [known.state(vsn) for vsn in ("1", "2", "3", "4")]
    assert found == [
        ReleaseState.OLD,
        ReleaseState.PERMANENT,
        ReleaseState.CURRENT,
        ReleaseState.UNPACKED,
    ]


def test_a_release_is_on_probation_then_permanent_and_what_was_is_old():
    known = Pointers("1", "1").refusing("2", "it died", 5.0).on_probation("2")
    assert known.provisional
    assert known.back() == Pointers("1", "1", (), {"2": Refused("it died", 5.0)})
    permanent = known.made_permanent("2")
    assert permanent == Pointers("2", "2", ("1",))
    assert permanent.made_permanent("2") == permanent
    assert permanent.on_probation("1").made_permanent("1") == Pointers("1", "1", ("2",))
    assert permanent.without("1").old == ()


def test_a_directory_without_pointers_has_no_releases(tmp_path):
    assert pointers.read(tmp_path) is None
    assert pointers.installed(tmp_path) == []
    assert pointers.manifest(tmp_path, "1.0") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 2, "permanent": "1", "current": "1"}',
        '{"format": 1, "permanent": "1"}',
        '{"format": 1, "permanent": "../1", "current": "1"}',
        '{"format": 1, "permanent": "1", "current": "1", "old": [3]}',
        '{"format": 1, "permanent": "1", "current": "1", "refused": {"2": "no"}}',
    ],
)
def test_pointers_that_are_damaged_or_of_another_format_are_refused(tmp_path, text):
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "pointers.json").write_text(text)
    with pytest.raises(PointersUnreadable):
        pointers.read(tmp_path)


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_pointers_that_cannot_be_written_are_as_they_were(tmp_path, monkeypatch, step):
    pointers.write(tmp_path, Pointers("1", "1"))

    def full(*_):
        raise OSError(errno.ENOSPC, "no room")

    if step == "replace":
        monkeypatch.setattr("pathlib.Path.replace", full)
    else:
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        pointers.write(tmp_path, Pointers("1", "2"))
    assert pointers.read(tmp_path) == Pointers("1", "1")


def test_pointers_that_were_prepared_say_nothing_before_they_are_written(tmp_path):
    pointers.write(tmp_path, Pointers("1", "1"))
    pointers.prepare(tmp_path, Pointers("1", "2"))
    assert pointers.read(tmp_path) == Pointers("1", "1")
    pointers.write(tmp_path, Pointers("1", "2"), prepared=True)
    assert pointers.read(tmp_path) == Pointers("1", "2")


@pytest.mark.parametrize("vsn", ["", "..", "../x", "a/b", ".hidden", "x" * 129, "a b", "-x", "+x"])
def test_a_version_that_cannot_be_a_directory_is_not_usable(tmp_path, vsn):
    assert not pointers.usable(vsn)
    assert pointers.manifest(tmp_path, vsn) is None


def test_an_install_under_way_is_not_installed(tmp_path):
    for name in ("1.0", ".2.0.partial"):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "manifest.json").write_text('{"format": 1}')
    assert pointers.installed(tmp_path) == ["1.0"]


def test_the_history_keeps_every_line_in_its_order(tmp_path):
    for number in range(5):
        history.append(tmp_path, {"at": number, "step": "upgrade"})
    assert [line["at"] for line in history.read(tmp_path)] == [0, 1, 2, 3, 4]
    assert [line["at"] for line in history.read(tmp_path, 2)] == [3, 4]
    assert history.read(tmp_path, 0) == []


def test_a_line_that_a_crash_cut_off_costs_no_other_line(tmp_path):
    history.append(tmp_path, {"at": 1})
    with (tmp_path / "releases" / "history.jsonl").open("a") as file:
        file.write('{"at": 2, "st')
    history.append(tmp_path, {"at": 3})
    assert [line["at"] for line in history.read(tmp_path)] == [1, 3]


def test_a_long_line_keeps_what_is_essential(tmp_path):
    history.append(tmp_path, {"at": 1, "step": "upgrade", "vsn": "2", "counts": ["x"] * 50_000})
    (line,) = history.read(tmp_path)
    assert line == {"at": 1, "step": "upgrade", "vsn": "2", "cut": True}


def test_a_long_history_makes_way_once(tmp_path, monkeypatch):
    monkeypatch.setattr(history, "MAX_BYTES", 200)
    for number in range(30):
        history.append(tmp_path, {"at": number})
    found = [line["at"] for line in history.read(tmp_path)]
    assert found == list(range(found[0], 30))
    assert len(found) >= 20
    names = sorted(item.name for item in (tmp_path / "releases").iterdir())
    assert names == ["history.jsonl", "history.jsonl.1"]


def test_one_command_at_a_time_changes_releases(tmp_path):
    with history.lock(tmp_path) as mine, history.lock(tmp_path) as theirs:
        assert (mine, theirs) == (True, False)
    with history.lock(tmp_path) as mine:
        assert mine


def test_the_history_says_what_is_not_json_by_leaving_it_out(tmp_path):
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "history.jsonl").write_text('nonsense\n[1]\n{"at": 1}\n')
    assert history.read(tmp_path) == [json.loads('{"at": 1}')]


def test_nothing_is_made_permanent_but_what_runs():
    with pytest.raises(NotCurrent, match="2 cannot be made permanent: 3 is what runs"):
        Pointers("1", "3").made_permanent("2")
