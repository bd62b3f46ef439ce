"""Actors of a new version go on from what those of the old one were."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from supervision import (
    NO_REPLY,
    Cast,
    ChildSpec,
    Down,
    GenServer,
    PendingCall,
    Response,
    ServerDied,
    Supervisor,
    SupervisorFlags,
    Timeout,
)
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.links import Monitor
from supervision.eventloop.timers import Timer
from supervision.testing import Takeover


class Tree(Supervisor):
    def init(self, args: Any) -> Any:
        return SupervisorFlags(intensity=5, period=60.0), [
            ChildSpec(name, kind) for name, kind in args.items()
        ]


class Counted(Struct):
    count: int = 0
    seen: list[Any] = []


class Counter(GenServer):
    carried = Counted
    state: Counted

    def init(self, args: Any) -> None:
        self.state = Counted()
        self.register(str(self.address.name))

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        return self.state.count

    def handle_cast(self, request: int) -> None:
        if request < 0:
            raise ValueError(request)
        self.state.count += request


def grown(pair: Takeover, old: Any, new: Any) -> None:
    """Start a tree on either side."""
    pair.old.start(Tree, old, name="top")
    pair.new.start(Tree, new, name="top")


def test_an_actor_goes_on_with_the_state_of_the_one_before() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Counter}, {"counter": Counter})
        pair.old.cast("counter", 3)
        pair.old.settle()
        pair.take_over()
        assert pair.new.call("counter", "count") == 3
        assert pair.took.left == []


class Forgetful(Counter):
    carried = None


def test_an_actor_that_does_not_say_so_begins_anew() -> None:
    with Takeover() as pair:
        grown(pair, {"counter": Forgetful}, {"counter": Forgetful})
        pair.old.cast("counter", 3)
        pair.old.settle()
        pair.take_over()
        assert pair.new.call("counter", "count") == 0
