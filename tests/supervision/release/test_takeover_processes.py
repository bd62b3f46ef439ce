"""Takeovers between real processes, either of which is killed at every message there is.

The test is the anchor: it starts both, kills what is left of one, and has the other go on.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from told_program import PATIENCE_S, ToldProgram

pytestmark = pytest.mark.system

PROGRAM = "takeover_program.py"
CONNECTIONS = 3
NEVER = ("put", 0)


class Old(ToldProgram):
    """The side that gives, with connections of its own."""

    def __init__(self, directory: Path) -> None:
        port = directory / "port"
        super().__init__(PROGRAM, "give", str(directory), str(port), str(CONNECTIONS))
        self.expect("listening")
        address = ("127.0.0.1", int(port.read_text(encoding="utf-8")))
        self.clients = [socket.create_connection(address, PATIENCE_S) for _ in range(CONNECTIONS)]

    def listen(self, way: str = "put", at: int = 0) -> None:
        self.tell("listen", way, at)
        self.expect("listens")

    def send(self, text: str) -> None:
        for n, client in enumerate(self.clients):
            client.sendall(f"{text}-{n}\n".encode())

    def answers(self, who: str, text: str) -> None:
        """Every connection is answered by one node, every byte of it."""
        for n, client in enumerate(self.clients):
            wanted, got = f"{who}:{text}-{n}\n".encode(), b""
            while len(got) < len(wanted) and (data := client.recv(100)):
                got += data
            assert got == wanted

    def kill(self) -> None:
        super().kill()
        for client in self.clients:
            client.close()


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Old]:
    program = Old(tmp_path)
    yield program
    program.kill()


@contextlib.contextmanager
def new(directory: Path, way: str = "put", at: int = 0) -> Iterator[ToldProgram]:
    program = ToldProgram(PROGRAM, "take", str(directory))
    program.tell(way, at)
    yield program
    program.kill()


def test_a_new_process_takes_over_and_the_old_one_ends_without_a_connection_closed(
    old: Old, tmp_path: Path
) -> None:
    old.listen()
    with new(tmp_path) as taker:
        old.tell("freeze")
        taker.expect("copied")
        frozen, prepared = old.expect("frozen"), taker.expect("prepared")
        assert (frozen["counts"], frozen["crc"]) == (prepared["counts"], prepared["crc"])
        old.send("meanwhile")
        taker.tell("switch")
        switched = taker.expect("switched")
        assert switched["last"] == "changed"
        old.tell("exit")
        old.expect("exits")
        old.process.wait()
        old.answers("new", "meanwhile")
        old.send("later")
        old.answers("new", "later")


TAKER_POINTS = [("put", n) for n in range(1, 5)] + [("receive", n) for n in range(1, 11)]


def test_wherever_the_new_process_is_killed_the_old_one_goes_on_as_if_nothing_had_been(
    old: Old, tmp_path: Path
) -> None:
    """Nothing of what is sent meanwhile is lost: the new process has not read a byte."""
    met = 0
    for way, at in TAKER_POINTS:
        old.listen()
        with new(tmp_path, way, at) as taker:
            old.tell("freeze")
            seen = [one["what"] for one in iter(taker.said, None)]
            assert taker.process.wait() == -signal.SIGKILL
            old.send(f"{way}-{at}")
        met += 1
        assert set(seen) <= {"copied"}
        old.tell("resume")
        failed, resumed = until_resumed(old)
        assert "gone" in failed or "called off" in failed
        assert resumed == {"what": "resumed", "items": 40, "frozen": False, "noting": False}
        old.answers("old", f"{way}-{at}")
    assert met == len(TAKER_POINTS)
    assert takes_over(old, tmp_path)


def freeze(old: Old, taker: ToldProgram) -> None:
    """Have the old node stand still, and the new one know all that it is."""
    old.tell("freeze")
    taker.expect("copied")
    taker.expect("prepared")
    old.expect("frozen")


def until_resumed(old: Old) -> tuple[str, dict[str, Any]]:
    """Why the takeover failed, and what it says of its going on."""
    said = [one for one in (old.said(), old.said()) if one is not None]
    by_kind = {one["what"]: one for one in said}
    return by_kind["failed"]["why"], by_kind["resumed"]


def takes_over(old: Old, directory: Path) -> bool:
    """After any number of failures: all the same a takeover that works."""
    old.listen()
    with new(directory) as taker:
        freeze(old, taker)
        taker.tell("switch")
        taker.expect("switched")
        old.tell("exit")
        old.expect("exits")
        old.send("at last")
        old.answers("new", "at last")
    return True


def test_a_new_process_that_is_killed_when_all_is_prepared_has_read_nothing(
    old: Old, tmp_path: Path
) -> None:
    old.listen()
    with new(tmp_path) as taker:
        freeze(old, taker)
        old.send("unread")
    old.tell("resume")
    assert old.expect("resumed")["items"] == 40
    old.answers("old", "unread")


GIVER_POINTS = [("put", n) for n in range(1, 11)] + [("receive", n) for n in range(1, 4)]


@pytest.mark.parametrize(("way", "at"), GIVER_POINTS)
def test_wherever_the_old_process_is_killed_the_new_one_says_so_and_serves_nothing(
    tmp_path: Path, way: str, at: int
) -> None:
    old = Old(tmp_path)
    old.listen(way, at)
    with new(tmp_path) as taker:
        old.tell("freeze")
        assert old.process.wait() == -signal.SIGKILL
        seen = list(iter(taker.said, None))
        assert seen[-1]["what"] == "failed"
        assert "gone" in seen[-1]["why"] or "other side" in seen[-1]["why"]
    old.kill()


def test_a_new_process_that_is_prepared_can_serve_although_the_old_one_was_killed_then(
    tmp_path: Path,
) -> None:
    old = Old(tmp_path)
    old.listen("receive", 4)  # what it hears fourth is that all is prepared
    with new(tmp_path) as taker:
        old.tell("freeze")
        assert old.process.wait() == -signal.SIGKILL
        taker.expect("copied")
        taker.expect("prepared")
        old.send("orphan")
        taker.tell("switch")
        taker.expect("switched")
        old.answers("new", "orphan")
    old.kill()
