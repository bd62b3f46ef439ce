import subprocess
from pathlib import Path

import pytest

from actors.releases.source import copy, tree_hash
from supervision.anchor.messages import Refusal

PROJECT = '[project]\nname = "vigie"\nversion = "1.4.0"\ndependencies = []\n'


def git(checkout, *words):
    named = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    done = subprocess.run(
        ["git", "-C", checkout, *named, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """A checkout of one commit."""
    root = tmp_path / "checkout"
    for name in ("actors", "protocols", "supervision", "etc"):
        (root / name).mkdir(parents=True)
        (root / name / "a.py").write_text("ONE = 1\n")
    for name in ("README.md", "LICENSE"):
        (root / name).write_text(name)
    (root / "pyproject.toml").write_text(PROJECT)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "one")
    return root


def test_the_version_of_a_tagged_commit_is_the_projects(checkout, tmp_path):
    git(checkout, "tag", "v1.4.0")
    found = copy(checkout, tmp_path / "copy")
    assert (found.vsn, found.version, found.dirty) == ("1.4.0", "1.4.0", False)
    assert found.commit == git(checkout, "rev-parse", "HEAD")


def test_the_version_of_another_commit_names_it(checkout, tmp_path):
    commit = git(checkout, "rev-parse", "HEAD")
    found = copy(checkout, tmp_path / "copy")
    assert found.vsn == f"1.4.0+g{commit[:8]}"
    text = Path(found.directory, "pyproject.toml").read_text()
    assert f'version = "{found.vsn}"' in text


def test_the_version_of_a_tree_with_changes_has_a_hash_of_it(checkout, tmp_path):
    git(checkout, "tag", "1.4.0")
    (checkout / "actors" / "a.py").write_text("ONE = 2\n")
    first = copy(checkout, tmp_path / "first")
    (checkout / "actors" / "b.py").write_text("")
    second = copy(checkout, tmp_path / "second")
    assert first.dirty
    assert first.vsn.startswith("1.4.0+d")
    assert first.vsn != second.vsn


def test_the_version_of_sources_without_a_commit_is_a_hash_of_them(checkout, tmp_path):
    (checkout / ".git").rename(tmp_path / "elsewhere")
    found = copy(checkout, tmp_path / "copy")
    assert (found.commit, found.dirty) == (None, True)
    assert found.vsn.startswith("1.4.0+d")


def test_the_same_sources_have_the_same_version_wherever_they_lie(checkout, tmp_path):
    (checkout / "actors" / "a.py").write_text("ONE = 2\n")
    (checkout / "actors" / "__pycache__").mkdir()
    (checkout / "actors" / "__pycache__" / "a.pyc").write_text("compiled")
    first = copy(checkout, tmp_path / "first")
    moved = checkout.rename(tmp_path / "moved")
    assert copy(moved, tmp_path / "second").vsn == first.vsn


@pytest.mark.parametrize("missing", ["pyproject.toml", "actors"])
def test_what_is_no_checkout_is_refused(checkout, tmp_path, missing):
    (checkout / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(Refusal, match="is no checkout of vigie"):
        copy(checkout, tmp_path / "copy")


def test_a_checkout_of_another_project_is_refused(checkout, tmp_path):
    (checkout / "pyproject.toml").write_text(PROJECT.replace("vigie", "other"))
    with pytest.raises(Refusal, match="is no checkout of vigie"):
        copy(checkout, tmp_path / "copy")


def test_a_hash_of_files_tells_names_contents_and_what_may_run(tmp_path):
    found = set()
    for name, text, mode in (("a", "1", 0o644), ("b", "1", 0o644), ("a", "2", 0o644)):
        directory = tmp_path / f"{len(found)}"
        directory.mkdir()
        (directory / name).write_text(text)
        (directory / name).chmod(mode)
        found.add(tree_hash(directory))
    (tmp_path / "2" / "a").chmod(0o755)
    found.add(tree_hash(tmp_path / "2"))
    assert len(found) == 4


def test_outside_of_what_is_looked_at_whole_the_size_stands_for_the_contents(tmp_path):
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("1")
    first = tree_hash(tmp_path, ["own"])
    (tmp_path / "other" / "a").write_text("2")
    assert tree_hash(tmp_path, ["own"]) == first
    (tmp_path / "own" / "a").write_text("2")
    assert tree_hash(tmp_path, ["own"]) != first
