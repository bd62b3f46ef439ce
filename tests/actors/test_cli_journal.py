"""journal check, export, repair, as operators call them; no node runs."""

import json

import pytest
from journal_files import CODECS, Written

from actors.cli import journal, main
from actors.journal.file import Files, Lock
from supervision.anchor.messages import ExitCode


@pytest.fixture
def written(tmp_path):
    """The journal of a node that was killed."""
    made = Written(tmp_path / "live", commits=30, checkpoint_after=(30,))
    (tmp_path / "var").mkdir()
    files = made.crash(tmp_path / "var" / "journal")
    files.wal.unlink()
    return made


@pytest.fixture
def files(tmp_path, written):
    return Files(tmp_path / "var" / "journal")


@pytest.fixture
def vigie(tmp_path, capsys, monkeypatch):
    """Run commands of this data directory on values that are plain data."""
    monkeypatch.setattr(journal, "codecs", lambda: CODECS)

    def run(*words):
        code = main([*words, "--data", str(tmp_path / "var")])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def damage(files):
    """Destroy the pages above the rows: SQLite finds none of them."""
    data = bytearray(files.database.read_bytes())
    for first in range(4096, len(data), 4096):
        if data[first] == 5:
            data[first : first + 4096] = bytes(4096)
    files.database.write_bytes(data)


def test_a_sound_journal_is_called_so_and_counted(vigie, written):
    code, out, _ = vigie("journal", "check")
    assert code == 0
    assert out.splitlines()[-1] == "sound"
    said = json.loads(vigie("journal", "check", "--json")[1])
    assert (said["sound"], said["number"], said["acknowledged"]) == (True, 30, 30)
    assert sum(said["rows"].values()) == len(written.states[30])
    assert said["bytes"]["journal.db"] > 0


def test_damage_ends_with_1_and_names_the_command_that_mends_it(vigie, files, tmp_path):
    damage(files)
    code, out, _ = vigie("journal", "check")
    assert code == ExitCode.FAILED
    assert "damaged: " in out
    assert f"mend it with: vigie journal repair --data {tmp_path / 'var'}" in out
    assert json.loads(vigie("journal", "check", "--json")[1])["damage"]


def test_a_shortfall_ends_with_1_and_says_how_many_commits_are_missing(vigie, files, tmp_path):
    short = Written(tmp_path / "short", commits=20).crash(tmp_path / "cut")
    log = short.wal.read_bytes()
    for path in (files.database, files.acknowledged):
        path.write_bytes((tmp_path / "cut" / path.name).read_bytes())
    files.wal.write_bytes(log[: -len(log) // 3])
    code, out, _ = vigie("journal", "check")
    assert code == ExitCode.FAILED
    missing = json.loads(vigie("journal", "check", "--json")[1])["missing_commits"]
    assert 0 < missing < 20
    assert f"{missing} commits that were acknowledged are missing" in out
    code, out, _ = vigie("journal", "repair")
    assert code == 0
    assert out.startswith("nothing is damaged, nothing was changed")


def test_a_number_that_cannot_be_read_is_told(vigie, files):
    files.acknowledged.write_bytes(b"x")
    code, out, _ = vigie("journal", "check")
    assert code == 0
    assert "acknowledged has 1 bytes, not 28: whether commits are missing is not known" in out


def test_a_repair_keeps_what_is_whole_and_says_how_to_go_on(vigie, files, written, tmp_path):
    damage(files)
    code, out, _ = vigie("journal", "repair")
    assert code == 0
    assert "damaged: " in out
    assert f"go on with: vigie start --data {tmp_path / 'var'}" in out
    assert vigie("journal", "check")[0] == 0
    said = json.loads(vigie("journal", "repair", "--json")[1])
    assert (said["repaired"], said["directory"]) == (False, None)
    assert sum(said["kept"].values()) == len(written.states[30])


def test_a_repair_while_a_node_runs_is_refused_with_75(vigie, files):
    damage(files)
    lock = Lock(files)
    code, _, err = vigie("journal", "repair")
    lock.release()
    assert code == ExitCode.TRY_AGAIN
    assert "stop it first (vigie stop --data " in err


def test_an_export_is_lines_of_json_and_what_is_left_out_is_named(vigie, files, written):
    code, out, err = vigie("journal", "export", "--kind", "session", "--json")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["kind"] for line in lines} == {"session"}
    damage(files)
    code, out, err = vigie("journal", "export")
    assert code == ExitCode.FAILED
    assert len(out.splitlines()) == len(written.states[30])
    assert err.startswith("vigie: left out: the rest: SQLite says ")


@pytest.mark.parametrize("words", [("check",), ("export",), ("repair",)])
def test_where_there_is_no_journal_it_is_said(vigie, tmp_path, words):
    code, out, err = vigie("journal", *words)
    assert (code, out) == (ExitCode.FAILED, "")
    assert f"there is no journal in {tmp_path / 'var' / 'journal'}" in err


def test_the_commands_know_every_kind_that_a_node_writes():
    assert journal.codecs().keys() == {"agent", "session", "link", "outbox", "refused"}


def test_a_kind_that_there_is_not_is_a_mistake_that_names_those_there_are(vigie, written):
    code, out, err = vigie("journal", "export", "--kind", "zzz")
    assert (code, out) == (64, "")
    assert all(kind in err for kind in CODECS)
