"""What two versions have decided about the same requests: pure, frames in, a report out.

A request of a link is decided once by each version. What each tells the link is compared field by
field, but for what no two nodes have in common: numbers of frames, and ids of sessions that began
meanwhile. An answer that was late on one side only says something of its machine, not of its mind.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, field

from protocols.cti.framing import Decoder, FramingError

if TYPE_CHECKING:
    from collections.abc import Mapping

Key: TypeAlias = tuple[int, str]
Decision: TypeAlias = dict[str, Any]

ASKS = frozenset({"route.request", "reroute.request"})
TELLS = frozenset({"route.used", "route.end", "call.event"})
"""Frames that are answered only where they are refused."""
DECIDES = frozenset({"route.select", "route.end", "error"})
OWN = frozenset({"i", "session", "rev", "durable", "ts", "msg"})
"""Fields in which two nodes that decide alike may differ; in the user data that goes along too."""

MOST_SHOWN = 20
MOST_OPEN = 50_000
"""Requests that are remembered until both versions have decided."""
MOST_TIMES = 100_000


class Asked(Struct):
    """A request that was seen, and what each version has decided so far.

    Attributes:
        at: monotonic seconds at which it came.
        number: what it is found by where it is refused.
        done: whether nothing has to come any more.
        live: decisions of the node that serves, in their order.
        shadow: those of the one that looks on.
    """

    at: float
    number: Key
    done: bool
    live: deque[Decision] = field(default_factory=deque)
    shadow: deque[Decision] = field(default_factory=deque)


class Stream:
    """The frames of one direction of one connection.

    Args:
        arrived: bytes of a frame that had begun before.
    """

    def __init__(self, arrived: bytes = b"") -> None:
        self._decoder = Decoder()
        self._begun = arrived
        self._broken = False

    def frames(self, data: bytes) -> list[dict[str, Any]]:
        """The frames that are whole now; none any more of a stream that is broken."""
        if self._broken:
            return []
        found = []
        try:
            self._decoder.feed(self._begun + data)
            self._begun = b""
            while (frame := self._decoder.next_frame()) is not None:
                found.append(frame)
        except FramingError:
            self._broken = True
        return found


class Decisions:
    """Compares.

    Attributes:
        requests: that were seen.
        same: decisions that both have taken alike.
        late: those of which one side's was the default, for it was late.
        differing: by the field in which they differ.
        shown: the first that differ.
    """

    def __init__(self) -> None:
        self._open: dict[Key, Asked] = {}
        self._forgotten = 0
        self._times: list[float] = []
        self.requests = 0
        self.same = 0
        self.late = 0
        self.different = 0
        self.differing: Counter[str] = Counter()
        self.shown: list[dict[str, Any]] = []

    def asked(self, link: int, frame: Mapping[str, Any], at: float) -> None:
        """A link has asked for something.

        Args:
            link: its number.
            frame: any frame of its.
            at: monotonic seconds.
        """
        kind, xref = frame.get("t"), frame.get("xref")
        if kind not in ASKS and kind not in TELLS:
            return
        self.requests += kind in ASKS
        asked = Asked(at, (link, f"#{frame.get('i')}"), done=kind in TELLS)
        self._open[asked.number] = asked
        if kind in ASKS and isinstance(xref, str):
            self._open.pop((link, xref), None)  # it is asked again: the youngest are the last
            self._open[link, xref] = asked
        while len(self._open) > MOST_OPEN:
            self._forgotten += not self._open.pop(next(iter(self._open))).done

    def live(self, link: int, frame: Mapping[str, Any]) -> None:
        """The node that serves has told a link something."""
        self._decided(link, frame, None)

    def shadow(self, link: int, frame: Mapping[str, Any], at: float) -> None:
        """The one that looks on would have told it so, at monotonic seconds ``at``."""
        self._decided(link, frame, at)

    def _decided(self, link: int, frame: Mapping[str, Any], at: float | None) -> None:
        if frame.get("t") not in DECIDES:
            return
        found = next((key for key in _keys(link, frame) if key in self._open), None)
        if found is None:
            return
        asked = self._open[found]
        if at is None:
            asked.live.append(dict(frame))
        else:
            asked.shadow.append(dict(frame))
            if len(self._times) < MOST_TIMES:
                self._times.append(at - asked.at)
        while asked.live and asked.shadow:
            asked.done = True
            self._open.pop(asked.number, None)
            self._compare(found, asked.live.popleft(), asked.shadow.popleft())

    def _compare(self, key: Key, live: Decision, shadow: Decision) -> None:
        differ = sorted(
            name
            for name in live.keys() | shadow.keys()
            if name not in OWN and _compared(live.get(name)) != _compared(shadow.get(name))
        )
        if not differ:
            self.same += 1
        elif _late(live) != _late(shadow):
            self.late += 1
        else:
            self.different += 1
            self.differing.update(differ)
            if len(self.shown) < MOST_SHOWN:
                self.shown.append({"link": key[0], "xref": key[1], "live": live, "shadow": shadow})

    def report(self, now: float, grace_s: float) -> dict[str, Any]:
        """What has come of it, as plain data.

        Args:
            now: monotonic seconds.
            grace_s: seconds that a decision may take until it is missed.
        """
        once = {id(one): one for one in self._open.values()}  # some are found in two ways
        old = [one for one in once.values() if now - one.at > grace_s]
        return {
            "requests": self.requests,
            "same": self.same,
            "different": self.different,
            "late_on_one_side": self.late,
            "only_live": sum(len(one.live) for one in old),
            "only_shadow": sum(len(one.shadow) for one in old),
            "forgotten": self._forgotten,
            "fields": dict(self.differing.most_common()),
            "differences": self.shown,
            "shadow_ms": _percentiles(self._times),
        }


def _compared(value: Any) -> Any:
    """What is compared of a field."""
    if not isinstance(value, dict):
        return value
    return {name: one for name, one in value.items() if name not in OWN}


def _keys(link: int, frame: Mapping[str, Any]) -> list[Key]:
    """What a decision may be about: a dialogue, or a frame that is refused."""
    return [(link, str(frame.get("xref"))), (link, f"#{frame.get('ref')}")]


def _late(decision: Decision) -> bool:
    return decision.get("reason") == "late-default" or decision.get("cause") == "timeout"


def _percentiles(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        name: round(ordered[min(last, int(len(ordered) * share))] * 1000, 3)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }
