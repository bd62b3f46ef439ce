"""The anchor's parts: specifications, lines, logs, the lease, long socket paths, binaries."""

import contextlib
import errno
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.anchor import logs, postgres
from supervision.anchor.binaries import BinariesMissing, find_binaries
from supervision.anchor.client import Client
from supervision.anchor.lease import Held, Lease
from supervision.anchor.messages import (
    ExitCode,
    LineSplitter,
    LineTooLong,
    Refusal,
    decode,
    encode,
    outcome,
)
from supervision.anchor.spec import (
    AnchorSpec,
    ListenerSpec,
    ProgramSpec,
    RestartPolicy,
    SpecInvalid,
)
from supervision.anchor.unixpath import connect, listen

NODE = ProgramSpec("node", ("/bin/node", "-v"), env={"A": "1"}, listeners=("http",), awaited=True)
SPEC = AnchorSpec("/data", (NODE,), (ListenerSpec("http", "::1", 0),), relays={"api": "node"})


def test_a_specification_survives_its_json_form():
    assert AnchorSpec.from_json(SPEC.to_json()) == SPEC


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"directory": "relative"}, "directory: an absolute path"),
        ({"programs": ()}, "programs: at least one"),
        ({"programs": (NODE, NODE)}, "programs.name: unique"),
        ({"listeners": ()}, "programs.node.listeners: names of listeners"),
        ({"relays": {"api": "nobody"}}, "relays: names of programs"),
        ({"start_timeout_s": 0.0}, "start_timeout_s: above 0"),
        ({"log_max_bytes": 1}, "log_max_bytes: at least 4096"),
    ],
)
def test_a_specification_that_cannot_be_guarded_names_field_and_rule(change, words):
    with pytest.raises(SpecInvalid, match=words):
        replace(SPEC, **change)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (ListenerSpec, ("a b", "::1", 1), "letters, digits"),
        (ListenerSpec, ("http", "", 1), "listeners.http.host: not empty"),
        (ListenerSpec, ("http", "::1", 65_536), "listeners.http.port: 0 to 65535"),
        (RestartPolicy, (0.0,), "restart.min_s: above 0"),
        (RestartPolicy, (2.0, 1.0), "restart.max_s: at least restart.min_s"),
        (ProgramSpec, ("node", ()), "programs.node.argv"),
    ],
)
def test_a_part_that_cannot_be_names_field_and_rule(kind, values, words):
    with pytest.raises(SpecInvalid, match=words):
        kind(*values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"directory": "/data"}',
        '{"directory": "/data", "programs": 7}',
        '{"directory": "/data", "programs": [7]}',
        '{"directory": "/data", "programs": [{"name": "node", "argv": ["/bin/x"], "colour": 1}]}',
        '{"directory": 7, "programs": [{"name": "node", "argv": ["/bin/x"]}]}',
    ],
)
def test_json_that_is_no_specification_is_refused(text):
    with pytest.raises(SpecInvalid):
        AnchorSpec.from_json(text)


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line)), st.integers(1, 7))
def test_lines_come_out_whole_however_the_bytes_come_in(lines, step):
    stream, splitter, found = b"".join(line + b"\n" for line in lines), LineSplitter(20), []
    for start in range(0, len(stream), step):
        found += splitter.feed(stream[start : start + step])
    assert found == lines


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\n", b"ok\n" + b"x" * 11])
def test_a_line_over_the_limit_ends_the_stream(data):
    with pytest.raises(LineTooLong):
        LineSplitter(10).feed(data)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_message_or_a_refusal(data):
    with contextlib.suppress(Refusal):
        assert isinstance(decode(data), dict)


@pytest.mark.parametrize("code", [99, None, "77"])
def test_an_exit_code_nobody_knows_means_failed(code):
    with pytest.raises(Refusal, match="no") as refused:
        outcome({"ok": False, "error": {"code": code, "msg": "no"}})
    assert refused.value.code == ExitCode.FAILED


def test_a_long_log_makes_way_and_only_so_many_old_ones_are_kept(tmp_path):
    path = tmp_path / "logs" / "node.log"
    for number in range(5):
        with logs.open_log(path, max_bytes=10, keep=2) as log:
            log.write(f"incarnation {number}\n".encode())
    assert sorted(item.name for item in path.parent.iterdir()) == [
        "node.log",
        "node.log.1",
        "node.log.2",
    ]
    assert path.read_text() == "incarnation 4\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_log_is_cut_under_the_hands_of_its_writer(tmp_path):
    path = tmp_path / "node.log"
    with logs.open_log(path, max_bytes=10, keep=1) as log:
        log.write(b"a long line\n")
        assert logs.cut_log(path, max_bytes=10, keep=1)
        log.write(b"more\n")
    assert not logs.cut_log(path, max_bytes=10, keep=1)
    assert path.read_text() == "more\n"
    assert path.with_name("node.log.1").read_text() == "a long line\n"


def test_the_tail_of_a_log_begins_where_it_is_told(tmp_path):
    path = tmp_path / "node.log"
    assert logs.tail(path, 2) == []
    path.write_text("one\ntwo\nthree\nfour\n")
    assert logs.tail(path, 2) == ["three", "four"]
    assert logs.tail(path, 9, since=8) == ["three", "four"]
    assert logs.tail(path, 9, since=10_000) == ["one", "two", "three", "four"]


def test_a_lease_is_for_one_and_ends_with_its_release(tmp_path):
    lease = Lease(tmp_path)
    with pytest.raises(Held, match=f"process {os.getpid()}"):
        Lease(tmp_path)
    lease.release()
    Lease(tmp_path).release()


def test_an_heir_kills_the_recorded_programs_that_hold_the_lease_and_no_others(tmp_path):
    first = Lease(tmp_path)
    first.inherit(1.0)
    words = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    holder = subprocess.Popen(words, pass_fds=[first.inherited_fd], **pipes)
    stranger = subprocess.Popen(words, **pipes)
    try:
        assert holder.stdout.readline() == stranger.stdout.readline() == b"up\n"
        first.record("node", holder.pid)
        first.record("reused", stranger.pid)
        records = json.loads((tmp_path / "anchor.programs").read_text())
        records[1]["start_time"] -= 1  # its process id was given to another process since
        (tmp_path / "anchor.programs").write_text(json.dumps(records))
        first.release()
        heir = Lease(tmp_path)
        assert heir.inherit(0.2) == [holder.pid]
        assert stranger.poll() is None
        heir.release()
    finally:
        for child in (holder, stranger):
            child.kill()
            child.communicate()


def test_an_heir_of_unknown_holders_gives_up_in_words(tmp_path):
    first = Lease(tmp_path)
    first.inherit(1.0)
    unknown = os.dup(first.inherited_fd)
    first.release()
    with pytest.raises(Held, match="programs of an earlier anchor still use"):
        Lease(tmp_path).inherit(0.05)
    os.close(unknown)


def test_a_socket_below_a_long_path_is_served_in_place_of_a_stale_one(tmp_path):
    directory = tmp_path / ("x" * 100) / ("y" * 100)
    directory.mkdir(parents=True)
    path = directory / "anchor.sock"
    listen(path, mode=0o600, backlog=1).close()
    with listen(path, mode=0o600, backlog=1) as server, connect(path, 5.0) as peer:
        accepted, _ = server.accept()
        with accepted:
            peer.sendall(encode({"hello": 1}))
            assert accepted.recv(100) == b'{"hello":1}\n'


def test_a_client_of_nobody_is_told_that_nobody_is_there(tmp_path):
    with pytest.raises(Refusal, match="no anchor runs in") as refused:
        Client(tmp_path)
    assert refused.value.code == ExitCode.UNREACHABLE
    listen(tmp_path / "anchor.sock", mode=0o600, backlog=1).close()
    with pytest.raises(Refusal, match="no anchor runs in"):
        Client(tmp_path)


def programs(directory):
    directory.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (directory / name).touch(mode=0o755)
    return directory


def test_pg_bin_decides_and_must_be_complete(tmp_path):
    given_by_hand = programs(tmp_path / "mine")
    assert find_binaries({"PG_BIN": str(given_by_hand)}) == given_by_hand
    (given_by_hand / "initdb").unlink()
    with pytest.raises(BinariesMissing, match=r"PG_BIN: .* must have postgres and initdb"):
        find_binaries({"PG_BIN": str(given_by_hand)})


def test_without_a_wheel_the_newest_of_the_system_is_used_then_the_path(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    for version in ("9", "15", "17"):
        programs(tmp_path / "system" / version / "bin")
    (tmp_path / "system" / "17" / "bin" / "initdb").unlink()
    found = find_binaries({}, tmp_path / "system")
    assert found == tmp_path / "system" / "15" / "bin"
    elsewhere = programs(tmp_path / "elsewhere")
    assert find_binaries({"PATH": str(elsewhere)}, tmp_path / "none") == elsewhere
    with pytest.raises(BinariesMissing, match="set PG_BIN"):
        find_binaries({"PATH": "/nonexistent"}, tmp_path / "none")


def test_a_dsn_quotes_what_has_a_meaning_in_urls(tmp_path):
    server = postgres.ServerSpec(tmp_path / "a b&c" / "postgres", tmp_path, "role", "base")
    dsn = postgres.dsn(server, tmp_path / "a b&c")
    assert "a%20b%26c" in dsn
    assert dsn.startswith("postgresql:///base?user=role&host=%2F")


def test_a_program_that_cannot_be_noted_for_want_of_room_runs_all_the_same(
    tmp_path, monkeypatch, caplog
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    lease = Lease(tmp_path)
    monkeypatch.setattr(os, "pwrite", full)
    lease.record("node", os.getpid())
    lease.release()
    assert "No space left" in caplog.text
