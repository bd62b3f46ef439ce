"""Listening sockets that refuse for a while, and keep their addresses.

On Linux shutting a listening socket down for reading makes it an idle one, bound as before: who
waits in its backlog is reset, who connects is refused. Listening again makes it what it was.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervision.anchor.spec import AnchorSpec


def refuse(listeners: Iterable[socket.socket]) -> None:
    """Have connections refused; those that refuse already go on so."""
    for listener in listeners:
        if _listens(listener):
            listener.shutdown(socket.SHUT_RD)


def accept(listeners: Mapping[str, socket.socket], spec: AnchorSpec) -> None:
    """Have connections wait for whoever accepts them.

    Args:
        listeners: by name.
        spec: what tells their backlogs.

    Raises:
        OSError: the address was taken meanwhile.
    """
    backlogs = {item.name: item.backlog for item in spec.listeners}
    for name, listener in listeners.items():
        if not _listens(listener):
            listener.listen(backlogs[name])


def bound_for_good(listener: socket.socket) -> socket.socket:
    """Bind to the port that the system chose, by its number: only such a port outlives `refuse`.

    Args:
        listener: bound, not listening; it is closed.

    Returns:
        A socket bound to the same address.

    Raises:
        OSError: as of any socket.
    """
    with listener:
        again = socket.socket(listener.family, listener.type, listener.proto)
        try:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(listener.getsockname())
        except OSError:
            again.close()
            raise
        return again


def _listens(listener: socket.socket) -> bool:
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
