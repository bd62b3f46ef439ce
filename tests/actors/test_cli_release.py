"""The commands of releases, with no node, with one that is scripted, and with real anchors."""

import json
import shutil

import pytest
from release_kit import release
from scripted_node import ScriptedNode

from actors.cli import main
from actors.releases import install
from actors.releases import manifest as manifests
from actors.releases.manifest import Manifest
from supervision.anchor import history, pointers
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import Pointers

KEEP = "[release]\nkeep = 1\n"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return release(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def data(tmp_path):
    (tmp_path / "var").mkdir()
    return tmp_path / "var"


@pytest.fixture
def vigie(data, capsys):
    """Run a command of this data directory: exit code, stdout, stderr."""

    def run(*words):
        code = main([*words, "--data", str(data)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def keep(tmp_path):
    """A configuration that keeps one old release."""
    file = tmp_path / "vigie.toml"
    file.write_text(KEEP)
    return file


@pytest.fixture
def node(data, keep):
    """A node that is scripted, and has one old release more than is kept."""
    put(data, Pointers("4", "4", old=("1", "2", "3")))
    scripted = ScriptedNode(data)
    scripted.answers |= {
        "info": {"labels": {"config": str(keep)}},
        "release.commit": {"vsn": "4"},
        "release.forget": {},
        "release.note": {},
    }
    yield scripted
    scripted.close()


def put(data, found):
    """Have these releases, of which nothing is there but a manifest."""
    for vsn in {*found.old, found.permanent, found.current}:
        directory = install.home(data) / vsn
        directory.mkdir(parents=True, exist_ok=True)
        manifest = manifests.encode(Manifest(vsn=vsn, python="3.11.1"))
        (directory / "manifest.json").write_bytes(manifest)
    pointers.write(data, found)


def there(data):
    return pointers.installed(data)


# What follows a commit and an install


def test_a_commit_takes_away_the_old_releases_that_are_more_than_are_kept(vigie, node, data):
    code, out, _ = vigie("release", "commit", "--json")
    assert (code, json.loads(out)) == (
        0,
        {"vsn": "4", "removed": ["1", "2"], "not_pruned": [], "not_noted": []},
    )
    assert there(data) == ["3", "4"]


def test_an_old_release_whose_files_are_gone_is_forgotten(vigie, node, data):
    shutil.rmtree(install.home(data) / "1")
    assert json.loads(vigie("release", "commit", "--json")[1])["removed"] == ["1", "2"]


def test_a_commit_is_done_though_old_releases_cannot_be_removed(vigie, node, data):
    with install.alone(data):
        code, out, err = vigie("release", "commit", "--json")
    why = f"another command changes the releases of {data}"
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["not_pruned"] == [{"vsn": "1", "why": why}, {"vsn": "2", "why": why}]
    assert (found["vsn"], found["removed"]) == ("4", [])
    with install.alone(data):
        code, out, err = vigie("release", "commit")
    assert (code, err) == (0, "")
    again = "not removed, the next commit or install tries again"
    assert out.splitlines()[:2] == ["release 4 is permanent", f"release 1 is {again}: {why}"]


def test_a_release_that_cannot_be_removed_does_not_keep_the_next_one(vigie, node, data):
    node.answers["release.forget"] = Refusal(ExitCode.FAILED, "it is in use")
    found = json.loads(vigie("release", "commit", "--json")[1])
    assert [item["vsn"] for item in found["not_pruned"]] == ["1", "2"]
    assert found["not_pruned"][0]["why"] == "it is in use"


def test_a_commit_is_done_though_its_configuration_has_mistakes_now(vigie, node, keep, data):
    keep.write_text("[release]\nkeep = 0\n")
    code, out, _ = vigie("release", "commit", "--json")
    assert code == 0
    (left,) = json.loads(out)["not_pruned"]
    assert left["vsn"] is None
    assert "release.keep" in left["why"]
    assert there(data) == ["1", "2", "3", "4"]


def test_a_commit_is_done_though_the_history_does_not_take_what_followed(vigie, node):
    node.answers["release.note"] = Refusal(ExitCode.FAILED, "the disk is full")
    code, out, _ = vigie("release", "commit")
    assert code == 0
    assert out.splitlines()[-1] == "not in the history: the disk is full"


def test_a_commit_that_is_refused_removes_nothing(vigie, node, data):
    node.answers["release.commit"] = Refusal(ExitCode.TRY_AGAIN, "nothing is on probation")
    assert vigie("release", "commit")[0] == ExitCode.TRY_AGAIN
    assert len(there(data)) == 4


def test_an_install_is_done_though_nothing_old_can_be_removed(vigie, node, keep, archive, data):
    node.answers["release.forget"] = Refusal(ExitCode.TRY_AGAIN, "busy")
    words = ["release", "install", str(archive), "--config", str(keep)]
    code, out, _ = vigie(*words, "--json")
    assert code == 0
    assert [item["vsn"] for item in json.loads(out)["not_pruned"]] == ["1", "2"]
    assert "9.1" in there(data)
    assert json.loads(vigie(*words, "--json")[1])["already"] is True


def test_a_removal_is_done_though_the_history_does_not_take_it(vigie, data):
    put(data, Pointers("2", "2", old=("1",)))
    (install.home(data) / history.FILE).mkdir()
    code, out, _ = vigie("release", "remove", "1")
    assert (code, there(data)) == (0, ["2"])
    assert out.startswith("release 1 removed\nnot in the history: ")
    assert pointers.read(data) == Pointers("2", "2")


# A data directory in which nothing was done yet


def test_without_any_release_the_list_says_where_one_comes_from(vigie, data):
    code, out, err = vigie("release", "list")
    assert (code, err) == (0, "")
    assert out.startswith(f"no release is installed in {data}: the first vigie start")
    assert json.loads(vigie("release", "list", "--json")[1]) == {"items": []}


def test_without_any_release_the_history_says_so(vigie, data):
    assert vigie("release", "history") == (0, f"nothing was done with releases in {data} yet\n", "")
    assert json.loads(vigie("release", "history", "--json")[1]) == {"items": []}


def test_without_any_release_the_status_says_what_a_start_does(vigie, data):
    code, out, err = vigie("release", "status")
    assert (code, err) == (ExitCode.UNREACHABLE, "")
    start = f"vigie start --data {data} makes its installation permanent"
    assert out.splitlines() == [
        "permanent  none",
        "runs       nothing",
        f"no release was ever started in {data}: {start}",
    ]
    code, out, _ = vigie("release", "status", "--json")
    assert json.loads(out) == {
        "permanent": None,
        "current": None,
        "old": [],
        "takeover": None,
        "probation": None,
        "busy": "",
        "refused": {},
        "running": False,
    }


@pytest.mark.parametrize(
    "words", [["check", "1.0"], ["upgrade", "1.0"], ["commit"], ["rollback"]], ids=lambda it: it[0]
)
def test_what_is_done_with_a_node_says_how_to_start_one(vigie, data, words):
    code, out, err = vigie("release", *words)
    assert (code, out) == (ExitCode.UNREACHABLE, "")
    assert err.startswith(f"vigie: no anchor runs in {data}, and this is done with a running node")
    assert err.endswith(f"vigie start --data {data}\n")


def test_nothing_that_only_looks_makes_a_data_directory(vigie, data):
    data.rmdir()
    for words in (["list"], ["history"], ["status"], ["check", "1"], ["remove", "1"]):
        vigie("release", *words)
    assert not data.exists()


def test_what_is_made_for_releases_is_for_its_user_only(vigie, data, archive):
    data.rmdir()
    assert vigie("release", "install", str(archive))[0] == 0
    assert data.stat().st_mode & 0o777 == 0o700


# A data directory with no node running


def test_without_an_anchor_the_status_says_what_the_pointers_say(vigie, data):
    put(data, Pointers("2", "3", old=("1",)).refusing("0", "it crashed", 5.0))
    code, out, _ = vigie("release", "status")
    assert code == ExitCode.UNREACHABLE
    assert out.splitlines()[:3] == ["permanent  2", "runs       nothing", "old        1"]
    assert out.splitlines()[3].startswith("refused    0: it crashed")
    assert out.splitlines()[4:] == [
        f"no anchor runs in {data}: vigie start --data {data} starts 2",
        "3 was on probation when the node ended",
    ]


def test_a_release_whose_manifest_is_damaged_or_gone_does_not_hide_the_others(vigie, data):
    put(data, Pointers("3", "3", old=("1", "2")))
    (install.home(data) / "1" / "manifest.json").write_text("{")
    shutil.rmtree(install.home(data) / "2")
    code, out, _ = vigie("release", "list", "--json")
    rows = {row["vsn"]: row for row in json.loads(out)["items"]}
    assert (code, rows["3"]["damaged"], rows["3"]["state"]) == (0, None, "permanent")
    assert "no manifest of format 1" in rows["1"]["damaged"]
    assert "cannot be read: No such file" in rows["2"]["damaged"]
    assert vigie("release", "list")[1].splitlines()[-1].startswith("damaged: release 2: ")


@pytest.mark.parametrize("words", [["list"], ["status"], ["remove", "1"]], ids=lambda it: it[0])
def test_damaged_pointers_are_told_with_what_mends_them(vigie, data, words):
    file = install.home(data) / "pointers.json"
    file.parent.mkdir()
    file.write_text("{")
    code, _, err = vigie("release", *words)
    assert (code, f"{file}: damaged: " in err) == (ExitCode.DATA_ERROR, True)
    assert err.endswith(f"vigie release adopt --data {data}\n")


def test_a_program_that_is_no_python_is_refused_as_one(vigie, archive):
    for program in ("/bin/true", "/bin/echo", "nowhere"):
        words = ["release", "install", str(archive), "--python", program]
        code, _, err = vigie(*words)
        assert (code, err) == (ExitCode.USAGE, f"vigie: {program} is no Python that runs\n")
