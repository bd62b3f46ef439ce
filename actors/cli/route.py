"""route check, explain, status, apply: the rules of routing, without a node or on one."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from actors import explained_route
from actors.cli import config as config_command
from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.text import columns
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
    if options.live:
        return _live(options)
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
        explanation = core.explain(_request(options), at, time.monotonic)
    except RoutingRefused as refused:
        raise Refusal(ExitCode.USAGE, str(refused), refused.field) from refused
    told = explained_route.data(explanation, str(path))
    return Answer(told, _lines(told))


def status(options: Namespace) -> Answer:
    """Show the rules that a node has in force, and its queues."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "routing")
    version = found["version"]
    heading = ("QUEUE", "STRATEGY", "WAITING", "READY", "STAFFED", "EXPECTED_S")
    keys = ("queue", "strategy", "waiting", "ready", "staffed", "expected_wait_s")
    rows = [tuple(queue[key] for key in keys) for queue in found["queues"]]
    lines = [
        f"rules: {found['source'] or 'none'}, version {version['number']}",
        f"{found['agents']} agents, {found['waiting']} calls wait, {found['kept']} have an agent",
    ]
    return Answer(found, [*lines, *columns([heading, *rows])] if rows else lines)


def apply(options: Namespace) -> Answer:
    """Have a node take other rules; they are checked here first, where mistakes have lines.

    Raises:
        Refusal: The node does not take them, or the file cannot be read.
    """
    try:
        load(options.file)
    except RulesInvalid as invalid:
        return mistakes(options.file, invalid)
    body = {"toml": options.file.read_text(encoding="utf-8"), "reason": options.reason}
    with Peer(options.data) as peer:
        found = peer.api("PUT", "routing/rules", {"check": str(options.check).lower()}, body=body)
    word = "could be applied" if options.check else "applied"
    numbers = found["version"]["number"], found["before"]["number"]
    return Answer(found, [f"{options.file} {word}: version {numbers[0]} after {numbers[1]}"])


def _live(options: Namespace) -> Answer:
    """Ask the node: with its rules, its agents and its tables."""
    local = [name for name in ("fact", "ready", "rules", "config") if getattr(options, name)]
    if local:
        raise Refusal(ExitCode.USAGE, "a node has its own", local[0])
    asked = {
        "ani": options.ani,
        "rp": options.rp,
        "dnis": options.dnis,
        "lang": options.lang,
        "media": options.media,
        "prio": options.prio,
        "tried": ",".join(options.tried),
    }
    if options.at is not None:
        asked["at"] = options.at
    with Peer(options.data) as peer:
        told = peer.api("GET", "routing/explain", asked)
    return Answer(told, _lines(told))


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


def _lines(told: dict[str, Any]) -> list[str]:
    decision, rules = told["decision"], told["rules"]
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(told["at"]))
    also = f", then {', '.join(decision['alt'])}" if decision["alt"] else ""
    target = decision["target"] or "no target"
    head = f"{target} ({decision['rtype']}), {decision['reason']}{also}"
    why = [f"  {index}. {line}" for index, line in enumerate(decision["why"], 1)]
    took = ", ".join(f"{step['step']} {step['ms']}" for step in told["steps"])
    sent = [f"  {key} = {value}" for key, value in told["send"].items()]
    version = f"{rules['number']} ({rules['sha256'][:12]})"
    lines = [head, f"at {when}, rules {rules['file'] or 'none'} version {version}", *why]
    lines.append(f"took, ms: {took}")
    lines += ["sent along:", *sent] if sent else []
    listed = told["send_list"]
    return [*lines, _listed(listed)] if listed else lines


def _listed(listed: dict[str, Any]) -> str:
    keys = ", ".join(listed["keys"])
    return f"sent along of the session, by the list of {listed['app']}: {keys}"
