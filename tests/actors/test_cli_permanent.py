"""A start executes the permanent release, from whatever installation it was asked."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from actors.cli import installation, rooms
from actors.etc_files import etc_file
from actors.user_name import user
from supervision.anchor import history, pointers
from supervision.anchor.lease import Lease
from supervision.anchor.messages import ExitCode
from supervision.anchor.pointers import Pointers

pytestmark = pytest.mark.system

NODE = Path(__file__).with_name("cli_node.py")
LIBRARIES = sysconfig.get_path("purelib")
PATCH = f"""

def _node(*args):
    spec = _real_node(*args)
    return replace(spec, argv=(sys.executable, {str(NODE)!r}, *spec.argv[4:]))
"""


def make_installation(home):
    """A copy of the rooms whose node is the tests' own."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    places = {room: rooms.home() / room for room in rooms.ROOMS}
    for part, place in {**places, "etc": etc_file("vigie.toml").parent}.items():
        shutil.copytree(place, home / part, ignore=ignore)
    (home / "pyproject.toml").write_text("")
    composition = home / "actors" / "cli" / "composition.py"
    text = composition.read_text().replace("def _node(", "def _real_node(")
    composition.write_text(text + PATCH)
    return home


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return make_installation(tmp_path_factory.mktemp("one") / "vigie")


@pytest.fixture
def data(tmp_path):
    """A data directory; what runs there at the end is stopped."""
    config = tmp_path / "vigie.toml"
    config.write_text(
        '[http]\nport = 0\n[cti]\nport = 0\n[database]\ndsn = "postgresql://nobody@127.0.0.1:1/x"\n'
        "[anchor]\nstart_timeout_s = 30.0\nstop_timeout_s = 5.0\n"
    )
    yield tmp_path / "var"
    vigie(rooms.home(), tmp_path / "var", "stop")


def vigie(home, data, *words, python=sys.executable):
    """Run a command of an installation; return exit code, stdout, stderr."""
    path = os.pathsep.join([str(home), LIBRARIES])
    start = [f"--config={data.parent / 'vigie.toml'}"] if words[0] == "start" else []
    done = subprocess.run(
        [python, "-P", "-m", "actors.cli", *words, *start, "--data", data],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120.0,
    )
    return done.returncode, done.stdout, done.stderr


def node_path(home, data):
    """Where the node's rooms are, as its environment says."""
    pid = json.loads(vigie(home, data, "info", "--json")[1])["node"]["pid"]
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (path,) = [item for item in environ if item.startswith(b"PYTHONPATH=")]
    return path.decode().removeprefix("PYTHONPATH=").split(os.pathsep)[0]


def test_the_first_start_records_the_installation_as_the_permanent_release(one, data):
    assert vigie(one, data, "start")[0] == 0
    found = pointers.read(data)
    assert (found.permanent, found.provisional, found.old) == (found.current, False, ())
    manifest = pointers.manifest(data, found.permanent)
    assert (manifest["origin"], manifest["path"]) == ("external", str(one))
    assert manifest["states"]["session"] >= 1
    assert installation.changed(manifest) == ""
    (line,) = history.read(data)
    assert (line["step"], line["vsn"], line["who"]) == (
        "adopt",
        found.permanent,
        user(),
    )


def test_a_start_from_elsewhere_executes_the_permanent_release_and_says_so(one, data):
    vigie(one, data, "start")
    vigie(one, data, "stop")
    code, out, err = vigie(rooms.home(), data, "start", "--json")
    assert (code, json.loads(out)["state"]) == (0, "running")
    vsn = pointers.read(data).permanent
    assert f"vigie: the permanent release is {vsn}: {sys.executable} goes on\n" in err
    assert node_path(one, data) == str(one)


def test_an_installation_that_has_changed_is_refused_with_what_mends_it(data, tmp_path):
    home = make_installation(tmp_path / "two")
    vigie(home, data, "start")
    vigie(home, data, "stop")
    first = pointers.read(data).permanent
    changed = home / "actors" / "alarms.py"
    changed.write_text(changed.read_text() + "# another line\n")
    code, _, err = vigie(home, data, "start")
    assert code == ExitCode.USAGE
    assert f"{home} has changed" in err
    assert f"vigie release adopt --data {data}" in err
    assert vigie(home, data, "release", "adopt")[0] == 0
    assert vigie(home, data, "start")[0] == 0
    second = pointers.read(data)
    assert (second.permanent != first, second.old) == (True, ())
    assert pointers.manifest(data, first) is None  # its files are there no more


def test_an_installation_that_is_gone_is_refused_with_what_mends_it(one, data, tmp_path):
    home = make_installation(tmp_path / "two")
    vigie(home, data, "start")
    vigie(home, data, "stop")
    shutil.rmtree(home)
    code, _, err = vigie(one, data, "start")
    assert code == ExitCode.USAGE
    assert f"{home / 'actors'} is gone" in err
    assert f"vigie release adopt --data {data}" in err


def test_what_was_on_probation_when_all_ended_is_not_what_starts(one, data):
    vigie(one, data, "start")
    vigie(one, data, "stop")
    vsn = pointers.read(data).permanent
    pointers.write(data, Pointers(vsn, "9.9.9"))
    code, _, err = vigie(one, data, "start")
    assert code == 0
    assert f"vigie: 9.9.9 was on probation when the node ended; {vsn} starts; " in err
    found = pointers.read(data)
    assert (found.current, found.provisional) == (vsn, False)
    line = history.read(data)[-1]
    assert (line["step"], line["vsn"], line["from"]) == ("fallback", vsn, "9.9.9")
    why = "the node ended while the release was on probation; it may be tried again"
    assert (line["result"], line["why"]) == ("permanent", why)


def test_a_release_is_not_refused_for_a_node_that_ended_on_its_probation(one, data):
    vigie(one, data, "start")
    vigie(one, data, "stop")
    vsn = pointers.read(data).permanent
    known = Pointers(vsn, "9.9.9").refusing("8.8.8", "it crashed", 5.0)
    pointers.write(data, known)
    assert vigie(one, data, "start")[0] == 0
    assert pointers.read(data) == known.back()  # what a living anchor has seen stays
    # It is asked for as any other; it is not refused for having failed, but for being nowhere.
    code, _, err = vigie(one, data, "release", "upgrade", "9.9.9")
    assert (code, "has failed before" in err) == (ExitCode.FAILED, False)
    code, _, err = vigie(one, data, "release", "upgrade", "8.8.8")
    assert (code, "8.8.8 has failed before (it crashed)" in err) == (ExitCode.FAILED, True)


@pytest.fixture
def release(data, tmp_path):
    """A release in the data directory, 2.0.0, with an environment of its own."""
    home = make_installation(tmp_path / "two")
    directory = data / "releases" / "2.0.0"
    directory.mkdir(parents=True)
    words = [sys.executable, "-m", "venv", "--without-pip", directory / "env"]
    subprocess.run(words, check=True, timeout=120)
    (site,) = (directory / "env" / "lib").glob("python3.*/site-packages")
    (site / "vigie.pth").write_text(f"{home}\n{LIBRARIES}\n")
    argv = ["env/bin/python", "-P", "-m", "actors.cli.compose"]
    compose = {"argv": argv, "env": {"PYTHONPATH": ""}}
    manifest = {"format": 1, "vsn": "2.0.0", "origin": "archive", "compose": compose}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return home


def test_a_release_of_the_data_directory_starts_in_its_own_environment(one, data, release):
    pointers.write(data, Pointers("2.0.0", "2.0.0"))
    code, _, err = vigie(one, data, "start")
    assert (code, "the permanent release is 2.0.0" in err) == (0, True)
    assert node_path(one, data) == str(release)


def test_the_first_start_by_a_release_of_the_data_directory_makes_that_one_permanent(data, release):
    python = data / "releases" / "2.0.0" / "env" / "bin" / "python"
    code, _, err = vigie(release, data, "start", python=python)
    assert (code, err) == (0, "")
    assert pointers.read(data) == Pointers("2.0.0", "2.0.0")
    assert pointers.installed(data) == ["2.0.0"]


def test_a_permanent_release_that_is_not_there_is_refused(one, data):
    data.mkdir()
    pointers.write(data, Pointers("2.0.0", "2.0.0"))
    code, _, err = vigie(one, data, "start")
    assert code == ExitCode.USAGE
    assert f"{data / 'releases' / '2.0.0'} is not there" in err


DAMAGED = {
    "{": "damaged: Expecting property name enclosed in double quotes",
    "": "damaged: Expecting value",
    '{"format": 1, "current": "1"}': "damaged: 'permanent' is missing",
    '{"format": 1, "current": "1", "permanent": "../x"}': "damaged: '../x' is no version",
    '{"format": 2}': "of format 2; this release reads 1",
}


@pytest.mark.parametrize("text", DAMAGED)
def test_pointers_that_cannot_be_read_start_nothing_and_are_mended_by_adopting(one, data, text):
    file = data / "releases" / "pointers.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    code, _, err = vigie(one, data, "start")
    assert (code, f"{file}: {DAMAGED[text]}" in err) == (ExitCode.DATA_ERROR, True)
    assert err.endswith(f"vigie release adopt --data {data}\n")
    assert file.read_text() == text
    code, out, _ = vigie(one, data, "release", "adopt", "--json")
    found = json.loads(out)
    aside = Path(found["aside"])
    assert (code, aside.read_text()) == (0, text)
    assert aside.name.startswith("pointers.json.damaged-")
    assert pointers.read(data) == Pointers(found["permanent"], found["permanent"])
    why = history.read(data)[-1]["why"]
    assert f"; pointers.json: {DAMAGED[text]}" in why
    assert why.endswith(f"; set aside as {aside.name}")


def test_damaged_pointers_are_set_aside_beside_those_of_before(one, data):
    file = data / "releases" / "pointers.json"
    file.parent.mkdir(parents=True)
    asides = []
    for text in "{[":
        file.write_text(text)
        code, out, _ = vigie(one, data, "release", "adopt", "--json")
        assert code == 0
        asides.append(json.loads(out)["aside"])
    assert [Path(aside).read_text() for aside in asides] == ["{", "["]


def test_a_record_of_an_installation_that_is_damaged_is_mended_by_adopting(one, data):
    vigie(one, data, "release", "adopt")
    vsn = pointers.read(data).permanent
    record = data / "releases" / vsn / "manifest.json"
    record.write_text("{")
    code, _, err = vigie(one, data, "start")
    assert (code, "manifest.json: not JSON" in err) == (ExitCode.USAGE, True)
    assert vigie(one, data, "release", "adopt")[0] == 0
    assert pointers.read(data) == Pointers(vsn, vsn)
    assert vigie(one, data, "start")[0] == 0


# Whoever changes what starts is alone


CHANGING = (["start"], ["release", "adopt"], ["release", "remove", "1.0.0"])


@pytest.fixture
def guarded(one, data):
    """A data directory with an anchor that lives and cannot be asked, on probation."""
    vigie(one, data, "start")
    found = replace(pointers.read(data), current="9.9.9", old=("1.0.0",))
    (data / "releases" / "1.0.0").mkdir()
    pointers.write(data, found)
    (data / "anchor.sock").rename(data / "aside.sock")
    yield found
    (data / "aside.sock").rename(data / "anchor.sock")


def test_nothing_changes_pointers_under_an_anchor_that_lives_and_cannot_be_asked(
    one, data, guarded
):
    for words in CHANGING:
        code, _, err = vigie(one, data, *words)
        assert (code, f"guards {data}" in err) == (ExitCode.TRY_AGAIN, True), words
    assert pointers.read(data) == guarded
    assert (data / "releases" / "1.0.0").is_dir()


def test_nothing_changes_pointers_while_an_anchor_comes_or_goes(one, data):
    vigie(one, data, "release", "adopt")
    found = replace(pointers.read(data), current="9.9.9", old=("1.0.0",))
    pointers.write(data, found)
    lease = Lease(data)
    try:
        for words in CHANGING:
            code, _, err = vigie(one, data, *words)
            assert (code, f"(process {os.getpid()}) guards {data}" in err) == (75, True), words
    finally:
        lease.release()
    assert pointers.read(data) == found


def test_no_start_goes_on_beside_a_command_that_changes_releases(one, data):
    vigie(one, data, "release", "adopt")
    with history.lock(data):
        for words in (["start"], ["release", "adopt"]):
            code, _, err = vigie(one, data, *words)
            assert (code, "another command starts a node or changes" in err) == (75, True), words


def test_of_two_first_starts_at_once_one_is_what_starts(one, data, tmp_path):
    homes = one, make_installation(tmp_path / "two")
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda home: vigie(home, data, "start"), homes))
    codes = sorted(code for code, _, _ in done)
    assert codes in ([0, ExitCode.FAILED], [0, ExitCode.TRY_AGAIN]), done
    manifest = pointers.manifest(data, pointers.read(data).permanent)
    assert manifest["path"] == node_path(one, data)
    assert [line["step"] for line in history.read(data)] == ["adopt"]


def test_the_composition_of_an_installation_that_has_changed_is_refused(one, data):
    words = [sys.executable, "-P", "-m", "actors.cli.compose", "--data", data, "--expect"]
    words += ["0" * 64]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(one), LIBRARIES])}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert done.stderr == f"{one} has changed since it was recorded\n"


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one commit."""
    home = tmp_path / "checkout"
    for room in (*rooms.ROOMS, "etc"):
        (home / room).mkdir(parents=True)
        (home / room / "file").write_text(room)
    git(home, "init", "-q")
    git(home, "add", ".")
    git(home, "commit", "-q", "-m", "one")
    return installation.Installation(home, home / "etc", sys.executable, str(home))


def git(home, *words):
    who = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
    done = subprocess.run(
        ["git", "-C", home, *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def vsn(found):
    return installation._vsn(found, found.contents())


def test_the_version_of_a_checkout_tells_its_commit_and_whether_it_has_changed(checkout):
    project = installation._project()
    commit = git(checkout.home, "rev-parse", "HEAD")[:8]
    assert vsn(checkout) == f"{project}+g{commit}"
    (checkout.home / "etc" / "file").write_text("changed")
    assert vsn(checkout) == f"{project}+g{commit}.d{checkout.contents()[:8]}"
    git(checkout.home, "commit", "-q", "-a", "-m", "two")
    git(checkout.home, "tag", f"v{project}")
    assert vsn(checkout) == project


def test_the_version_of_a_checkout_that_git_does_not_know_has_a_hash(checkout):
    shutil.rmtree(checkout.home / ".git" / "objects")
    assert vsn(checkout) == f"{installation._project()}+d{checkout.contents()[:8]}"


def test_compiled_modules_are_no_change_and_everything_else_is(checkout):
    before = checkout.contents()
    (checkout.home / "actors" / "__pycache__").mkdir()
    (checkout.home / "actors" / "__pycache__" / "x.pyc").write_text("x")
    assert checkout.contents() == before
    (checkout.home / "actors" / "new.py").write_text("")
    assert checkout.contents() != before


def test_two_releases_of_one_version_are_told_apart(checkout, tmp_path):
    data = tmp_path / "var"
    data.mkdir()
    found, contents = checkout, checkout.contents()
    taken = data / "releases" / vsn(found)
    taken.mkdir(parents=True)
    (taken / "manifest.json").write_text(json.dumps({"format": 1, "origin": "archive"}))
    assert installation._free_vsn(data, found, contents) == f"{vsn(found)}.d{contents[:8]}"
