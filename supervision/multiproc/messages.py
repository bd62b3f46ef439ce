"""What the processes of a tree say to each other; each is pickled by Thespian on its way."""

from __future__ import annotations

from typing import Any

import msgspec

from supervision._thespian import ActorAddress
from supervision.reasons import SHUTDOWN, Reason


class Options(msgspec.Struct, frozen=True):
    """What holds for a whole tree of processes.

    Attributes:
        start_timeout_s: seconds that one child has to start, the whole tree below it included;
            one that has not by then is killed and did not start (``noproc``).
        reports: an actor that is sent every ``Report`` of every process; None only logs them.
    """

    start_timeout_s: float = 30.0
    reports: ActorAddress | None = None


class Begin(msgspec.Struct, frozen=True):
    """Told to a new process: what it carries.

    Attributes:
        serial: the number of this process with whoever made it; every notice carries it back.
        actor: the class, a Supervisor or a GenServer.
        args: what its ``init`` is given.
        path: of the actor in the tree.
        incarnation: which of the actors under that path it is.
        options: of the tree.
    """

    serial: int
    actor: type
    args: Any
    path: str
    incarnation: int
    options: Options


class Up(msgspec.Struct, frozen=True):
    """``init`` came to its end: the actor runs; ``info`` is what it wants to be told on."""

    serial: int
    pid: int
    info: Any = None


class NotUp(msgspec.Struct, frozen=True):
    """The actor did not start, and its process ends; without a reason it asked to be left out."""

    serial: int
    pid: int
    reason: Reason | None = None


class Gone(msgspec.Struct, frozen=True):
    """The actor has ended, and its process ends: sent before, for a process can say nothing after.

    A process that ends without it was killed or lost.
    """

    serial: int
    reason: Reason


class Leave(msgspec.Struct, frozen=True):
    """A supervisor wants its child to end."""

    serial: int
    reason: Reason


class Ask(msgspec.Struct, frozen=True):
    """A call on its way.

    Attributes:
        id: comes back with the answer.
        request: what is asked.
        deadline: seconds of the machine's monotonic clock after which nobody wants the answer.
    """

    id: int
    request: Any
    deadline: float | None


class StopTree(msgspec.Struct, frozen=True):
    """Asked of the root by whoever started it: end in order and say with which reason."""

    reason: Reason = SHUTDOWN


class Failure(msgspec.Struct, frozen=True):
    """Why a call got no answer: the parts of a ``CallFailed``, which cannot travel itself."""

    kind: str
    text: str
    reason: Reason


class Answer(msgspec.Struct, frozen=True):
    """The outcome of an Ask."""

    id: int
    value: Any = None
    failure: Failure | None = None
