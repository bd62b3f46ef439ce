"""The text of reports: data first, text second (supervisor:format_log/2, proc_lib:format_report/3).

A report is plain data; whoever shows it to people asks here. A kind that is not known gets its
fields written down as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.eventloop.plain import CUT

if TYPE_CHECKING:
    from supervision.eventloop.reports import Report

_HEADLINES = {
    "crash": "{actor} crashed on {message}: {reason}",
    "hold": "{handler} held the loop for {seconds} s with {message}",
    "overflow": "full mailbox at {limit} messages: {policy}, {count} times so far",
    "operator": "{action}: {reason}",
    "progress": "{child} was started",
}
_CRASHES = {
    "init": "{actor} did not start: {reason}",
    "stop": "{actor} stopped: {reason}",
    "terminate": "{actor} crashed as it ended: {reason}",
}
_OVER = "{child} has come to itself"
_SUPERVISORS = {
    "start_error": "{child} did not start: {reason}",
    "child_terminated": "{child} ended: {reason}",
    "shutdown_error": "{child} did not end as it was told to: {reason}",
    "shutdown": "gives up, as {child} failed too often: {reason}",
    "restarted": "{child} was started again",
    "child_given_up": "gives {child} up: {reason}",
    "crash_loop": "{child} fails again and again: {reason}",
    "crash_loop_over": _OVER,
    "starts_with": "{child} still starts when {with} does",
    "escalation": "{child} gave up: {reason}",
    "auto_shutdown": "ends, as {child} has ended: {reason}",
}
_LONG = ("traceback",)
"""Fields of many lines, which come last and not in a single line."""


class _Fields(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return f"<no {name}>"


def headline(report: Report, depth: int | None = None) -> str:
    """Say in a sentence what a report tells, its terms down to ``depth``."""
    data = _Fields({name: _shown(value, depth) for name, value in report.data.items()})
    match report.kind:
        case "crash":
            said = _CRASHES.get(str(data.get("message")), _HEADLINES["crash"])
            said = said if "actor" in data else "{handler} crashed: {reason}"
        case "supervisor":
            said = _SUPERVISORS.get(str(data.get("context")), "{context} of {child}: {reason}")
            if said is _OVER and report.data.get("reason") is not None:
                said = "{child} is not tried any more: {reason}"
        case "unexpected":
            said = "{error}" if "error" in data else "{message} from {sender} was not expected"
        case kind:
            said = _HEADLINES.get(kind, "")
    return said.format_map(data)


def format_report(
    report: Report,
    *,
    single_line: bool = False,
    depth: int | None = None,
    chars_limit: int | None = None,
) -> str:
    """Write a report down for people.

    Args:
        report: of any kind.
        single_line: write no line breaks, and leave tracebacks out.
        depth: levels of containers that are shown; None is all there are.
        chars_limit: characters of the text; None is no limit.

    Returns:
        ``CRASH REPORT node/a: Server crashed on int: ...`` and then each field on a line of its
        own; with ``single_line`` the fields follow in brackets.
    """
    said = headline(report, depth)
    head = f"{report.kind.upper()} REPORT {report.path}" + (f": {said}" if said else "")
    fields = {name: value for name, value in report.data.items() if value not in (None, "", [], {})}
    text = _on_one_line(head, fields, depth) if single_line else _on_many_lines(head, fields, depth)
    return text if chars_limit is None or len(text) <= chars_limit else _cut(text, chars_limit)


def _cut(text: str, limit: int) -> str:
    return text[: max(0, limit - len(CUT))] + CUT[:limit]


def _on_one_line(head: str, fields: dict[str, Any], depth: int | None) -> str:
    shown = [f"{name}: {_shown(one, depth)}" for name, one in fields.items() if name not in _LONG]
    text = f"{head} [{', '.join(shown)}]" if shown else head
    return " ".join(text.split())


def _on_many_lines(head: str, fields: dict[str, Any], depth: int | None) -> str:
    lines = [head]
    lines += [
        f"  {name}: {_shown(one, depth)}" for name, one in fields.items() if name not in _LONG
    ]
    for name in _LONG:
        if name in fields:
            lines += [f"  {name}:", *(f"    {line}" for line in str(fields[name]).splitlines())]
    return "\n".join(lines)


def _shown(value: Any, depth: int | None) -> str:
    """A value as text, containers down to ``depth``."""
    if isinstance(value, dict):
        if depth is not None and depth <= 0:
            return CUT
        below = None if depth is None else depth - 1
        return "{" + ", ".join(f"{key}: {_shown(one, below)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        if depth is not None and depth <= 0:
            return CUT
        below = None if depth is None else depth - 1
        return "[" + ", ".join(_shown(one, below) for one in value) + "]"
    return str(value)
