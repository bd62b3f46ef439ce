"""Messages for members of pools, and for actors that are down, by their receivers' adapters."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from supervision import (
    Backoff,
    ChildSpec,
    GenServer,
    StartChild,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
)
from supervision.eventloop.calls import PendingCall
from supervision.release import actor_waiting
from supervision.release.actors_part import ActorsPart
from supervision.release.carrier import NoConversion
from supervision.release.messages import Adapters
from supervision.release.versions import Conversions
from supervision.testing import Takeover

HERE = __name__


class Add(Struct, frozen=True):
    seconds: int


class AddMillis(Struct, frozen=True):
    millis: int


class Member(GenServer):
    """Knows only messages of its own version."""

    version = 1
    carried_as = "Member"
    takes: type[Any] = Add

    def init(self, args: Any) -> None:
        self.state = []
        self.register("member")

    def handle_call(self, request: Any, from_: PendingCall) -> str:
        self.handle_cast(request)
        return "answered"

    def handle_cast(self, request: Any) -> None:
        if request == "fail":
            raise ValueError(request)
        assert isinstance(request, self.takes), request
        self.state.append(request)


class NewMember(Member):
    version = 2
    takes = AddMillis
    adapters = Adapters(
        up={
            f"{HERE}:Add": lambda fields: AddMillis(fields["seconds"] * 1000),
            f"{HERE}:Gone": lambda fields: AddMillis(fields["old"]),
        },
        down={f"{HERE}:AddMillis": lambda it: (f"{HERE}:Add", {"seconds": it.millis // 1000})},
    )


class Carried(Member):
    carried = list[Any]


class NewCarried(NewMember):
    carried = list[Any]
    conversions = Conversions(up={1: lambda state: state}, down={2: lambda state: state})


class Asker(GenServer):
    carried = list[Any]

    def init(self, args: Any) -> None:
        self.state = []
        self.register("asker")

    def handle_cast(self, request: Any) -> None:
        self.request("member", request, timeout=None)

    def handle_info(self, message: Any, sender: Any) -> None:
        self.state.append(message.value)


class Pool(Supervisor):
    carries = "mailboxes"

    def init(self, args: Any) -> Any:
        flags = SupervisorFlags(strategy="simple_one_for_one")
        return flags, [ChildSpec("member", args)]


class Patient(Supervisor):
    """Starts its child again after a while, and keeps what comes in between."""

    def init(self, args: Any) -> Any:
        spec = ChildSpec("member", args, on_restart="keep", backoff=Backoff(50.0, 50.0))
        return SupervisorFlags(), [spec]


def pooled(pair: Takeover, old: type[Any], new: type[Any]) -> None:
    for node, kind in ((pair.old, old), (pair.new, new)):
        node.start(Pool, kind, name="pool")
        node.start(Asker, name="asker")
        node.call(node.address("pool"), StartChild(args=None, id="one"))


def waits(pair: Takeover, message: Any) -> None:
    pair.old.settle()
    pair.old.kernel.cell_of("member").suspended = True
    pair.old.cast("member", message)
    pair.old.cast("asker", message)
    pair.old.settle()


BOTH = [
    (Member, NewMember, Add(2), AddMillis(2000)),
    (NewMember, Member, AddMillis(2000), Add(2)),
    (Member, Member, Add(2), Add(2)),
    (NewMember, NewMember, AddMillis(2000), AddMillis(2000)),
]


@pytest.mark.parametrize(("old", "new", "sent", "handled"), BOTH)
def test_messages_for_members_of_a_pool_are_adapted_by_their_class(
    old: Any, new: Any, sent: Any, handled: Any
) -> None:
    with Takeover() as pair:
        pooled(pair, old, new)
        waits(pair, sent)
        pair.take_over()
        assert pair.new.actor("member").state == [handled, handled]
        assert pair.new.actor("asker").state == ["answered"]


@pytest.mark.parametrize("placed", [True, False])
def test_a_type_that_is_gone_fails_no_takeover_where_an_adapter_knows_it(
    placed: bool,
) -> None:
    class Gone(Struct):
        old: int

    Gone.__qualname__ = "Gone"
    with Takeover() as pair:
        pooled(pair, Member, NewMember)
        if not placed:  # another part puts it there, later
            pair.new.call(pair.new.address("pool"), TerminateChild("one"))
            assert not pair.new.alive("member")
        waits(pair, Gone(7))
        pair.take_over()
        if placed:
            assert pair.new.actor("member").state == [AddMillis(7), AddMillis(7)]
    with Takeover() as pair:
        pooled(pair, Member, Member)
        waits(pair, Gone(7))
        with pytest.raises(NoConversion, match="Gone is not here"):
            pair.take_over()


def test_a_release_that_says_nothing_of_a_pool_is_taken_for_the_first() -> None:
    for old, new, sent, handled in BOTH[:2]:
        with Takeover() as pair:
            pair.gave = ActorsPart(pair.old.kernel, pools=(old,))
            pair.took = ActorsPart(pair.new.kernel, pools=(new,), taking=True)
            for part in (pair.gave, pair.took):
                told = part.types
                part.types = lambda told=told: {  # type: ignore[method-assign]
                    kind: version for kind, version in told().items() if kind != "Member"
                }
            pooled(pair, old, new)
            waits(pair, sent)
            pair.take_over()
            assert pair.new.actor("member").state == [handled, handled]


@pytest.mark.parametrize(
    ("old", "new", "sent", "handled"),
    [
        *BOTH[:2],
        (Carried, NewCarried, Add(2), AddMillis(2000)),
        (NewCarried, Carried, AddMillis(2000), Add(2)),
    ],
)
def test_messages_for_one_that_is_down_are_adapted_by_the_class_that_comes_back(
    old: Any, new: Any, sent: Any, handled: Any
) -> None:
    with Takeover() as pair:
        for node, kind in ((pair.old, old), (pair.new, new)):
            node.start(Patient, kind, name="top")
            node.start(Asker, name="asker")
        pair.old.cast("member", "fail")
        pair.old.settle()
        for name in ("member", "asker"):
            pair.old.cast(name, sent)
        pair.old.settle()
        assert not pair.old.alive("member")
        pair.take_over()
        assert pair.new.actor("member").state == [handled, handled]
        assert pair.new.actor("asker").state == ["answered"]


def test_a_member_for_whom_nothing_waits_costs_nothing_while_the_node_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    found = actor_waiting.receiver

    def counting(kernel: Any, path: str) -> Any:
        asked.append(path)
        return found(kernel, path)

    with Takeover() as pair:
        pooled(pair, Member, NewMember)
        for number in range(50):
            pair.old.call(pair.old.address("pool"), StartChild(args=None, id=f"idle-{number}"))
        waits(pair, Add(2))
        monkeypatch.setattr(actor_waiting, "receiver", counting)
        pair.take_over()
    assert set(asked) == {"pool/one"}
