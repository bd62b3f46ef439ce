"""What a program inherits from its anchor, and how it is told."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTEN_FDS = "ANCHOR_LISTEN_FDS"
"""The listening sockets: ``NAME:DESCRIPTOR``, separated by commas."""

CONTROL_FD = "ANCHOR_CONTROL_FD"
"""The descriptor of the channel to the anchor."""

STOP_TIMEOUT_S = "ANCHOR_STOP_TIMEOUT_S"
"""How long the program may take to stop, in seconds."""

INCARNATION = "ANCHOR_INCARNATION"
"""How often the anchor has started the program, this time included."""


class NotGuarded(Exception):  # noqa: N818 - a state of affairs
    """This process was not started by an anchor; the message names the missing variable."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the anchor gave this program.

    Attributes:
        listeners: Listening sockets by name, non-blocking.
        control: The channel, connected, not yet in use.
        stop_timeout_s: How long the program may take to stop, in seconds, before it is killed.
        incarnation: How often the anchor has started the program, this time included.
    """

    listeners: Mapping[str, socket.socket]
    control: socket.socket
    stop_timeout_s: float
    incarnation: int


def inherited(environ: Mapping[str, str]) -> Inherited:
    """Take over what the anchor passed to this process; to be called once.

    Args:
        environ: The environment, as ``os.environ``.

    Returns:
        The sockets. Processes that this one starts do not inherit them.

    Raises:
        NotGuarded: This process was not started by an anchor.
    """
    for name in (LISTEN_FDS, CONTROL_FD, STOP_TIMEOUT_S, INCARNATION):
        if name not in environ:
            raise NotGuarded(f"{name} is not set: this program is started by an anchor")
    pairs = [item.rpartition(":") for item in environ[LISTEN_FDS].split(",") if item]
    listeners = {name: _socket(int(number)) for name, _, number in pairs}
    control = _socket(int(environ[CONTROL_FD]))
    return Inherited(listeners, control, float(environ[STOP_TIMEOUT_S]), int(environ[INCARNATION]))


def _socket(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    taken = socket.socket(fileno=descriptor)
    taken.setblocking(False)
    return taken
