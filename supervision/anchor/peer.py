"""Who is at the other end of a Unix socket (SO_PEERCRED of unix(7))."""

from __future__ import annotations

import socket
import struct

_UCRED = struct.Struct("3i")


def peer_process(connection: socket.socket) -> int:
    """Return the process id that connected, or that listened when asked by the one that did."""
    return _credentials(connection)[0]


def peer_user(connection: socket.socket) -> int:
    """Return the user id of the other end when it connected or began to listen."""
    return _credentials(connection)[1]


def _credentials(connection: socket.socket) -> tuple[int, int, int]:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    process, user, group = _UCRED.unpack(raw)
    return process, user, group
