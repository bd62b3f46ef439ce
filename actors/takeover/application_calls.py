"""What two versions make of the same requests of applications: pure, outcomes in, a report out.

An application asks the node that serves, and its shadow is asked the same on its own copy of the
session. The two outcomes are compared field by field, but for what no two nodes have in common:
times, and the ids of sessions that began meanwhile.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Struct

from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    OpenFromChannel,
    OpenSession,
    PatchSession,
    RouteFromIvr,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Outcome: TypeAlias = dict[str, Any]

REQUESTS: dict[str, type[Struct]] = {
    "open": OpenSession,
    "open_from_channel": OpenFromChannel,
    "patch": PatchSession,
    "add_step": AddJourneyStep,
    "close": CloseSession,
    "route": RouteFromIvr,
}
"""What applications may do to sessions, by the methods of ``CallSessions``: what they say."""

UNDECIDED = frozenset({"Busy", "CancelledError"})
"""Errors that say something of the machine, or of whoever asked, and nothing of the version."""
OWN = frozenset(
    {"session", "rev", "durable", "ts", "ms", "opened", "updated", "expires", "timings", "events"}
)
"""Fields in which two nodes that do the same may differ, at any depth."""

MOST_SHOWN = 20
MOST_OPEN = 10_000
"""Requests that are remembered until both versions have answered."""


class Waiting(Struct):
    """A request that one side, or none, has answered.

    Attributes:
        way: what was asked for.
        call: of the session.
        live: what became of it on the node that serves.
        shadow: what became of it on the one that looks on.
        settle: called with whether the two are alike, once both have answered.
    """

    way: str
    call: str
    live: Outcome | None = None
    shadow: Outcome | None = None
    settle: Callable[[bool], None] | None = None


class ApplicationCalls:
    """Compares.

    Attributes:
        untold: requests that could not be forwarded, by why.
    """

    def __init__(self) -> None:
        self.untold: Counter[str] = Counter()
        self._waiting: dict[int, Waiting] = {}
        self._ways: Counter[str] = Counter()
        self._differing: Counter[str] = Counter()
        self._shown: list[dict[str, Any]] = []
        self._same = self._different = self._undecided = self._forgotten = 0

    def asked(self, number: int, way: str, call: str) -> None:
        """An application has asked for something."""
        self._ways[way] += 1
        self._waiting[number] = Waiting(way, call)
        while len(self._waiting) > MOST_OPEN:
            del self._waiting[next(iter(self._waiting))]
            self._forgotten += 1

    def live(self, number: int, outcome: Outcome, settle: Callable[[bool], None]) -> None:
        """The node that serves has answered.

        Args:
            number: of the request.
            outcome: as `outcome_of`.
            settle: called with whether the shadow has done alike, once it has answered; at once
                where nothing is known of the request, which began before anybody looked on.
        """
        known = self._waiting.get(number)
        if known is None:
            settle(False)
            return
        known.live, known.settle = outcome, settle
        self._compare(number, known)

    def shadow(self, number: int, outcome: Outcome) -> None:
        """The one that looks on has answered."""
        if (known := self._waiting.get(number)) is not None:
            known.shadow = outcome
            self._compare(number, known)

    def _compare(self, number: int, one: Waiting) -> None:
        if one.live is None or one.shadow is None or one.settle is None:
            return
        del self._waiting[number]
        if {one.live.get("error"), one.shadow.get("error")} & UNDECIDED:
            self._undecided += 1
            one.settle(False)
            return
        live, shadow = _comparable(one.live), _comparable(one.shadow)
        fields = sorted(key for key in live.keys() | shadow if live.get(key) != shadow.get(key))
        if fields:
            self._tell(one, fields, live, shadow)
        else:
            self._same += 1
        one.settle(not fields)

    def _tell(self, one: Waiting, fields: list[str], live: Outcome, shadow: Outcome) -> None:
        self._different += 1
        self._differing.update(fields)
        if len(self._shown) < MOST_SHOWN:
            sides = (("live", live), ("shadow", shadow))
            told = {side: {key: said.get(key) for key in fields} for side, said in sides}
            self._shown.append({"request": one.way, "call": one.call, **told})

    def report(self) -> dict[str, Any]:
        """What has come of it, as plain data."""
        return {
            "requests": dict(self._ways),
            "same": self._same,
            "different": self._different,
            "undecided": self._undecided,
            "under_way": len(self._waiting),
            "forgotten": self._forgotten,
            "untold": dict(self.untold),
            "fields": dict(self._differing.most_common()),
            "differences": self._shown,
        }


def outcome_of(done: Any) -> Outcome:
    """What a request came to, as plain data: the fields of the answer, or the name of an error.

    Args:
        done: what the method of ``CallSessions`` has returned, or raised.
    """
    if isinstance(done, BaseException):
        return {"error": type(done).__name__}
    plain = msgspec.to_builtins(done)
    value = plain.pop("value", None)
    return {**plain, **value} if isinstance(value, dict) else plain


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items() if key not in OWN}
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    return value
