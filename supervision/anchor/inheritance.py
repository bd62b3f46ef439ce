"""What a program inherits from its anchor, and how it is told."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

LISTEN_FDS = "ANCHOR_LISTEN_FDS"
"""The listening sockets: ``NAME:DESCRIPTOR``, separated by commas."""

CONTROL_FD = "ANCHOR_CONTROL_FD"
"""The descriptor of the channel to the anchor."""

STOP_TIMEOUT_S = "ANCHOR_STOP_TIMEOUT_S"
"""How long the program may take to stop, in seconds."""

INCARNATION = "ANCHOR_INCARNATION"
"""How often the anchor has started the program, this time included."""

RELEASE = "ANCHOR_RELEASE"
"""Of which release the program is: JSON, see `Release`; missing where there are no releases."""

TAKEOVER = "ANCHOR_TAKEOVER"
"""From whom the program takes over: JSON, see `TakeoverOrder`; missing at a plain start."""


class NotGuarded(Exception):  # noqa: N818 - a state of affairs
    """This process was not started by an anchor; the message names the variable and the rule."""


@dataclass(frozen=True, slots=True)
class Release:
    """Of which release a program is.

    Attributes:
        vsn: The release that it is of.
        permanent: The release that is started after a crash.
        provisional: Whether it is on probation: what it keeps must be readable by `permanent`.
        permanent_states: The schema versions of the permanent release, by type of state.
    """

    vsn: str
    permanent: str
    provisional: bool = False
    permanent_states: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of the variable."""
        return json.dumps(
            {
                "vsn": self.vsn,
                "permanent": self.permanent,
                "provisional": self.provisional,
                "permanent_states": dict(self.permanent_states),
            }
        )


@dataclass(frozen=True, slots=True)
class TakeoverOrder:
    """From whom a program takes over.

    Attributes:
        path: The Unix socket on which the one that runs listens.
        secret: What is said there first.
        mode: ``takeover``, or ``shadow``: only to look on.
    """

    path: str
    secret: str
    mode: str = "takeover"

    def to_json(self) -> str:
        """The text of the variable."""
        return json.dumps({"path": self.path, "secret": self.secret, "mode": self.mode})


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the anchor gave this program.

    Attributes:
        listeners: Listening sockets by name, non-blocking.
        control: The channel, connected, not yet in use.
        stop_timeout_s: How long the program may take to stop, in seconds, before it is killed.
        incarnation: How often the anchor has started the program, this time included.
        release: Of which release it is, where the anchor keeps releases.
        takeover: From whom it takes over; None at a plain start.
    """

    listeners: Mapping[str, socket.socket]
    control: socket.socket
    stop_timeout_s: float
    incarnation: int
    release: Release | None = None
    takeover: TakeoverOrder | None = None


def inherited(environ: MutableMapping[str, str]) -> Inherited:
    """Take over what the anchor passed to this process; to be called once.

    Args:
        environ: The environment, as ``os.environ``. The order to take over is taken out of it.

    Returns:
        The sockets. Processes that this one starts do not inherit them, nor the secret that opens
        the way to another process's memory.

    Raises:
        NotGuarded: This process was not started by an anchor, or not by one that it understands.
    """
    for name in (LISTEN_FDS, CONTROL_FD, STOP_TIMEOUT_S, INCARNATION):
        if name not in environ:
            raise NotGuarded(f"{name} is not set: this program is started by an anchor")
    pairs = [item.rpartition(":") for item in environ[LISTEN_FDS].split(",") if item]
    listeners = {name: _socket(int(number)) for name, _, number in pairs}
    control = _socket(int(environ[CONTROL_FD]))
    return Inherited(
        listeners,
        control,
        stop_timeout_s=float(environ[STOP_TIMEOUT_S]),
        incarnation=int(environ[INCARNATION]),
        release=_release(environ),
        takeover=_takeover(environ),
    )


def _release(environ: Mapping[str, str]) -> Release | None:
    data = _object(RELEASE, environ)
    if data is None:
        return None
    states = data.get("permanent_states") or {}
    if not isinstance(states, dict) or not all(isinstance(item, int) for item in states.values()):
        raise NotGuarded(f"{RELEASE}: permanent_states: an object of whole numbers is required")
    provisional = data.get("provisional", False) is True
    vsn, permanent = _word(RELEASE, data, "vsn"), _word(RELEASE, data, "permanent")
    return Release(vsn, permanent, provisional, states)


def _takeover(environ: MutableMapping[str, str]) -> TakeoverOrder | None:
    data = _object(TAKEOVER, environ)
    environ.pop(TAKEOVER, None)
    if data is None:
        return None
    return TakeoverOrder(*(_word(TAKEOVER, data, key) for key in ("path", "secret", "mode")))


def _object(name: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
    if name not in environ:
        return None
    try:
        data = json.loads(environ[name])
    except ValueError as error:
        raise NotGuarded(f"{name}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise NotGuarded(f"{name}: an object is required")
    return data


def _word(name: str, data: Mapping[str, Any], key: str) -> str:
    """A field that a newer or older anchor must give as well; others are not looked at."""
    word = data.get(key)
    if not isinstance(word, str) or not word:
        raise NotGuarded(f"{name}: {key}: a word is required")
    return word


def _socket(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    taken = socket.socket(fileno=descriptor)
    taken.setblocking(False)
    return taken
