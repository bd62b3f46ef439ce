"""route check, route explain: the rules of routing, without a node."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from actors.cli import config as config_command
from actors.cli.command import Answer
from actors.config import ConfigInvalid
from actors.config import load as load_config
from actors.etc_files import etc_file
from actors.routing import table_of
from actors.routing_core.agents import AgentEvent
from actors.routing_core.core import RoutingCore
from actors.routing_core.facts import Customer, Request
from actors.routing_core.refusals import RoutingRefused
from actors.routing_core.rules_file import RulesInvalid, load
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from actors.config import Config
    from actors.routing_core.core import Explanation
    from actors.routing_core.rules_file import RuleSet

ALL = "all"
LISTS = ("products", "services")
TRUE = {"true": True, "false": False}


def check(options: Namespace) -> Answer:
    """Name every mistake of a file of rules with its line, key and rule."""
    path = options.file or etc_file("routing.toml")
    try:
        ruleset = load(path)
    except RulesInvalid as invalid:
        return mistakes(path, invalid)
    version = {"version": ruleset.version.number, "sha256": ruleset.version.sha256}
    lines = [f"{path} is valid: version {ruleset.version}"]
    return Answer({"file": str(path), "valid": True, **version, "mistakes": []}, lines)


def explain(options: Namespace) -> Answer:
    """Say where a call would go, and why.

    Raises:
        Refusal: A fact or an agent is none that there is.
    """
    path = options.rules or etc_file("routing.toml")
    try:
        config, ruleset = load_config(options.config, os.environ), load(path)
    except ConfigInvalid as invalid:
        return config_command.mistakes(str(options.config or etc_file("vigie.toml")), invalid)
    except RulesInvalid as invalid:
        return mistakes(path, invalid)
    at = time.time() if options.at is None else options.at
    core = _core(config, ruleset, options.ready, at)
    try:
        explanation = core.explain(_request(options), at)
    except RoutingRefused as refused:
        raise Refusal(ExitCode.USAGE, str(refused), refused.field) from refused
    return Answer(_data(explanation, str(path)), _lines(explanation, str(path)))


def mistakes(path: Path, invalid: RulesInvalid) -> Answer:
    """Make the answer for rules that cannot be used.

    Args:
        path: The file.
        invalid: Its mistakes.
    """
    found = [msgspec.to_builtins(mistake) for mistake in invalid.mistakes]
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    lines = [f"{path}: {count}", *map(str, invalid.mistakes)]
    return Answer({"file": str(path), "valid": False, "mistakes": found}, lines, ExitCode.USAGE)


def _core(config: Config, ruleset: RuleSet, ready: list[str], at: float) -> RoutingCore:
    """A core in which some agents of the rules are ready."""
    core = RoutingCore(table_of(config), config.routing.region, ruleset)
    known = ruleset.rules.agent
    for name in known if ALL in ready else ready:
        if name not in known:
            raise Refusal(ExitCode.USAGE, f"{name} is no agent of the rules", "ready")
        core.tell(AgentEvent(name, "ready", at))
    return core


def _request(options: Namespace) -> Request:
    return Request(
        call="explained",
        rp=options.rp,
        ani=options.ani,
        dnis=options.dnis,
        lang=options.lang,
        media=options.media,
        prio=options.prio,
        tried=tuple(options.tried),
        customer=_customer(dict(options.fact)) if options.fact else None,
    )


def _customer(facts: dict[str, str]) -> Customer:
    values: dict[str, Any] = dict(facts)
    for key in LISTS:
        if key in facts:
            values[key] = [part.strip() for part in facts[key].split(",") if part.strip()]
    unknown = [key for key in facts if key not in Customer.__struct_fields__]
    if unknown:
        known = ", ".join(Customer.__struct_fields__)
        raise Refusal(ExitCode.USAGE, f"{unknown[0]} is no fact: they are {known}", "fact")
    try:
        return msgspec.convert(values, Customer, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(ExitCode.USAGE, f"a fact is wrong: {error}", "fact") from error


def _data(explanation: Explanation, rules: str) -> dict[str, Any]:
    facts = explanation.facts
    return {
        "decision": msgspec.to_builtins(explanation.decision),
        "at": explanation.at,
        "rules": {"file": rules, **msgspec.to_builtins(explanation.version)},
        "steps": [{"step": name, "why": list(why)} for name, why in explanation.steps],
        "number": msgspec.to_builtins(facts.number),
        "rp": facts.rp,
        "queue": facts.queue or None,
        "prio": facts.prio,
        "expected_wait_s": _finite(facts.expected_wait_s),
        "treat": dict(facts.treat),
        "send": dict(facts.send),
    }


def _finite(wait_s: float | None) -> float | None:
    return None if wait_s is None or wait_s == float("inf") else wait_s


def _lines(explanation: Explanation, rules: str) -> list[str]:
    decision = explanation.decision
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(explanation.at))
    also = f", then {', '.join(decision.alt)}" if decision.alt else ""
    target = decision.target or "no target"
    head = f"{target} ({decision.rtype}), {decision.reason}{also}"
    why = [f"  {index}. {line}" for index, line in enumerate(decision.why, 1)]
    sent = [f"  {key} = {value}" for key, value in explanation.facts.send.items()]
    lines = [head, f"at {when}, rules {rules} version {explanation.version}", *why]
    return [*lines, "sent along:", *sent] if sent else lines
