"""What the pure core of supervisors (``strategy``) says is to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from supervision.child import Child
    from supervision.reasons import Reason


class Start(msgspec.Struct, frozen=True):
    """Start a child behind its address."""

    child: Child


class Halt(msgspec.Struct, frozen=True):
    """Have a running child end and wait for it."""

    child: Child


class Retry(msgspec.Struct, frozen=True):
    """Call ``retry`` with ``attempt`` after the messages that wait now (``try_again_restart``)."""

    child: Child
    attempt: int


class Delay(msgspec.Struct, frozen=True):
    """Call ``due`` with ``until`` when that time has come (monotonic seconds)."""

    child: Child
    until: float


class Watch(msgspec.Struct, frozen=True):
    """Call ``steady`` with ``since`` when the child has run for ``reset_after``."""

    child: Child
    since: float


class Tell(msgspec.Struct, frozen=True):
    """Publish a supervisor report."""

    context: str
    child: Child
    reason: Reason | None


class Escalate(msgspec.Struct, frozen=True):
    """End the supervisor."""

    reason: Reason


Action = Start | Halt | Retry | Delay | Watch | Tell | Escalate
