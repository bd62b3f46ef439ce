"""``python -m supervision.anchor.shim``: the process between an anchor and a PostgreSQL server.

It drops root's privileges, makes the cluster at the first start, runs the server and stops it when
the anchor asks (SIGTERM) or dies (end of the channel). It ends with the server: starting anew is
the anchor's business. When it is killed itself the kernel sends SIGQUIT to the server, which then
recovers at its next start.

The server's user may not be able to search the directories above its own, such as a home of mode
0700. So the directory is opened while this process is still root's, and named
``/proc/self/fd/N`` from then on.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from supervision.anchor import binaries, leftovers, postgres
from supervision.anchor.inheritance import Inherited, inherited
from supervision.anchor.messages import encode
from supervision.anchor.process import die_with_parent

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

_Child = subprocess.Popen[bytes]

POLL_S = 0.02
"""How often a starting server is asked whether it is ready, in seconds."""

FAST_STOP_SHARE = 0.7
"""Of the time to stop, what an orderly shutdown gets before the server is told to give up."""


class Stopping(Exception):  # noqa: N818 - not an error: the anchor asked, or is dead
    """The shim was told to stop."""


class ServerEnded(Exception):  # noqa: N818 - a state of affairs
    """The server ended by itself.

    Args:
        returncode: How, as ``Popen.returncode``.
    """

    def __init__(self, returncode: int) -> None:
        super().__init__(f"the server ended: {returncode}")
        self.returncode = returncode


class Failed(Exception):  # noqa: N818 - reads as what it is where it is caught
    """A program the server needs failed; the message says which."""


def main() -> int:
    """Run a server until the anchor says or dies.

    Returns:
        0 after an orderly stop, 1 when the server could not be started; when the server ended by
        itself this process ends as it did.
    """
    spec = parse(sys.argv[1:])
    given = inherited(os.environ)
    spec, directory = _prepare(spec)
    shim = Shim(spec, directory, given)
    try:
        shim.serve()
    except Stopping:
        return 0
    except ServerEnded as ended:
        return _end_alike(ended.returncode)
    except Failed as error:
        sys.stderr.write(f"{error}\n")
    return 1


def parse(words: Sequence[str]) -> postgres.ServerSpec:
    """Read the command line that `postgres.program` writes.

    Args:
        words: The arguments.
    """
    parser = argparse.ArgumentParser(prog="python -m supervision.anchor.shim")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--binaries", type=Path, required=True)
    parser.add_argument("--role", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--max-connections", type=int, required=True)
    parser.add_argument("--shared-buffers-mb", type=int, required=True)
    parser.add_argument("--cache", type=Path, action="append", default=[], dest="caches")
    options = vars(parser.parse_args(words))
    return postgres.ServerSpec(**{**options, "caches": tuple(options["caches"])})


class Shim:
    """One server and the anchor it answers to; unprivileged.

    Args:
        spec: The server.
        directory: Its directory, open.
        given: What the anchor gave.
    """

    def __init__(self, spec: postgres.ServerSpec, directory: int, given: Inherited) -> None:
        self._spec = spec
        self._directory = directory
        self._path = Path(f"/proc/self/fd/{directory}")
        self._cluster = self._path / "cluster"
        self._unfinished = self._path / "cluster.new"
        self._anchor = given.control
        self._stop_timeout_s = given.stop_timeout_s
        self._signals = _wakeup_on_signals()

    def serve(self) -> None:
        """Run the server.

        Raises:
            Stopping: The anchor asked, or is dead; the server is stopped.
            ServerEnded: The server ended by itself.
            Failed: The server could not be started.
        """
        self._clear()
        if not self._cluster.exists():
            self._make_cluster()
        self._check_version()
        command = postgres.server_command(self._spec, str(self._cluster))
        server = self._spawn(command, signal.SIGQUIT)
        try:
            self._wait(server, ready=self._is_ready)
            if server.returncode is None:
                _tell(self._anchor, server.pid, binaries.version(self._spec.binaries))
            self._wait(server)
        except Stopping:
            self._stop(server)
            raise
        leftovers.end(self._cluster)
        raise ServerEnded(server.returncode)

    def _clear(self) -> None:
        """Remove what a killed predecessor left: processes, lock files, a half-made cluster.

        After a reboot another process may have the number that is in them, and the server would
        refuse to start for as long as that one lives.
        """
        for cluster in (self._cluster, self._unfinished):
            leftovers.end(cluster)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        (self._path / "run" / postgres.LOCK).unlink(missing_ok=True)
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def _make_cluster(self) -> None:
        password = secrets.token_urlsafe(32)
        secret = os.memfd_create("password")
        os.write(secret, f"{password}\n".encode())
        secret_file = f"/proc/self/fd/{secret}"
        command = postgres.initdb_command(self._spec, str(self._unfinished), secret_file)
        self._finish(command, secret)
        os.close(secret)
        self._create_database()
        self._write_pgpass(password)
        self._unfinished.rename(self._cluster)

    def _create_database(self) -> None:
        sql = os.memfd_create("sql")
        os.write(sql, f'CREATE DATABASE "{self._spec.database}";\n'.encode())
        os.lseek(sql, 0, os.SEEK_SET)
        command = postgres.create_database_command(self._spec, str(self._unfinished))
        self._finish(command, sql)
        os.close(sql)

    def _write_pgpass(self, password: str) -> None:
        path, role = self._path / "pgpass", self._spec.role
        path.unlink(missing_ok=True)
        with open(path, "x", opener=_private) as file:
            file.write(f"*:*:*:{role}:{password}\n")

    def _check_version(self) -> None:
        made_by = (self._cluster / "PG_VERSION").read_text().strip()
        here = binaries.version(self._spec.binaries)
        if here.partition(".")[0] != made_by:
            raise Failed(
                f"the cluster was made by PostgreSQL {made_by}, {self._spec.binaries} is {here}: "
                f"set {binaries.PG_BIN} to the programs of version {made_by}"
            )

    def _finish(self, command: list[str], given: int) -> None:
        """Run a program to its end; it reads the file `given`, as input or by name."""
        child = self._spawn(command, signal.SIGKILL, given)
        try:
            self._wait(child)
        except Stopping:
            os.killpg(child.pid, signal.SIGKILL)  # initdb has children of its own
            child.wait()
            leftovers.end(self._unfinished)
            raise
        if child.returncode:
            raise Failed(f"{command[0]} ended with {child.returncode}")

    def _spawn(
        self, command: list[str], on_death: signal.Signals, given: int | None = None
    ) -> _Child:
        environment = {key: value for key, value in os.environ.items() if key[:2] != "PG"}
        return subprocess.Popen(  # noqa: S603 - the server's programs
            command,
            stdin=subprocess.DEVNULL if given is None else given,
            env=environment,
            pass_fds=[self._directory] if given is None else [self._directory, given],
            process_group=0,
            preexec_fn=die_with_parent(on_death),  # noqa: PLW1509 - this process has one thread
        )

    def _wait(
        self, child: subprocess.Popen[bytes], ready: Callable[[], bool] | None = None
    ) -> None:
        """Wait for the end of a child, or until `ready` says so.

        Raises:
            Stopping: The anchor asked, or is dead.
        """
        process = os.pidfd_open(child.pid)
        poller = select.poll()
        poller.register(self._anchor, select.POLLRDHUP)
        poller.register(self._signals, select.POLLIN)
        poller.register(process, select.POLLIN)
        try:
            while child.poll() is None and not (ready and ready()):
                events = poller.poll(POLL_S * 1000 if ready else None)
                if {descriptor for descriptor, _ in events} - {process}:
                    raise Stopping
        finally:
            os.close(process)

    def _is_ready(self) -> bool:
        """Whether the server says in its pid file that it takes connections."""
        with contextlib.suppress(FileNotFoundError):
            words = (self._cluster / "postmaster.pid").read_text().split()
            return words[-1:] == ["ready"]
        return False

    def _stop(self, server: _Child) -> None:
        """Stop the server: fast, in order; when that takes too long at once, to be recovered."""
        deadline = time.monotonic() + self._stop_timeout_s * FAST_STOP_SHARE
        server.send_signal(signal.SIGINT)
        try:
            server.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        leftovers.end(self._cluster)


def _prepare(spec: postgres.ServerSpec) -> tuple[postgres.ServerSpec, int]:
    """Make the directories, open them and drop privileges.

    Returns:
        The server with programs its user can execute, and its open directory.
    """
    run = spec.directory / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = os.open(spec.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if os.geteuid() != 0:
        return spec, directory
    user = group = postgres.NOBODY
    for path in (spec.directory, run):
        os.chown(path, user, group)
        path.chmod(0o700)
    usable = binaries.executable_by(user, group, spec.binaries, spec.caches)
    os.chdir("/")
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    return replace(spec, binaries=usable), directory


def _wakeup_on_signals() -> int:
    """Return a descriptor that is readable once SIGTERM or SIGINT came."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(write)
    return read


def _tell(anchor: socket.socket, pid: int, version: str) -> None:
    """Tell the anchor that the server serves; a dead one is noticed by the next wait."""
    with contextlib.suppress(OSError):
        anchor.sendall(encode({"event": "ready", "info": {"pid": pid, "version": version}}))


def _end_alike(returncode: int) -> int:
    """End by the signal that ended the server, so that the anchor tells it; without a core."""
    if returncode < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -returncode in {signal.SIGTERM, signal.SIGINT}:
            signal.signal(-returncode, signal.SIG_DFL)
        os.kill(os.getpid(), -returncode)
    return returncode or 1


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


if __name__ == "__main__":
    sys.exit(main())
