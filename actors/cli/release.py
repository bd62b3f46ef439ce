"""release check, upgrade, commit, rollback, status, history: what the anchor does with releases."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from actors.cli import release_steps
from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.release_text import outcome_lines, plan_lines, report_lines, status_lines
from actors.cli.text import columns, moment
from actors.releases import shelf
from actors.releases.manifest import checked_vsn
from supervision.anchor import history as histories
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import DIRECTORY

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from supervision.anchor.pointers import Pointers

TIMEOUT_S = 3_600.0
"""The anchor bounds every stage by its own configuration; this only outlasts that."""


def check(options: Namespace) -> Answer:
    """Say what an upgrade would do; nothing is changed."""
    plan = _ask(options, "release.check", vsn=checked_vsn(options.vsn), force=options.force)
    return Answer(plan, plan_lines(plan), 0 if plan["ok"] else ExitCode.FAILED)


def upgrade(options: Namespace) -> Answer:
    """Hand everything over to a release; return when it serves, or why it does not."""
    args: dict[str, Any] = {"vsn": checked_vsn(options.vsn), "force": options.force}
    args["shadow"] = options.shadow
    if options.seconds is not None:
        args["seconds"] = options.seconds
    done = _ask(options, "release.upgrade", **args)
    if options.shadow:
        return Answer(done, report_lines(done))
    return Answer(done, outcome_lines(done))


def commit(options: Namespace) -> Answer:
    """Make the release on probation permanent."""
    done = _ask(options, "release.commit")
    lines = [f"release {done['vsn']} is permanent"]
    if done.get("missing"):
        lines.append(f"the node has not done all that waited for it: {done['missing']}")
    pruned = release_steps.prune(options)
    return Answer(done | pruned.data(), lines + pruned.lines())


def rollback(options: Namespace) -> Answer:
    """Hand everything back; return when the other release serves."""
    done = _ask(options, "release.rollback", force=options.force)
    return Answer(done, outcome_lines(done))


def status(options: Namespace) -> Answer:
    """Say what runs, and what is under way; without an anchor, what the pointers say."""
    try:
        with Peer(options.data) as peer:
            found = peer.ask("release.status") | {"running": True, "refused": _refused(peer)}
    except Refusal as refusal:
        if refusal.code is not ExitCode.UNREACHABLE:
            raise
        return _at_rest(options.data.absolute())
    return Answer(found, status_lines(found, time.time()))


def _refused(peer: Peer) -> dict[str, Any]:
    """Which releases are not tried again before somebody insists: ``{vsn: {why, at}}``."""
    known = peer.ask("release.list")["releases"]
    return {item["vsn"]: item["refused"] for item in known if item["refused"]}


def _at_rest(data: Path) -> Answer:
    """What the anchor would say, of pointers that nothing runs of."""
    known = shelf.current(data)
    found = {
        "permanent": known and known.permanent,
        "current": None,
        "old": [] if known is None else list(known.old),
        "takeover": None,
        "probation": None,
        "busy": "",
        "running": False,
        "refused": {} if known is None else msgspec.to_builtins(dict(known.refused)),
    }
    lines = [*status_lines(found, time.time()), *_next(data, known)]
    return Answer(found, lines, ExitCode.UNREACHABLE)


def _next(data: Path, known: Pointers | None) -> list[str]:
    """What a start would do, for humans."""
    start = f"vigie start --data {data}"
    if known is None:
        return [f"no release was ever started in {data}: {start} makes its installation permanent"]
    lines = [f"no anchor runs in {data}: {start} starts {known.permanent}"]
    if known.provisional:
        lines.append(f"{known.current} was on probation when the node ended")
    return lines


def history(options: Namespace) -> Answer:
    """List what was done with releases, the oldest first; with or without a node."""
    data = options.data.absolute()
    try:
        found = histories.read(data, options.limit)
    except OSError as error:
        why = f"{data / DIRECTORY / histories.FILE} cannot be read: {error.strerror}"
        raise Refusal(ExitCode.FAILED, why) from None
    if not found:
        return Answer({"items": []}, [f"nothing was done with releases in {data} yet"])
    heading = ("AT", "WHO", "STEP", "RELEASE", "FROM", "RESULT", "FREEZE MS", "TOTAL S", "WHY")
    rows = [_history_row(entry) for entry in found]
    return Answer({"items": found}, columns([heading, *rows]))


def _history_row(entry: dict[str, Any]) -> tuple[object, ...]:
    timings = entry.get("timings") or {}
    return (
        moment(entry.get("at")),
        entry.get("who", ""),
        entry.get("step", ""),
        entry.get("vsn", ""),
        entry.get("from") or "",
        entry.get("result", ""),
        timings.get("freeze_ms", ""),
        timings.get("total_s", ""),
        str(entry.get("why") or "").partition("\n")[0],
    )


def _ask(options: Namespace, op: str, **args: Any) -> Any:
    with _peer(options.data.absolute()) as peer:
        return peer.ask(op, {"who": release_steps.who(), **args})


def _peer(data: Path) -> Peer:
    try:
        return Peer(data, TIMEOUT_S)
    except Refusal as refusal:
        if refusal.code is not ExitCode.UNREACHABLE:
            raise
        why = f"{refusal.msg}, and this is done with a running node: vigie start --data {data}"
        raise Refusal(refusal.code, why) from None
