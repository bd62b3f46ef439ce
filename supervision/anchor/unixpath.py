"""Unix sockets below directories of any depth.

A socket's address holds 107 bytes of path (``sun_path`` of unix(7)). Behind an open descriptor of
its directory every socket has a short path: ``/proc/self/fd/N/NAME``.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_SUN_PATH_BYTES = 107
"""The longest path a Unix socket's address can hold."""


def fits(path: Path) -> bool:
    """Whether `path` can be the address of a Unix socket as it is."""
    return len(os.fsencode(path)) <= MAX_SUN_PATH_BYTES


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A path to `path` that fits into a socket's address, while the context lasts.

    Args:
        path: The socket; its directory must exist.

    Yields:
        A path of less than 107 bytes plus the socket's own name.

    Raises:
        OSError: The directory cannot be opened.
    """
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def connect(path: Path, timeout_s: float) -> socket.socket:
    """Connect to the Unix stream socket at `path`.

    Args:
        path: The socket.
        timeout_s: For this and every later blocking operation of the socket, in seconds.

    Returns:
        The connected socket.

    Raises:
        OSError: Nobody listens there, or the path may not be used.
    """
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.settimeout(timeout_s)
        with short_path(path) as short:
            peer.connect(short)
    except BaseException:
        peer.close()
        raise
    return peer


def listen(path: Path, *, mode: int, backlog: int) -> socket.socket:
    """Listen on `path`, in place of whatever was there.

    Args:
        path: The socket. The caller knows that nobody else serves it.
        mode: Its permission bits; nobody can connect before they are set.
        backlog: Connections that may wait to be accepted.

    Returns:
        The listening socket.

    Raises:
        OSError: The directory may not be written.
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_path(path) as short:
            server.bind(short)
        path.chmod(mode)
        server.listen(backlog)
    except BaseException:
        server.close()
        raise
    return server
