"""An embedded PostgreSQL server as a guarded program.

Everything of it is below one directory::

    DIRECTORY/cluster   the data, made by initdb at the first start
    DIRECTORY/run       its Unix socket; it listens on nothing else
    DIRECTORY/pgpass    the password of its one role, for clients (libpq's password file)

Who may connect is decided twice: by the mode of the directories, 0700, and by the password
(SCRAM-SHA-256), as the modes alone would let in every program of the unprivileged user that the
server runs as when the anchor is root's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from supervision.anchor import unixpath
from supervision.anchor.spec import ProgramSpec, RestartPolicy

NOBODY = 65534
"""The user and group the server runs as when the anchor is root's."""

PORT = 5432
"""The number in the name of the socket."""

SOCKET = f".s.PGSQL.{PORT}"
LOCK = f"{SOCKET}.lock"
"""What keeps two servers from one socket, beside it."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One server.

    Attributes:
        directory: Its directory, absolute.
        binaries: The directory of `postgres` and `initdb`.
        role: Its superuser, whose password is in ``pgpass``.
        database: The database made at the first start.
        max_connections: Connections at a time.
        shared_buffers_mb: Its buffer cache, in MiB.
        caches: Where a copy of the programs may be kept when the user cannot execute them.
    """

    directory: Path
    binaries: Path
    role: str
    database: str
    max_connections: int = 32
    shared_buffers_mb: int = 64
    caches: tuple[Path, ...] = ()


def program(spec: ServerSpec, *, stop_timeout_s: float, restart: RestartPolicy) -> ProgramSpec:
    """Describe the server to an anchor.

    It has no time limit to get ready: recovery after a crash takes what it takes.

    Args:
        spec: The server.
        stop_timeout_s: From SIGTERM to SIGKILL, in seconds.
        restart: How it comes back.

    Returns:
        The program, called ``postgres``.
    """
    options = {
        "directory": spec.directory,
        "binaries": spec.binaries,
        "role": spec.role,
        "database": spec.database,
        "max-connections": spec.max_connections,
        "shared-buffers-mb": spec.shared_buffers_mb,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    words += [f"--cache={cache}" for cache in spec.caches]
    return ProgramSpec(
        name="postgres",
        argv=(sys.executable, "-P", "-m", "supervision.anchor.shim", *words),
        stop_timeout_s=stop_timeout_s,
        restart=restart,
    )


def dsn(spec: ServerSpec, working_directory: Path) -> str:
    """Tell a program how to connect, without a secret.

    Args:
        spec: The server.
        working_directory: The program's, an ancestor of the server's directory.

    Returns:
        A connection URL of libpq's form. Below a path too long for a socket's address it leads
        through the working directory, so the program must not change that.
    """
    run = spec.directory / "run"
    if not unixpath.fits(socket_path(spec.directory)):
        run = Path("/proc/self/cwd") / run.relative_to(working_directory)
    passfile = spec.directory / "pgpass"
    return (
        f"postgresql:///{quote(spec.database)}?user={quote(spec.role)}"
        f"&host={quote(str(run), safe='')}&passfile={quote(str(passfile), safe='')}"
    )


def socket_path(directory: Path) -> Path:
    """Return the server's socket."""
    return directory / "run" / SOCKET


def initdb_command(spec: ServerSpec, cluster: str, password_file: str) -> list[str]:
    """Return the command that makes a cluster.

    Args:
        spec: The server.
        cluster: The path of the cluster to make.
        password_file: A file with the password of the role.
    """
    return [
        str(spec.binaries / "initdb"),
        f"--pgdata={cluster}",
        f"--username={spec.role}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-instructions",
    ]


def create_database_command(spec: ServerSpec, cluster: str) -> list[str]:
    """Return the command that reads SQL from its input, while no server runs."""
    return [str(spec.binaries / "postgres"), "--single", "-D", cluster, "postgres"]


def server_command(spec: ServerSpec, cluster: str) -> list[str]:
    """Return the command that serves a cluster.

    Args:
        spec: The server.
        cluster: The path of the cluster.
    """
    settings = {
        "listen_addresses": "",
        # Relative to the cluster: it works at any depth and below directories that cannot be
        # searched by the server's user.
        "unix_socket_directories": "../run",
        "unix_socket_permissions": "0700",
        "port": PORT,
        "max_connections": spec.max_connections,
        "shared_buffers": f"{spec.shared_buffers_mb}MB",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
    words = [f"--{name}={value}" for name, value in settings.items()]
    return [str(spec.binaries / "postgres"), "-D", cluster, *words]
