"""The events that an upgrade takes, and the actions it asks for, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.anchor.messages import ExitCode
from supervision.anchor.upgrade_states import Order, Pointing, Role

# Events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ordered:
    """Somebody wants a takeover."""

    order: Order


@dataclass(frozen=True, slots=True)
class Commit:
    """Somebody wants what runs to be permanent."""

    number: int
    who: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What runs did not stand its probation; `order` leads back."""

    order: Order


@dataclass(frozen=True, slots=True)
class Answered:
    """A process did what it was asked for in the matter of order `number`."""

    number: int
    op: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NotAnswered:
    """A process refused what it was asked for, or cannot be asked."""

    number: int
    op: str
    why: str


@dataclass(frozen=True, slots=True)
class SuccessorSpawned:
    """The successor has a process."""

    number: int
    pid: int


@dataclass(frozen=True, slots=True)
class SuccessorNotSpawned:
    """The successor cannot be started."""

    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Told:
    """A process says how the takeover goes on; `number` is None where the program says it."""

    number: int | None
    phase: str
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pointed:
    """The pointers are on the disk."""

    how: Pointing


@dataclass(frozen=True, slots=True)
class NotPointed:
    """The pointers could not be written."""

    how: Pointing
    why: str


UpgradeEvent = (
    Ordered
    | Commit
    | Verdict
    | Answered
    | NotAnswered
    | SuccessorSpawned
    | SuccessorNotSpawned
    | Told
    | Pointed
    | NotPointed
)


# Actions -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a process, then report Answered or NotAnswered."""

    number: int
    role: Role
    op: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpawnSuccessor:
    """Start the successor; what came of it is reported before anything else is."""

    order: Order
    path: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Kill the successor, or the one that is leaving."""

    role: Role


@dataclass(frozen=True, slots=True)
class Swap:
    """The successor is the program now, the program's old process is leaving."""


@dataclass(frozen=True, slots=True)
class Point:
    """Change the pointers; what came of it is reported before anything else is.

    Attributes:
        how: CURRENT: `vsn` runs; BACK: the permanent release does; PERMANENT: what runs is it;
            REFUSED: only `refuse`.
        vsn: The release that runs.
        refuse: A release that has failed.
        why: How.
        anyway: Whether it is so even where the disk does not take it, because what ran is gone or
            is on its way out. What only may become so stays as it was then.
    """

    how: Pointing
    vsn: str = ""
    refuse: str = ""
    why: str = ""
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Prepare:
    """Bring to the disk now what pointers are to say soon; nothing depends on its success."""

    point: Point


@dataclass(frozen=True, slots=True)
class Record:
    """Add a line to the history."""

    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the request `number`: with a result, or refuse it."""

    number: int
    result: Mapping[str, Any] = field(default_factory=dict)
    code: ExitCode = ExitCode.DONE
    why: str = ""


@dataclass(frozen=True, slots=True)
class UseSpec:
    """What is guarded is described by this from now on: an AnchorSpec's JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """Nothing is under way: the anchor may go on in the code of the release it guards."""

    text: str


UpgradeAction = (
    Ask | SpawnSuccessor | Kill | Swap | Point | Prepare | Record | Answer | UseSpec | GoOn
)
