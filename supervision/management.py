"""What a supervisor can be asked while it runs (supervisor(3)), and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from supervision.childspec import ChildSpec
from supervision.eventloop.address import LocalAddress
from supervision.reasons import Reason

if TYPE_CHECKING:
    from supervision.strategy import SupervisorState


class StartChild(msgspec.Struct, frozen=True):
    """Ask for a new child: a spec, or for a pool an id and the arguments of one member.

    The answer is Started, Ignored or Refused (``already_started`` with the address,
    ``already_present``, ``invalid_child_spec`` or the reason why it did not start).
    """

    spec: ChildSpec | None = None
    id: str = ""
    args: Any = None


class TerminateChild(msgspec.Struct, frozen=True):
    """Have a child end and stay so; the answer is True or Refused(``not_found``)."""

    id: str


class RestartChild(msgspec.Struct, frozen=True):
    """Start a stopped child again; the answer is as for StartChild."""

    id: str


class DeleteChild(msgspec.Struct, frozen=True):
    """Forget a stopped child; the answer is True or Refused."""

    id: str


class CycleChild(msgspec.Struct, frozen=True):
    """Stop a child and start it again, whatever its restart type; an operator's restart."""

    id: str


class WhichChildren(msgspec.Struct, frozen=True):
    """The children, newest first, as ``ChildInfo``."""


class CountChildren(msgspec.Struct, frozen=True):
    """How many there are: ``{specs, active, supervisors, workers}``."""


class Refused(msgspec.Struct, frozen=True):
    """A management call that was not carried out.

    Attributes:
        why: in OTP's words.
        detail: the address, the reason or the value that it is about.
    """

    why: str
    detail: Any = None


class ChildInfo(msgspec.Struct, frozen=True):
    """One line of ``which_children``."""

    id: str
    address: LocalAddress
    status: str
    type: str
    restart: str
    restarts: int
    last_exit: tuple[Reason, float] | None


def which_children(state: SupervisorState) -> list[ChildInfo]:
    """The children of a supervisor, the newest first."""
    return [
        ChildInfo(
            child.id,
            child.address,
            child.status,
            child.spec.type,
            child.spec.restart,
            child.restarts,
            child.last_exit,
        )
        for child in reversed(state.children.values())
    ]


def count_children(state: SupervisorState) -> dict[str, int]:
    """How many children a supervisor has, and how many of them run."""
    children = state.children.values()
    supervisors = sum(child.spec.type == "supervisor" for child in children)
    return {
        "specs": 1 if state.dynamic else len(children),
        "active": sum(child.status == "running" for child in children),
        "supervisors": supervisors,
        "workers": len(children) - supervisors,
    }
