"""An explanation of the routing core as plain data, the same on the command line and over HTTP."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from actors.routing_core.core import Explanation
    from actors.send_lists import Listed

DECISION = ("target", "rtype", "reason", "alt", "why")
"""Fields that are told of a decision, be they empty; what goes along stands beside them."""


def data(explanation: Explanation, rules: str, listed: Listed | None = None) -> dict[str, Any]:
    """What is told of an explanation.

    Args:
        explanation: of the routing core.
        rules: the file that its rules are from; empty where there are none.
        listed: what else goes along; None where that is nothing.
    """
    facts, decision = explanation.facts, explanation.decision
    wait_s = facts.expected_wait_s
    return {
        "decision": {name: getattr(decision, name) for name in DECISION},
        "at": explanation.at,
        "rules": {"file": rules, **msgspec.to_builtins(explanation.version)},
        "steps": _steps(explanation),
        "number": msgspec.to_builtins(facts.number),
        "rp": facts.rp,
        "queue": facts.queue or None,
        "prio": facts.prio,
        "expected_wait_s": None if wait_s is None or math.isinf(wait_s) else wait_s,
        "treat": dict(facts.treat),
        "send": dict(facts.send),
        "send_list": None if listed is None else _list(listed),
    }


def _steps(explanation: Explanation) -> list[dict[str, Any]]:
    took = dict(explanation.took)
    return [
        {"step": name, "why": list(why), "ms": took.get(name)} for name, why in explanation.steps
    ]


def _list(listed: Listed) -> dict[str, Any]:
    sent = listed.list
    return {"app": listed.app, "keys": list(sent.keys), "format": sent.format}
