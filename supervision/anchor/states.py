"""The records of the lifecycle core: its state, the events it takes, the actions it asks for.

Times are monotonic seconds.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from supervision.anchor.messages import ExitCode
from supervision.anchor.upgrade_events import (
    UpgradeAction,
    UpgradeEvent,
)
from supervision.anchor.upgrade_states import (
    UpgradeState,
)


class Phase(StrEnum):
    """Where a program is in its life; one that has FAILED is started again only when asked for."""

    DOWN = "down"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    FAILED = "failed"


class Mode(StrEnum):
    """Where the anchor is in its own."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Exit:
    """How an incarnation of a program ended.

    Attributes:
        reason: ``exit 3``, ``SIGKILL``, or why the anchor killed it; and its last words.
        at: When, in monotonic seconds.
    """

    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class ProgramState:
    """One program now. Times are monotonic seconds.

    Attributes:
        phase: Where it is in its life.
        pid: Its process, while it has one.
        incarnation: How often it was started.
        restarts: How often it was started because it had failed.
        failures: Failures in a row; a healthy time ends the row.
        since: When the phase began.
        deadline: When the phase has lasted too long, or a backoff is over.
        ping_due: When to ask next whether it still answers.
        ping_sent: When an unanswered ping was sent.
        last_exit: How the incarnation before this one ended.
        killed_for: Why the anchor killed it, until it is gone.
        last_words: What it said of its own end, until it is gone.
        start_again: Whether it is stopping only to be started again.
        info: What it said when it became ready.
    """

    phase: Phase = Phase.DOWN
    pid: int | None = None
    incarnation: int = 0
    restarts: int = 0
    failures: int = 0
    since: float = 0.0
    deadline: float | None = None
    ping_due: float | None = None
    ping_sent: float | None = None
    last_exit: Exit | None = None
    killed_for: str | None = None
    last_words: str = ""
    start_again: bool = False
    info: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AnchorState:
    """The anchor now.

    Attributes:
        mode: Where it is in its life.
        programs: The programs by name, in the order of their start.
        deadline: When a start has failed, in monotonic seconds.
        exit_code: What the anchor will end with.
        reason: Why it stops.
        culprit: The program that made a start fail.
        upgrade: What is under way with releases.
    """

    mode: Mode
    programs: Mapping[str, ProgramState]
    deadline: float | None = None
    exit_code: int = ExitCode.DONE
    reason: str = ""
    culprit: str = ""
    upgrade: UpgradeState = field(default_factory=UpgradeState)


# Events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The sockets are bound: start."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline may have passed."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A program has a process."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A program says that it serves; ``info`` is for whoever asks."""

    name: str
    info: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class LastWords:
    """A program says why it is about to end."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Pong:
    """A program answered a ping."""

    name: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A program's process ended, or could not be made.

    Attributes:
        name: The program.
        reason: How, in words.
        exit_code: Its exit code; None when a signal ended it or it never ran.
        jitter: A random number from 0 up to 1.
        pid: The process; None when it could not be made. A program may have several for a while.
    """

    name: str
    reason: str
    exit_code: int | None
    jitter: float
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody asked the anchor to stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Somebody asked for an orderly restart of a program."""

    name: str


ProgramEvent = Begin | Tick | Spawned | Ready | LastWords | Pong | Exited | Stop | Restart
Event = ProgramEvent | UpgradeEvent


# Actions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Make a process of a program, then report Spawned or Exited."""

    name: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Send a signal to a program."""

    name: str
    number: signal.Signals


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask a program to answer."""

    name: str


@dataclass(frozen=True, slots=True)
class Announce:
    """The start is complete: tell whoever waits for it."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Everything is stopped: end."""


Action = Spawn | Signal | Ping | Announce | Finish | UpgradeAction
