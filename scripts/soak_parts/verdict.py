"""The promises of issue 4, each held against what was found after a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import msgspec

SHOWN = 10
"""Examples of a broken promise that are shown."""


@dataclass(frozen=True)
class Promise:
    """One promise and whether it was kept.

    Attributes:
        text: what is promised.
        kept: whether it was.
        found: what was counted.
        examples: the first cases where it was not.
    """

    text: str
    kept: bool
    found: Any
    examples: list[Any] = field(default_factory=list)


def none_of(text: str, cases: Sequence[Any], found: Any = None) -> Promise:
    """Promise that there are no cases of something; the first ones are shown otherwise."""
    examples = [_plain(case) for case in cases[:SHOWN]]
    return Promise(text, not cases, len(cases) if found is None else found, examples)


def equal(text: str, found: Any, wanted: Any) -> Promise:
    """Promise a value."""
    return Promise(text, found == wanted, found if found == wanted else f"{found}, not {wanted}")


def kept(promises: Sequence[Promise]) -> bool:
    """Whether all were kept."""
    return all(promise.kept for promise in promises)


def lines(promises: Sequence[Promise], facts: Mapping[str, Any]) -> list[str]:
    """A summary for humans: a line for each promise and fact, examples below what was broken."""
    text: list[str] = []
    for promise in promises:
        text.append(f"{'kept  ' if promise.kept else 'BROKEN'} {promise.text}: {promise.found}")
        text += [f"         {example}" for example in promise.examples]
    text += [f"       {name}: {fact}" for name, fact in facts.items()]
    return text


def _plain(case: Any) -> Any:
    if is_dataclass(case) and not isinstance(case, type):
        return asdict(case)
    return msgspec.to_builtins(case) if isinstance(case, msgspec.Struct) else case
