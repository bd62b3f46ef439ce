"""System events: what passes through an actor that is watched (sys's ``{in, ...}``, ...)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from msgspec import Struct

from supervision._thespian import ActorAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.calls import PendingCall

SystemEventKind = Literal[
    "in",
    "out",
    "reply",
    "noreply",
    "start_timer",
    "cancel_timer",
    "timeout",
    "enter",
    "postpone",
    "consume",
    "continue",
    "code_change",
    "terminate",
]
MAX_CHARS = 200
"""Characters of one text in an event."""


class SystemEvent(Struct, frozen=True, kw_only=True):
    """A system event as it may be shown: without what its class keeps to itself.

    Attributes:
        at: seconds since the epoch.
        path: of the actor.
        event: what happened: ``in``, ``out``, ``reply``, ...
        message: what was sent, set or entered, through the actor's ``format_message``.
        way: how: ``call``, ``cast``, ``info``, ``send``, ``request``, or ``late`` for a reply.
        other: the path of the other side, where it is known.
        seconds: of a timer that was set; None otherwise.
    """

    at: float
    path: str
    event: SystemEventKind
    message: str
    way: str = ""
    other: str = ""
    seconds: float | None = None

    def line(self) -> str:
        """The event as a line of text, without its time."""
        peer = {"in": "from", "out": "to", "reply": "to", "timeout": "from"}.get(self.event, "with")
        words = [self.path, self.event, self.way, self.message]
        if self.other:
            words += [peer, self.other]
        if self.seconds is not None:
            words.append(f"in {self.seconds:g} s")
        return " ".join(word for word in words if word)


class Seen:
    """A system event with the message itself: what probes in the node's own code are shown.

    Attributes:
        kind: as in ``SystemEvent.event``.
        message: the message, the request, the timer's payload, the state that is entered ...
        way: as in ``SystemEvent``.
        other: an address, a name or nothing.
        seconds: of a timer that is set.
    """

    __slots__ = ("_shown", "_translate", "kind", "message", "other", "seconds", "way")

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        kind: SystemEventKind,
        message: Any,
        way: str,
        other: Any,
        seconds: float | None,
        translate: Callable[[Seen], SystemEvent],
    ) -> None:
        self.kind = kind
        self.message = message
        self.way = way
        self.other = other
        self.seconds = seconds
        self._translate = translate
        self._shown: SystemEvent | None = None

    @property
    def shown(self) -> SystemEvent:
        """The event as it may be shown; made once, for all who want it."""
        if self._shown is None:
            self._shown = self._translate(self)
        return self._shown


class _Done:
    """A probe has seen enough."""

    def __repr__(self) -> str:
        return "DONE"


DONE: Final = _Done()
"""What a probe's function returns to be removed (sys's ``done``)."""


SinkName = str | tuple[str, Hashable]
"""What tells sinks of one actor apart: a word, or of a probe the word and its id."""


class Sink:
    """Something that an actor is watched for: statistics, a log, a probe, a trace."""

    def take(self, seen: Seen) -> bool:
        """Take an event; return whether this has seen enough and is to be removed."""
        return False

    def spent(self, message: Any, seconds: float) -> None:
        """A handler has ended; it has held the loop for so long, its waits apart."""

    def close(self) -> None:
        """Let go of what it holds: it was removed, or the actor has ended."""


class Watcher(Protocol):
    """Whom the methods of a watched actor tell what passes through them: its ``Watch``.

    Attributes:
        answer: what the callback of the call that is handled now has returned.
    """

    answer: Any

    def handle(self, receive: Callable[[Any, Any, Any], Any], msg: Any, sender: Any) -> Any:
        """Tell of a message, have it handled, tell what came of it."""

    def replied(self, call: PendingCall, value: Any) -> None:
        """Tell of an answer that is about to be given."""

    def say(
        self,
        kind: SystemEventKind,
        message: Any,
        way: str = "",
        other: Any = None,
        seconds: float | None = None,
    ) -> None:
        """Tell of anything else."""


def text_of(other: Any) -> str:
    """A path or a name, whatever names an actor."""
    if other is None:
        return ""
    return cut(str(other.addressDetails) if isinstance(other, ActorAddress) else str(other))


def cut(text: str) -> str:
    """At most ``MAX_CHARS`` characters of a text."""
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}…"
