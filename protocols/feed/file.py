"""A load written down, in JSON lines: `{"at": seconds from the start, "frame": {...}}`."""

from __future__ import annotations

import json
import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from protocols.cti.parsing import DEFAULT_LIMITS, FrameRefused, MessageLimits, parse
from protocols.feed.calls import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

_LINK_TYPES = frozenset({"hello", "hb", "hb.ok"})


class FeedLineError(Exception):
    """A line of a feed file breaks a rule.

    Args:
        line: its number, from 1.
        field: the field that breaks it: `at`, `frame`, or one of the frame's as `frame.NAME`.
        rule: the rule.
    """

    def __init__(self, line: int, field: str, rule: str) -> None:
        super().__init__(f"line {line}: {field}: {rule}")
        self.line = line
        self.field = field
        self.rule = rule


def read_steps(lines: Iterable[str], limits: MessageLimits = DEFAULT_LIMITS) -> list[Step]:
    """Read a feed file.

    Args:
        lines: its lines; empty ones are passed over.
        limits: what one message may ask for.

    Returns:
        Its steps by their time; those of the same time in their order in the file.

    Raises:
        FeedLineError: for the first line that is wrong.
    """
    steps = [_read(number, line, limits) for number, line in enumerate(lines, 1) if line.strip()]
    return sorted(steps, key=attrgetter("at"))


def _read(number: int, line: str, limits: MessageLimits) -> Step:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FeedLineError(number, "line", f"not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise FeedLineError(number, "line", "not an object with at and frame")
    return Step(_read_time(number, entry), _read_frame(number, entry, limits))


def _read_time(number: int, entry: dict[str, Any]) -> float:
    at = entry.get("at")
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise FeedLineError(number, "at", "a number of seconds from the start is needed")
    if not math.isfinite(at) or at < 0:
        raise FeedLineError(number, "at", "must be finite and not negative")
    return float(at)


def _read_frame(number: int, entry: dict[str, Any], limits: MessageLimits) -> dict[str, Any]:
    frame = entry.get("frame")
    if not isinstance(frame, dict):
        raise FeedLineError(number, "frame", "an object is needed")
    if "i" in frame:
        raise FeedLineError(number, "frame.i", "the link gives the numbers")
    if frame.get("t") in _LINK_TYPES:
        raise FeedLineError(number, "frame.t", "the link itself sends these")
    try:
        parse(frame, limits)
    except FrameRefused as refused:
        field = f"frame.{refused.field}" if refused.field else "frame"
        raise FeedLineError(number, field, refused.msg) from None
    return frame
