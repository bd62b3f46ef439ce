"""Two processes that pass a journal on, one of which is killed at a chosen line of that.

``python journal_killing.py DIRECTORY WHERE FIRST STEP`` tries it with the line FIRST, FIRST + STEP
and so on, each on a journal of its own, until the killed one has no such line any more; it prints a
line of JSON for each. Lines are counted in all threads from the beginning of the step WHERE:

    stop     the old process commits and packs; the new one is killed too
    resume   the new process is killed before the switch, the old one goes on and is killed
    switch   the new process goes on while the old one is still there, which ends then
    after    as switch, but the old process has ended as soon as the journal was taken over
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from journal_kit import OutboxItem, durable, on_disk
from passing_journals import Node

ROWS = 12
WATCHED = ("/actors/journal/", "/actors/takeover/journal_part")
WORD = 4


class Killed:
    """Kills this process at a line.

    Args:
        line: which, from 1 on; 0 is none.

    Attributes:
        counts: whether lines are counted now, in this thread and those that began since it is here.
    """

    def __init__(self, line):
        self._line = line
        self._count = 0
        self.counts = False
        if line:
            threading.settrace(self._trace)
            sys.settrace(self._trace)

    def _trace(self, frame, what, _):
        if not self.counts or not any(one in frame.f_code.co_filename for one in WATCHED):
            return None
        if what == "line":
            self._count += 1
            if self._count == self._line:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._trace


class Life:
    """What both processes do: put rows and say which of them are durable."""

    def __init__(self, directory, told, name):
        self.node = Node(directory)
        self._told = told
        self._name = name
        self._number = 0

    def put(self):
        """Put a row and an item of the outbox; tell when both are durable."""
        self._number += 1
        key = f"{self._name}{self._number}"
        journal = self.node.journal
        journal.put("session", key, {"row": "x" * 500})
        journal.append(OutboxItem(key, "c", None, {"closed": key}))
        journal.after(lambda: os.write(self._told, f"{key}\n".encode()))

    async def some(self):
        """A few commits."""
        for _ in range(ROWS):
            self.put()
            self.put()
            await durable(self.node.journal)


async def give(directory, told, peer, where, line):
    """The old process."""
    killed = Killed(line if where in ("stop", "resume") else 0)
    life = Life(directory, told, "old")
    part = life.node.part
    await life.node.journal.open()
    await life.some()
    life.put()
    await part.drain(0.0)
    killed.counts = where == "stop"
    await part.stop()
    packed = part.pack(1)
    killed.counts = False
    rights = array.array("i", packed.descriptors)
    peer.sendmsg([packed.body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    if where == "resume":
        await asyncio.to_thread(_word, peer)
        await resumed(life, killed)
    await asyncio.to_thread(_word, peer)  # in a takeover it is told to end; the end of the other


async def resumed(life, killed):
    """Go on after all."""
    killed.counts = True
    await life.node.part.resume()
    life.put()
    await durable(life.node.journal)
    killed.counts = False
    await life.some()


async def take(directory, told, peer, where, line):
    """The new process."""
    killed = Killed(line if where in ("switch", "after") else 0)
    life = Life(directory, told, "new")
    body, rights, _, _ = await asyncio.to_thread(peer.recvmsg, 65536, 1024)
    if not body:
        return
    descriptors = array.array("i")
    for _, _, data in rights:
        descriptors.frombytes(data)
    if where in ("stop", "resume"):
        life.node.part.unpack(1, body, tuple(descriptors))
        peer.send(b"dead")
        os.kill(os.getpid(), signal.SIGKILL)
    killed.counts = True
    life.node.part.unpack(1, body, tuple(descriptors))
    await life.node.part.switch()
    if where == "after":
        peer.send(b"exit")
    life.put()
    await durable(life.node.journal)
    killed.counts = False
    await life.some()


def _word(peer):
    return peer.recv(WORD)


def child(run, other, *args):
    """A process that runs something without the other's end, and ends without a word."""
    pid = os.fork()
    if pid == 0:
        other.close()
        try:
            asyncio.run(run(*args))
        finally:
            os._exit(0)
    return pid


def all_of(descriptor):
    """What comes until the last one who could write has ended."""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def tried(directory, where, line):
    """One journal that is passed on; whether who was to be was killed, and what came of it."""
    heard, told = os.pipe()
    left, right = socket.socketpair()
    old = child(give, right, directory, told, left, where, line)
    new = child(take, left, directory, told, right, where, line)
    left.close()
    right.close()
    os.close(told)
    said = all_of(heard)
    killed = [os.WIFSIGNALED(os.waitpid(pid, 0)[1]) for pid in (old, new)]
    died = killed[0] if where in ("stop", "resume") else killed[1]
    return {"line": line, "died": died} | verdict(directory, said.decode().split())


def verdict(directory, acknowledged):
    """What the next start finds of what was acknowledged."""

    async def look(journal):
        recovered = await journal.open()
        rows = recovered.values.get("session", {})
        return {
            "acknowledged": len(acknowledged),
            "lost": sorted(set(acknowledged) - set(rows)),
            "missing_commits": recovered.missing_commits,
            "outbox": journal.outbox_rows - len(rows),
        }

    return on_disk(directory, look)


def main(words):
    """Try line after line; each in a process of its own, which has no threads before."""
    where, first, step = words[1], int(words[2]), int(words[3])
    line = first
    while True:
        heard, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(heard)
            found = tried(Path(words[0]) / f"{where}-{line}" / "journal", where, line)
            os.write(told, json.dumps(found).encode())
            os._exit(0)
        os.close(told)
        text = all_of(heard)
        os.waitpid(pid, 0)
        sys.stdout.write(f"{text.decode()}\n")
        sys.stdout.flush()
        if not text or not json.loads(text)["died"]:
            return
        line += step


if __name__ == "__main__":
    main(sys.argv[1:])
