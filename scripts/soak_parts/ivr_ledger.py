"""What an IVR application knows of its sessions, and how that is held against vigie's view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class IvrSession:
    """One session as its application knows it; it alone changes it.

    Attributes:
        rev: as the last answer said.
        ud: user data, of changes that were answered.
        steps: of the journey, answered, in their order.
        target: of the last routing answer.
        doubtful: what was asked and never answered for good: may be there or not.
    """

    call: str
    session: str = ""
    rev: int = 0
    ud: dict[str, Any] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    target: str | None = None
    closed: bool = False
    doubtful: bool = False


@dataclass(frozen=True)
class Contradiction:
    """What vigie says differently from what it had answered."""

    call: str
    what: str
    answered: Any
    known: Any


@dataclass
class IvrBook:
    """All sessions of all IVR workers, and what came over them.

    Attributes:
        answered: requests answered for good, by kind.
        broken: connections that broke under a request.
        waited: answers 503, 429 or 409 that said to come back.
        repeated: requests sent again after no answer.
        longest_s: from the first try of a request to its answer.
        broken_in_a_row: the most broken connections of one request outside the chaos proxy.
        wrong: contradictions found while it ran.
        given_up: requests that no answer came to for longer than an application waits.
    """

    sessions: list[IvrSession] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    waited: int = 0
    repeated: int = 0
    longest_s: float = 0.0
    broken_in_a_row: int = 0
    wrong: list[Contradiction] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)


def contradictions(
    known: IvrSession, view: Mapping[str, Any] | None, *, ended: bool = False
) -> Iterator[Contradiction]:
    """Hold a session against vigie's view of it.

    Args:
        known: the application's.
        view: as the API gives it; None where vigie has none.
        ended: whether the run is over, so that the state counts too.
    """
    if view is None:
        yield Contradiction(known.call, "session", known.session, None)
        return
    journey = [step["step"] for step in view["journey"]]
    pairs: dict[str, tuple[Any, Any]] = {
        "session": (known.session, view["session"]),
        "rev": (known.rev, view["rev"]),
        "ud": (known.ud, view["ud"]),
        "journey": (known.steps, journey),
    }
    if known.target is not None:
        pairs["target"] = (known.target, (view.get("routing") or {}).get("target"))
    if ended:
        pairs["closed"] = (known.closed, view["state"] == "closed")
    for what, (answered, said) in pairs.items():
        if answered != said:
            yield Contradiction(known.call, what, answered, said)


def doubled_steps(views: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sessions (their calls) whose journey has a step twice: each step is posted once."""
    return [
        view["call"]
        for view in views
        if len({step["step"] for step in view["journey"]}) < len(view["journey"])
    ]
