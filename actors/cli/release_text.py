"""What happens with releases, in lines for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.cli.text import elapsed, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STAGES = (("check_s", "check"), ("spawn_s", "start"), ("copy_s", "copy"))
MOST = 20
"""Lines of one kind that are shown; --json has all of them."""


def plan_lines(plan: Mapping[str, Any]) -> list[str]:
    """The plan of an upgrade, and whether it may be done."""
    named = f"plan {plan['hash'][:12]}" if plan["hash"] else "not tried"
    lines = [f"from {plan['from']} to {plan['vsn']}, {named}"]
    lines += _section("tree", plan.get("tree"))
    lines += _section("states", plan.get("states"))
    lines += _section("tried on live states", plan.get("dry_run"))
    lines += _section("configuration", plan.get("config"))
    lines += _section("database", plan.get("migrations"))
    lines += _section("interpreter", plan.get("interpreter"))
    lines += _section("libraries", plan.get("libraries"))
    lines += _section("needs", plan.get("needs"))
    lines += [f"forced: {why}" for why in plan.get("forced") or []]
    if plan["ok"]:
        return [*lines, f"it can be done: vigie release upgrade {plan['vsn']}"]
    return [*lines, "it cannot be done:", *(f"  {why}" for why in plan["why"])]


def outcome_lines(done: Mapping[str, Any]) -> list[str]:
    """What a takeover has done."""
    timings = done.get("timings") or {}
    lines = [f"release {done['vsn']} serves, in the place of {done['from']}"]
    counts = ", ".join(f"{count:,} {name}" for name, count in (done.get("counts") or {}).items())
    if counts:
        lines.append(f"taken over: {counts}")
    if timings:
        stages = ", ".join(
            f"{name} {elapsed(timings[key])}" for key, name in _STAGES if key in timings
        )
        freeze = f"frozen for {timings.get('freeze_ms', 0.0):.0f} ms"
        total = f"{elapsed(timings.get('total_s', 0.0))} in all"
        lines.append(f"{freeze}, {total}" + (f" ({stages})" if stages else ""))
    lines += [f"it had to be ended: {name}" for name in done.get("stragglers") or []]
    if done.get("state") == "current":
        lines.append(
            "on probation: vigie release commit ends that, vigie release rollback goes back"
        )
    return lines


def report_lines(done: Mapping[str, Any]) -> list[str]:
    """What a shadow saw."""
    lines = [f"release {done['vsn']} has looked on; nothing was changed"]
    return lines + [f"  {line}" for line in _plain(done.get("report") or {})]


def status_lines(found: Mapping[str, Any], now: float) -> list[str]:
    """What runs, and what is under way.

    Args:
        found: what the anchor says.
        now: seconds since the epoch.
    """
    rest = {key: value for key, value in found.items() if key != "running"}
    lines = [f"permanent  {rest.pop('permanent', None) or 'none'}"]
    current, probation = rest.pop("current", None), rest.pop("probation", None)
    if probation:
        until = probation.get("until")
        left = f", {elapsed(max(0.0, until - now))} to go" if until else ""
        who = f", by {probation['who']}" if probation.get("who") else ""
        lines.append(
            f"runs       {current}, on probation since {moment(probation['since'])}{left}{who}"
        )
    else:
        lines.append(f"runs       {current or 'nothing'}")
    if old := rest.pop("old", None):
        lines.append(f"old        {_joined(old)}")
    for vsn, refused in (rest.pop("refused", None) or {}).items():
        lines.append(f"refused    {vsn}: {refused['why']} ({moment(refused['at'])})")
    if busy := rest.pop("busy", None):
        lines.append(f"busy       {busy}")
    return lines + _plain(rest)


def _section(name: str, what: Any) -> list[str]:
    """A part of a plan; one that has nothing to say is left out."""
    found = what if isinstance(what, list) else _plain(what or {})
    if not found:
        return []
    lines = [f"{name}:", *(f"  {_word(line)}" for line in found[:MOST])]
    return [*lines, f"  and {len(found) - MOST} more"] if len(found) > MOST else lines


def _plain(what: Mapping[str, Any], above: str = "") -> list[str]:
    lines: list[str] = []
    for key, value in what.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            lines += _plain(value, f"{name}.")
        elif value not in (None, "", []):
            lines.append(f"{name} {_word(value)}")
    return lines


def _word(value: Any) -> str:
    if isinstance(value, dict):
        text = value.get("text")
        return str(text) if text else ", ".join(_plain(value))
    if isinstance(value, list):
        return _joined(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _joined(values: Iterable[Any]) -> str:
    return ", ".join(_word(value) for value in values)
