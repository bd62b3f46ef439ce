"""The state of an upgrade, as records.

All of it is plain data. Times are monotonic seconds. The *successor* is the process of another
release that takes over from a program; once switched it is the program, and the old process is
*leaving*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Where a takeover is.

    Up to FREEZE the old process goes on if anything fails: ABORT waits for the end of the
    successor, RESUME for the old one to go on. From SWITCH on there is no way back to it.
    """

    CHECK = "check"
    LISTEN = "listen"
    SPAWN = "spawn"
    COPY = "copy"
    SHADOW = "shadow"
    FREEZE = "freeze"
    SWITCH = "switch"
    ABORT = "abort"
    RESUME = "resume"


class Step(StrEnum):
    """What a line of the history is about."""

    CHECK = "check"
    UPGRADE = "upgrade"
    SHADOW = "shadow"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    FALLBACK = "fallback"


class Role(StrEnum):
    """A process that is asked something."""

    PROGRAM = "program"
    SUCCESSOR = "successor"
    LEAVING = "leaving"


class Pointing(StrEnum):
    """How pointers change."""

    CURRENT = "current"
    BACK = "back"
    PERMANENT = "permanent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Order:
    """A takeover that somebody wants.

    Attributes:
        number: Of the order; no other has it.
        step: UPGRADE, SHADOW or ROLLBACK.
        vsn: The release that is to run.
        origin: The release that runs.
        permanent: The release that is started after a crash.
        spec: How the release's programs are started, the JSON of an AnchorSpec as the release
            itself wrote it.
        secret: What the successor says first to the one that it takes over from.
        who: Who wants it.
        why: Why.
        check: What the program is asked before anything is touched; None where nothing is.
        force: Whether it is wanted whatever is said against it.
        insists: Whether the permanent release is started from what is on the disk where the
            takeover back to it fails.
        blames: Whether the release that runs is refused from now on, for `why`.
        seconds: How long a new release is on probation, or a shadow looks on.
        states: The schema versions of the permanent release, by type of state.
    """

    number: int
    step: Step
    vsn: str
    origin: str
    permanent: str
    spec: str
    secret: str
    who: str = ""
    why: str = ""
    check: Mapping[str, Any] | None = None
    force: bool = False
    insists: bool = False
    blames: bool = False
    seconds: float = 0.0
    states: Mapping[str, int] = field(default_factory=dict)

    @property
    def provisional(self) -> bool:
        """Whether the release is on probation afterwards."""
        return self.vsn != self.permanent

    @property
    def mode(self) -> str:
        """What the successor is for, as it is told."""
        return "shadow" if self.step is Step.SHADOW else "takeover"


@dataclass(frozen=True, slots=True)
class Takeover:
    """A takeover under way.

    Attributes:
        order: What is wanted.
        stage: Where it is.
        began: When it began.
        since: When the stage began.
        deadline: When the stage has lasted too long.
        successor: The successor's process, while it has one.
        known: Whether the program has been told of it, and must be told when it is off.
        plan: What the check said.
        given: What the program said that it gave, at the freeze.
        taken: What the successor said that it has.
        report: What a shadow saw.
        words: What the successor said of its own end.
        failure: Why it is given up.
        failed_in: The stage in which it was.
        blamed: Whether that is the new release's fault.
        timings: How long the stages took, seconds or milliseconds as the names say.
    """

    order: Order
    stage: Stage
    began: float
    since: float
    deadline: float | None = None
    successor: int | None = None
    known: bool = False
    plan: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] | None = None
    taken: Mapping[str, Any] | None = None
    report: Mapping[str, Any] | None = None
    words: str = ""
    failure: str = ""
    failed_in: Stage | None = None
    blamed: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probation:
    """A release that runs and is not permanent yet.

    Attributes:
        order: How it came in.
        since: When it began to run.
        until: When it is permanent by itself; None before it serves.
        plan: The hash of its plan.
        verdict: The order to go back that waits for the end of what is under way.
    """

    order: Order
    since: float
    until: float | None = None
    plan: str = ""
    verdict: Order | None = None


@dataclass(frozen=True, slots=True)
class Leaving:
    """The old process after a switch.

    Attributes:
        pid: Its process.
        deadline: When it has had time enough to end.
    """

    pid: int
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Committing:
    """A release is made permanent.

    Attributes:
        number: Of the request.
        who: Who wants it.
        why: Why.
        probation: What ends.
        pointed: Whether the pointers say so.
        deadline: When the program has had time enough to do what waited for it.
    """

    number: int
    who: str
    why: str
    probation: Probation
    pointed: bool = False
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class UpgradeState:
    """All that is under way with releases.

    Attributes:
        takeover: From one release to another, while that is under way.
        probation: Of what runs, while that lasts.
        committing: The end of a probation, while that is under way.
        leaving: The old process, until it is gone.
        stop: Why the anchor is to stop, once the takeover has ended.
        go_on: The specification that the anchor goes on with in its own release, once nothing is
            under way.
    """

    takeover: Takeover | None = None
    probation: Probation | None = None
    committing: Committing | None = None
    leaving: Leaving | None = None
    stop: str | None = None
    go_on: str | None = None
