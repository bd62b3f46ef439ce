import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import release_kit
from release_kit import release

from actors.config import ReleaseConfig
from actors.releases import archive, install, shelf, signing
from actors.releases import manifest as manifests
from actors.releases.environment import interpreter_for
from actors.releases.manifest import Manifest
from supervision.anchor import history, pointers
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import Pointers

CONFIG = ReleaseConfig()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An archive of a small release, for tests that do not change it."""
    return release(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def once(built, tmp_path_factory):
    """A data directory in which it is installed."""
    data = tmp_path_factory.mktemp("once") / "data"
    install.install(data, built, CONFIG)
    return data


@pytest.fixture
def installed(once, tmp_path):
    """A copy of it, to be changed."""
    shutil.copytree(once, tmp_path / "data", symlinks=True)
    return tmp_path / "data"


@pytest.fixture
def copied(built, tmp_path):
    """The same, to be changed."""
    file = tmp_path / "copy.tar"
    file.write_bytes(built.read_bytes())
    return file


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def left(data):
    """What lies among the releases."""
    return sorted(path.name for path in install.home(data).iterdir() if path.name != "lock")


def test_an_archive_is_installed_with_an_environment_of_its_own(built, data):
    done = install.install(data, built, CONFIG)
    directory = install.home(data) / "9.1"
    assert (done.already, left(data)) == (False, ["9.1"])
    found = manifests.read(directory)
    assert found == done.manifest
    assert (found.vsn, found.states, found.origin) == ("9.1", {"session": 1}, "archive")
    assert found.installed.python == release_kit.this().version
    python = directory / found.compose.argv[0]
    words = [python, "-I", "-c", "import actors, sys; print(actors.__file__, sys.prefix)"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert all(Path(path).is_relative_to(directory / "env") for path in said)


def test_scripts_of_an_installed_release_run_where_it_lies(once):
    script = (install.home(once) / "9.1" / "env" / "bin" / "vigie").read_text()
    assert script.splitlines()[0] == f"#!{install.home(once)}/9.1/env/bin/python"
    assert ".partial" not in script


def test_modules_are_compiled_for_where_they_lie(once):
    compiled = list((install.home(once) / "9.1").rglob("inventory.*.pyc"))
    assert len(compiled) == 1
    assert b".partial" not in compiled[0].read_bytes()


def test_the_same_release_is_installed_once(built, installed):
    before = manifests.read(install.home(installed) / "9.1")
    assert install.install(installed, built, CONFIG).already
    assert manifests.read(install.home(installed) / "9.1") == before


def test_the_same_version_with_other_contents_is_refused(built, installed, tmp_path):
    other = release(tmp_path, said={"states": {"session": 1}, "libraries": {"a": "1"}})
    with pytest.raises(Refusal, match="is installed with other contents"):
        install.install(installed, other, CONFIG)
    assert left(installed) == ["9.1"]


def test_an_archive_does_not_take_the_place_of_an_installation_of_its_version(built, data):
    directory = install.home(data) / "9.1"
    directory.mkdir(parents=True)
    external = Manifest(vsn="9.1", origin="external", path="/opt/vigie")
    (directory / "manifest.json").write_bytes(manifests.encode(external))
    with pytest.raises(Refusal, match="is the installation in /opt/vigie already"):
        install.install(data, built, CONFIG)


def test_what_an_interrupted_install_left_is_removed_by_the_next(built, data):
    rubbish = install.home(data) / ".9.0.partial" / "env"
    rubbish.mkdir(parents=True)
    install.install(data, built, CONFIG)
    assert left(data) == ["9.1"]


def test_an_install_that_fails_leaves_nothing(copied, data):
    release_kit.changed(copied, lambda manifest: manifest["states"].update(session=7))
    with pytest.raises(Refusal, match="knows other states than its manifest says"):
        install.install(data, copied, CONFIG)
    assert left(data) == []


def test_two_commands_do_not_change_releases_at_once(built, data):
    # flock(2) is of what was opened: another opening is as good as another command.
    with install.alone(data), pytest.raises(Refusal, match="another command changes") as refused:
        install.install(data, built, CONFIG)
    assert refused.value.code is ExitCode.TRY_AGAIN
    assert not install.install(data, built, CONFIG).already


def test_without_room_on_the_disk_nothing_is_begun(built, data, monkeypatch):
    monkeypatch.setattr(install, "MARGIN_BYTES", 1 << 60)
    with pytest.raises(Refusal, match=r"needs .* of the disk"):
        install.install(data, built, CONFIG)
    assert left(data) == []


def test_a_release_for_another_interpreter_is_refused(copied, data):
    def change(manifest):
        manifest["python"] = "3.99.1"
        found = manifests.decode(json.dumps(manifest).encode(), "test")
        manifest["contents"] = manifests.contents(found)

    release_kit.changed(copied, change)
    with pytest.raises(Refusal, match=r"no python3\.99 is on the path"):
        install.install(data, copied, CONFIG)
    with pytest.raises(Refusal, match=r"is for Python 3\.99"):
        install.install(data, copied, CONFIG, release_kit.this().path)


def test_an_interpreter_of_the_minor_version_is_found():
    this = release_kit.this()
    found = interpreter_for(f"{manifests.minor(this.version)}.99")
    assert found.version == this.version


# Archives


def damaged(file, name, change):
    """Write an archive anew with one of its files changed: None leaves it out."""
    with tarfile.open(file) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}
    found = {key: change(value) if key == name else value for key, value in found.items()}
    with tarfile.open(file, "w") as tar:
        for key, value in found.items():
            if value is not None:
                path = file.parent / "one"
                path.write_bytes(value)
                tar.add(path, arcname=key)
    return file


def names(file):
    with tarfile.open(file) as tar:
        return tar.getnames()


def test_the_manifest_comes_first_and_names_all_the_others(built):
    found = archive.head(built)
    assert names(built)[0] == "manifest.json"
    assert set(names(built)[1:]) == set(found.manifest.hashes)


def test_building_twice_makes_the_same_bytes(tmp_path):
    first = release(tmp_path).read_bytes()
    assert release(tmp_path).read_bytes() == first


@pytest.mark.parametrize("which", [0, 1, 2, -1])
def test_an_archive_whose_files_were_changed_is_refused(copied, data, which):
    name = names(copied)[which]
    damaged(copied, name, lambda text: text.replace(b"9", b"8", 1) + b" ")
    with pytest.raises(Refusal, match="is no archive of a release"):
        install.install(data, copied, CONFIG)
    assert not data.exists() or left(data) == []


@pytest.mark.parametrize("which", [0, 1, -1])
def test_an_archive_that_lacks_a_file_is_refused(copied, data, which):
    damaged(copied, names(copied)[which], lambda _: None)
    with pytest.raises(Refusal, match="is no archive of a release"):
        install.install(data, copied, CONFIG)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_an_archive_that_was_cut_off_is_refused(copied, data, share):
    whole = copied.read_bytes()
    copied.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(Refusal, match="is no archive of a release"):
        install.install(data, copied, CONFIG)
    assert not data.exists() or left(data) == []


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "env/bin/python", "wheels/../../x.whl"])
def test_a_file_under_any_other_name_is_refused(copied, data, tmp_path, name):
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(copied, "a") as tar:
        tar.add(tmp_path / "evil", arcname=name)
    with pytest.raises(Refusal, match="does not belong there"):
        install.install(data, copied, CONFIG)


def test_a_link_is_refused(copied, data):
    with tarfile.open(copied, "a") as tar:
        info = tarfile.TarInfo("wheels/x-1-py3-none-any.whl")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(Refusal, match="does not belong there"):
        install.install(data, copied, CONFIG)


@pytest.mark.parametrize("text", [b"", b"not a tar", b"\0" * 10_240])
def test_what_is_no_archive_is_refused(data, tmp_path, text):
    file = tmp_path / "x.tar"
    file.write_bytes(text)
    with pytest.raises(Refusal, match="is no archive of a release"):
        install.install(data, file, CONFIG)
    with pytest.raises(Refusal, match="cannot be read"):
        install.install(data, tmp_path / "nowhere.tar", CONFIG)


# Signatures


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A signed archive and the public key."""
    where = tmp_path_factory.mktemp("signed")
    public = signing.make_key(where / "key.pem")
    return release(where, key=where / "key.pem"), public


def test_a_node_that_insists_takes_what_a_trusted_key_has_signed(signed, data):
    file, public = signed
    insisting = ReleaseConfig(require_signature=True, trusted_keys=(public,))
    assert install.install(data, file, insisting).manifest.installed.signed_by == public
    assert install.verify(data, "9.1", insisting).vsn == "9.1"


def test_a_node_that_insists_refuses_everything_else(signed, built, data, tmp_path):
    file, public = signed
    other = signing.make_key(tmp_path / "other.pem")
    for wrong, keys in ((built, [public]), (file, [other]), (file, [])):
        insisting = ReleaseConfig(require_signature=True, trusted_keys=tuple(keys))
        with pytest.raises(Refusal) as refused:
            install.install(data, wrong, insisting)
        assert refused.value.code is ExitCode.NOT_PERMITTED
    assert not data.exists()


@pytest.mark.parametrize("listed", [False, True])
def test_a_node_that_does_not_insist_takes_what_another_key_has_signed_and_says_so(
    signed, data, tmp_path, listed
):
    file, public = signed
    keys = (signing.make_key(tmp_path / "other.pem"),) if listed else ()
    done = install.install(data, file, ReleaseConfig(trusted_keys=keys))
    assert done.manifest.installed.signed_by is None
    expected = f"the key {public} that signed it is not in release.trusted_keys"
    assert done.warning == (expected if listed else "")


def test_what_was_installed_without_a_signature_is_not_upgraded_to_once_one_is_required(
    signed, built, installed
):
    _, public = signed
    insisting = ReleaseConfig(require_signature=True, trusted_keys=(public,))
    with pytest.raises(Refusal, match="not signed"):
        install.verify(installed, "9.1", insisting)


# What lies there


def test_a_release_whose_files_were_changed_is_told(built, installed):
    assert install.verify(installed, "9.1", CONFIG).vsn == "9.1"
    module = next((install.home(installed) / "9.1").rglob("inventory.py"))
    module.write_text("print(1)\n")
    with pytest.raises(Refusal, match="have changed since it was installed"):
        install.verify(installed, "9.1", CONFIG)
    with pytest.raises(Refusal, match="is not installed"):
        install.verify(installed, "9.2", CONFIG)


def test_releases_are_listed_with_what_the_pointers_say(built, installed):
    assert [(row.vsn, row.state) for row in shelf.rows(installed)] == [("9.1", "unpacked")]
    pointers.write(installed, Pointers("9.1", "9.1").refusing("9.1", "it crashed", 5.0))
    (row,) = shelf.rows(installed)
    assert (row.state, row.running, row.refused) == ("permanent", True, "it crashed")


@pytest.mark.parametrize("found", [Pointers("9.1", "9.1"), Pointers("9.0", "9.1")])
def test_what_runs_and_what_would_be_started_cannot_be_removed(built, installed, found):
    pointers.write(installed, found)
    with pytest.raises(Refusal, match="only unpacked and old releases"):
        shelf.removable(installed, "9.1")


def test_an_old_release_can_be_removed(built, installed):
    found = Pointers("9.2", "9.2", old=("9.1",))
    pointers.write(installed, found)
    assert shelf.removable(installed, "9.1") == found
    with install.alone(installed) as releases:
        install.discard(releases, "9.1")
    assert "9.1" not in left(installed)
    assert shelf.removable(installed, "9.1") == found  # the pointers still tell of it
    pointers.write(installed, found.without("9.1"))
    with pytest.raises(Refusal, match="is not installed"):
        shelf.removable(installed, "9.1")


def test_the_oldest_are_more_than_are_kept():
    found = Pointers("5", "5", old=("1", "2", "3"))
    assert shelf.surplus(found, 2) == ["1"]
    assert shelf.surplus(found, 3) == []


@pytest.mark.parametrize("vsn", ["", ".", "..", "a/b", "-x", "x" * 65, "1.0.partial", "a b"])
def test_what_can_be_no_version_is_refused(vsn):
    with pytest.raises(Refusal, match="is no version"):
        manifests.checked_vsn(vsn)


def test_the_history_can_be_written_beside_an_install(built, installed):
    history.append(installed, {"step": "install"})
    assert history.read(installed) == [{"step": "install"}]


def test_a_release_that_a_program_uses_is_known(once):
    directory = install.home(once) / "9.1"
    assert install.users(directory) == []
    words = [directory / "env" / "bin" / "python", "-c", "print(flush=True); input()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe) as program:
        program.stdout.readline()
        assert install.users(directory) == [program.pid]
        program.communicate(b"\n", timeout=20)
    assert install.users(directory) == []
