"""A PostgreSQL server of the tests' own: real, quick, killed and started at will."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import asyncpg

from supervision.anchor import binaries
from supervision.anchor.testing import wait_for, wait_gone

NOBODY = 65534
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


class PostgresServer:
    """One cluster and its server, on a Unix socket and careless of the disk; root's is nobody's."""

    def __init__(self, **options: str) -> None:
        self._options = {**OPTIONS, **options}
        self._directory = Path(tempfile.mkdtemp(prefix="vigie-pg-"))
        self._log = self._directory / "log"
        self._binaries = binaries.find_binaries(os.environ)
        self._user = {}
        if os.geteuid() == 0:
            caches = (Path(tempfile.gettempdir()) / "vigie-test-postgres",)
            self._binaries = binaries.executable_by(NOBODY, NOBODY, self._binaries, caches)
            self._user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            shutil.chown(self._directory, NOBODY, NOBODY)
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._make()

    def _make(self) -> None:
        words = ["-D", "data", "-U", "tests", "-A", "trust", "--no-sync", "--locale=C.UTF-8"]
        self._do("initdb", *words)

    def _do(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *words],
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
            **self._user,
        )
        assert done.returncode == 0, done.stderr

    def dsn(self, database: str = "postgres", user: str = "tests") -> str:
        """How clients connect; a password may be appended as ``&password=...``."""
        return f"postgresql:///{database}?user={user}&host={quote(str(self._directory), safe='')}"

    def start(self) -> None:
        """Start the server where it does not run, and wait until it takes connections."""
        if self._process is not None:
            return
        words = [f"--{name}={value}" for name, value in self._options.items()]
        words.append(f"--unix_socket_directories={self._directory}")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", "data", *words],
                cwd=self._directory,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._user,
            )
        wait_for(self._ready)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            lines = (self._directory / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def kill(self) -> None:
        """Kill every process of the server, as the end of its machine does."""
        if self._process is None:
            return
        process, self._process = self._process, None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in (process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for pid in children:
            wait_gone(int(pid))
        (self._directory / "data" / "postmaster.pid").unlink()

    def stop(self) -> None:
        """Stop the server in order, as an administrator does: sessions are ended, nobody waits."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGINT)
        process.wait()

    def require_password(self, user: str) -> None:
        """Let a user in with a password only."""
        rules = self._directory / "data" / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        self.run("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """Make an empty database and return how clients connect to it."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.run(f"CREATE DATABASE {name}")
        return self.dsn(name)

    def run(self, sql: str, dsn: str | None = None) -> list[asyncpg.Record]:
        """Run a statement from outside of what is tested."""

        async def fetch() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(dsn or self.dsn())
            try:
                return await connection.fetch(sql)
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def remove(self) -> None:
        """End the server and remove its cluster."""
        self.kill()
        shutil.rmtree(self._directory)
