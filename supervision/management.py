"""What a supervisor can be asked while it runs (supervisor(3)), and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from supervision._thespian import ActorAddress
from supervision.childspec import ChildSpec
from supervision.eventloop.cell import LocalAddress
from supervision.reasons import Reason
from supervision.strategy import crash_looping

if TYPE_CHECKING:
    from supervision.child import Child, SupervisorState


class StartChild(msgspec.Struct, frozen=True):
    """Ask for a new child: a spec, or for a pool an id and the arguments of one member.

    The answer is Started, Ignored or Refused: ``already_started`` with the address,
    ``already_present``, ``start_error`` with the reason why it did not start, or what is wrong
    with the spec.

    Attributes:
        spec: a ChildSpec, or a mapping with OTP's keys.
        id: of a new member of a pool.
        args: what that member's ``init`` is given.
    """

    spec: ChildSpec | Mapping[str, Any] | None = None
    id: str = ""
    args: Any = None


class TerminateChild(msgspec.Struct, frozen=True):
    """Have a child end and stay so; the answer is True or Refused(``not_found``).

    Attributes:
        id: of the child; for a pool also the address of a member. One that has ended is as good
            as terminated; an actor that is not of the pool is not found and left alone.
    """

    id: str | ActorAddress


class RestartChild(msgspec.Struct, frozen=True):
    """Start a stopped child again; the answer is as for StartChild.

    Or Refused: ``running``, ``restarting``, ``not_found``, ``simple_one_for_one``.
    """

    id: str


class DeleteChild(msgspec.Struct, frozen=True):
    """Forget a stopped child; the answer is True or Refused as for RestartChild."""

    id: str


class CycleChild(msgspec.Struct, frozen=True):
    """Stop a child and start it again, whatever it would do by itself; an operator's restart.

    The answer is as for StartChild, or Refused(``temporary``): what such a child was started with
    is not kept.
    """

    id: str


class WhichChildren(msgspec.Struct, frozen=True):
    """The children, newest first, as ``ChildInfo``."""


class WhichChild(msgspec.Struct, frozen=True):
    """One child, by its id or in a pool its address: ``ChildInfo`` or Refused(``not_found``)."""

    id: str | ActorAddress


class GetChildSpec(msgspec.Struct, frozen=True):
    """The spec of a child with all defaults filled in, or Refused(``not_found``).

    The child is named as for WhichChild; a member of a pool has the pool's template.
    """

    id: str | ActorAddress


class GetCallbackModule(msgspec.Struct, frozen=True):
    """The class of the supervisor (``supervisor:get_callback_module/1``)."""


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
    """One line of ``which_children``.

    Attributes:
        id: its name.
        address: where it lives, or lived.
        status: ``running``, ``restarting``, ``stopped``, ``starting`` or ``stopping``.
        type: ``worker`` or ``supervisor``.
        restart: its restart type.
        restarts: how often it has been restarted.
        last_exit: why and when it last ended by itself.
        modules: that it is made of, or ``dynamic``.
        failures: how often in a row it has failed.
        retry_at: when its restart is due (monotonic seconds), where one waits.
        crash_looping: whether it has failed again and again without a good run in between.
    """

    id: str
    address: LocalAddress
    status: str
    type: str
    restart: str
    restarts: int
    last_exit: tuple[Reason, float] | None
    modules: Sequence[str] | str
    failures: int
    retry_at: float | None
    crash_looping: bool


def which_children(state: SupervisorState) -> list[ChildInfo]:
    """The children of a supervisor, the newest first."""
    return [info_of(child) for child in reversed(state.children.values())]


def info_of(child: Child) -> ChildInfo:
    """What ``which_children`` says of a child."""
    modules = child.spec.modules
    return ChildInfo(
        child.id,
        child.address,
        child.status,
        child.spec.type,
        child.spec.restart,
        child.restarts,
        child.last_exit,
        (child.spec.start.__module__,) if modules is None else modules,
        child.failures,
        child.retry_at,
        crash_looping(child),
    )


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
