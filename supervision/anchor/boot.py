"""From a specification to a running anchor."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from supervision.anchor import listening, unixpath
from supervision.anchor.client import CONTROL_SOCKET
from supervision.anchor.control import ControlLimits, ControlServer
from supervision.anchor.going_on import GoingOn, taken_up
from supervision.anchor.guardian import Guardian
from supervision.anchor.handing_on import check_open
from supervision.anchor.lease import Held, Lease
from supervision.anchor.messages import ExitCode
from supervision.anchor.operations import Operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.anchor.handing_on import HandedOn
    from supervision.anchor.messages import Message
    from supervision.anchor.spec import AnchorSpec, ListenerSpec

CONTROL_BACKLOG = 64

_log = logging.getLogger(__name__)


class CannotStart(Exception):  # noqa: N818 - reads as what it is where it is caught
    """Something an anchor needs is taken, or not permitted; the message says what."""


def run(spec: AnchorSpec, announce: Callable[[Message], None]) -> int:
    """Be an anchor, until it is told to stop.

    Args:
        spec: What is guarded.
        announce: Called once, with ``{"started": info}`` or ``{"failed": {reason, log}}``.

    Returns:
        What the process ends with: see `Guardian.run`.
    """
    os.umask(0o077)
    with ExitStack() as stack:
        try:
            guardian, control = _prepare(spec, stack, announce)
        except (Held, CannotStart, OSError) as error:
            _log.error("cannot start: %s", error)
            announce({"failed": {"reason": str(error), "log": []}})
            return ExitCode.FAILED
        return asyncio.run(_serve(guardian, control))


def go_on(handed: HandedOn) -> Callable[[], int]:
    """Take up an anchor where other code in this process left off.

    Args:
        handed: What that code has handed on.

    Returns:
        What goes on with it until it is told to stop; its result is that of `run`.

    Raises:
        NotHandedOn: It is not what it says.
        OSError: A descriptor is not what it is said to be.
    """
    spec = handed.specification()
    check_open(handed.descriptors)
    directory = Path(spec.directory)
    lease = Lease(directory, handed.lease)
    listeners = {name: socket.socket(fileno=fd) for name, fd in handed.listeners.items()}
    control = socket.socket(fileno=handed.control)
    guardian = Guardian(spec, lease, listeners, lambda _: None)

    def serve() -> int:
        with ExitStack() as stack:
            stack.callback(lease.release)
            for listener in listeners.values():
                stack.enter_context(listener)
            stack.callback((directory / CONTROL_SOCKET).unlink, missing_ok=True)
            return asyncio.run(_serve(guardian, control, handed))

    return serve


def _prepare(
    spec: AnchorSpec, stack: ExitStack, announce: Callable[[Message], None]
) -> tuple[Guardian, socket.socket]:
    """Take the directory and bind the sockets; `stack` gives them back at the end."""
    directory = Path(spec.directory)
    directory.mkdir(parents=True, exist_ok=True)
    lease = Lease(directory)
    stack.callback(lease.release)
    killed = lease.inherit(spec.stop_bound_s)
    if killed:
        _log.warning("killed the programs of an earlier anchor that did not stop: %s", killed)
    listeners = {item.name: stack.enter_context(bind(item)) for item in spec.listeners}
    path = directory / CONTROL_SOCKET
    control = unixpath.listen(path, mode=0o600, backlog=CONTROL_BACKLOG)
    stack.callback(path.unlink, missing_ok=True)
    return Guardian(spec, lease, listeners, announce), control


async def _serve(guardian: Guardian, control: socket.socket, handed: HandedOn | None = None) -> int:
    operations = Operations(guardian)
    server = ControlServer(operations.dispatch, ControlLimits())
    going_on = GoingOn(guardian, server)
    guardian.on_permanent = operations.on_go_on = going_on.begin
    if handed is not None:
        await taken_up(guardian, server, handed)
    server.start(control)
    try:
        return await guardian.run()
    finally:
        server.close()


def bind(spec: ListenerSpec) -> socket.socket:
    """A listening TCP socket.

    Args:
        spec: Where.

    Returns:
        The socket, not inherited by programs unless they are given it.

    Raises:
        CannotStart: The address is in use, foreign, or not permitted; the message names the
            listener.
    """
    where = f"{spec.name}: {spec.host} port {spec.port}"
    try:
        family, kind, number, _, address = _resolve(spec)
        listener = socket.socket(family, kind, number)
    except OSError as error:
        raise CannotStart(f"{where}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        if not spec.port:
            listener = listening.bound_for_good(listener)
        listener.listen(spec.backlog)
    except OSError as error:
        listener.close()
        taken = "is in use by another program" if error.errno == errno.EADDRINUSE else None
        raise CannotStart(f"{where} {taken or error.strerror}") from None
    listener.setblocking(False)
    return listener


_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, "tuple[object, ...]"]


def _resolve(spec: ListenerSpec) -> _Address:
    flags = socket.AI_PASSIVE
    found = socket.getaddrinfo(spec.host, spec.port, type=socket.SOCK_STREAM, flags=flags)
    return found[0]
