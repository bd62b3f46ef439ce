"""journal check, export, repair: the journal's files, without asking a node."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.journal.check import check as checked
from actors.journal.export import export as exported
from actors.journal.file import Files
from actors.journal.records import JournalError, JournalLocked
from actors.journal.repair import REPORT, Repaired
from actors.journal.repair import repair as repaired
from actors.journal.salvage import Aside
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from actors.journal.records import Codec
    from actors.journal.recovery import Findings

GOES_ON = ": a start goes on without them and raises the alarm journal-shortfall"

SHOWN = 20
"""Lines of what is damaged or set aside that are printed; the report of a repair has them all."""


def check(options: Namespace) -> Answer:
    """Read and verify everything; nothing is changed, a node may run meanwhile.

    Raises:
        Refusal: There is no journal, or it cannot be opened.
    """
    files = _files(options)
    try:
        findings = checked(files, codecs())
    except JournalError as error:
        raise _refusal(error) from None
    sound = not findings.damage and not findings.missing_commits
    data = _facts(files, findings) | {"sound": sound}
    return Answer(data, _told(files, findings), 0 if sound else ExitCode.FAILED)


def export(options: Namespace) -> Answer:
    """Print every row that is whole as a line of JSON; what is not is named on stderr.

    Raises:
        Refusal: There is no journal, or no such kind.
    """
    kinds = codecs()
    if options.kind is not None and options.kind not in kinds:
        why = f"--kind must be one of {', '.join(sorted(kinds))} (found {options.kind!r})"
        raise Refusal(ExitCode.USAGE, why, "kind")
    files = _files(options)
    if not files.database.exists():
        raise Refusal(ExitCode.FAILED, f"there is no journal in {files.directory}")
    left_out = 0
    for line in exported(files, options.kind, kinds):
        if isinstance(line, Aside):
            left_out += 1
            sys.stderr.write(f"vigie: left out: {line.what}: {line.reason}\n")
        else:
            print(json.dumps(line, ensure_ascii=False))
    options.json = False  # the lines are JSON; there is no object around them
    return Answer(None, [], ExitCode.FAILED if left_out else 0)


def repair(options: Namespace) -> Answer:
    """Set aside what is damaged and build a journal of everything that is whole.

    Raises:
        Refusal: A node has the journal open, or there is none.
    """
    files = _files(options)
    try:
        done = repaired(files, codecs())
    except JournalLocked as error:
        why = f"{error}: stop it first (vigie stop --data {options.data})"
        raise Refusal(ExitCode.TRY_AGAIN, why) from None
    except JournalError as error:
        raise _refusal(error) from None
    data = {
        "repaired": bool(done.findings),
        "findings": done.findings,
        "kept": done.kept,
        "set_aside": [{"what": one.what, "reason": one.reason} for one in done.aside],
        "unaccounted": done.unaccounted,
        "missing_commits": done.missing_commits,
        "number": done.number,
        "directory": done.directory and str(done.directory),
    }
    return Answer(data, _said(options, done))


def codecs() -> Mapping[str, Codec]:
    """How the values of every kind are read, as a node reads them."""
    from actors.journal_codecs import codecs as made

    return made(time.time, time.monotonic)


def _files(options: Namespace) -> Files:
    return Files(options.data.absolute() / "journal")


def _refusal(error: JournalError) -> Refusal:
    return Refusal(ExitCode.FAILED, str(error))


def _facts(files: Files, findings: Findings) -> dict[str, Any]:
    meta = findings.meta
    sizes = {
        path.name: path.stat().st_size for path in (files.database, files.wal) if path.exists()
    }
    return {
        "directory": str(files.directory),
        "rows": findings.kinds | {"outbox": findings.items},
        "number": meta and meta.number,
        "acknowledged": findings.acknowledged,
        "missing_commits": findings.missing_commits,
        "damage": findings.damage,
        "notes": findings.notes,
        "newer": sorted(findings.newer),
        "older": sorted(findings.older),
        "bytes": sizes,
    }


def _told(files: Files, findings: Findings) -> list[str]:
    facts = _facts(files, findings)
    size = sum(facts["bytes"].values()) / 1_048_576
    lines = [
        f"journal in {files.directory}, {size:.1f} MiB",
        f"whole rows: {_counts(facts['rows'])}",
        f"last commit {facts['number']}, acknowledged {findings.acknowledged}",
        *findings.notes,
        *(f"written by a newer release: {one}" for one in facts["newer"]),
        *(f"written by a release too old for this one: {one}" for one in facts["older"]),
    ]
    if findings.missing_commits:
        lines.append(
            f"{findings.missing_commits} commits that were acknowledged are missing"
            + ("" if findings.damage else GOES_ON)
        )
    lines += _first("damaged: ", findings.damage)
    if findings.damage:
        lines.append(f"mend it with: vigie journal repair --data {files.directory.parent}")
    elif not findings.missing_commits:
        lines.append("sound")
    return lines


def _said(options: Namespace, done: Repaired) -> list[str]:
    if not done.findings:
        told = [f"nothing is damaged, nothing was changed: {_counts(done.kept)}"]
        missing = f"{done.missing_commits} commits that were acknowledged are missing{GOES_ON}"
        return [*told, missing] if done.missing_commits else told
    lines = _first("damaged: ", done.findings)
    lines.append(f"kept {_counts(done.kept)}")
    lines += _first("set aside: ", [f"{one.what}: {one.reason}" for one in done.aside])
    if done.unaccounted:
        lines.append(f"{done.unaccounted} rows that there should be were not found, or set aside")
    if done.missing_commits:
        lines.append(f"{done.missing_commits} commits that were acknowledged are missing")
    lines.append(f"the damaged files, and {REPORT}, are in {done.directory}")
    where = f"--data {options.data}"
    lines.append(f"go on with: vigie start {where} (vigie restart {where} where the anchor runs)")
    return lines


def _first(what: str, lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN
    rest = [f"{what}... {more} more"] if more > 0 else []
    return [*(f"{what}{line}" for line in lines[:SHOWN]), *rest]


def _counts(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())) or "no rows"
