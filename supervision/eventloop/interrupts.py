"""KeyboardInterrupts that an actor runs into: they end it, and are the program's all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervision.eventloop.ground import Ground


def let_out(kernel: Ground, exception: BaseException) -> None:
    """Have a KeyboardInterrupt leave the loop; nothing happens for another exception.

    Not here and now, which would leave its actor half alive: as a signal, after the actor's end
    has begun and before any further message.
    """
    if isinstance(exception, KeyboardInterrupt):
        kernel.signal(_leave, exception)


def _leave(exception: BaseException) -> None:
    raise exception
