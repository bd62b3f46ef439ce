"""What the commands of releases have in common: who asks, what is noted, what is taken away."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.cli import permanent
from actors.cli.peer import Peer
from actors.config import ConfigInvalid, load
from actors.releases import install as installing
from actors.releases import shelf
from actors.user_name import user
from supervision.anchor import history, pointers
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace


class Pruned(NamedTuple):
    """What became of the old releases that are more than are kept.

    Attributes:
        removed: versions that are there no more.
        left: ``{vsn, why}`` of those that are there still; `vsn` is None where nobody could look.
        unnoted: why the history does not tell of one that was removed.
    """

    removed: list[str]
    left: list[dict[str, str | None]]
    unnoted: list[str]

    def data(self) -> dict[str, Any]:
        """It for ``--json``."""
        return {"removed": self.removed, "not_pruned": self.left, "not_noted": self.unnoted}

    def lines(self) -> list[str]:
        """It for humans."""
        lines = [f"release {vsn} removed: more old ones than are kept" for vsn in self.removed]
        for item in self.left:
            what = "old releases are" if item["vsn"] is None else f"release {item['vsn']} is"
            again = "the next commit or install tries again"
            lines.append(f"{what} not removed, {again}: {item['why']}")
        return lines + [f"not in the history: {why}" for why in self.unnoted]


def prune(options: Namespace) -> Pruned:
    """Take away the old releases that are more than are kept.

    Args:
        options: of the command, `data` and `config` where it has one.
    """
    data = options.data.absolute()
    try:
        found, keep = shelf.current(data), config_of(options).release.keep
    except Refusal as refusal:
        return Pruned([], [{"vsn": None, "why": refusal.msg}], [])
    done = Pruned([], [], [])
    for vsn in shelf.surplus(found, keep) if found else []:
        if why := _not_removed(data, vsn):
            done.left.append({"vsn": vsn, "why": why})
            continue
        done.removed.append(vsn)
        entry = {"step": "remove", "vsn": vsn, "result": "done", "why": "more than are kept"}
        done.unnoted.extend(note(data, entry))
    return done


def _not_removed(data: Path, vsn: str) -> str:
    """Take one away; returns why it is there still."""
    try:
        take_away(data, vsn)
    except Refusal as refusal:
        return refusal.msg
    return ""


def take_away(data: Path, vsn: str) -> None:
    """Have nothing point to a release any more, and remove what is there of it.

    Args:
        data: the data directory, absolute.
        vsn: the release.

    Raises:
        Refusal: it is in use, another command changes releases, or the disk does not take it.
    """
    try:
        with installing.alone(data) as releases:
            _forget(data, vsn)
            if (releases / vsn).is_dir():
                installing.discard(releases, vsn)
    except OSError as error:
        why = f"release {vsn} cannot be removed: {error.filename or data}: {error.strerror}"
        raise Refusal(ExitCode.FAILED, why) from None


def config_of(options: Namespace) -> Any:
    """The configuration that a command goes by: its own, the node's that runs, or what ships.

    Raises:
        Refusal: it has mistakes.
    """
    file = getattr(options, "config", None) or _config_that_runs(options.data)
    try:
        return load(file and file.absolute(), os.environ)
    except ConfigInvalid as invalid:
        why = "; ".join(map(str, invalid.mistakes))
        raise Refusal(ExitCode.USAGE, f"{file or 'vigie.toml'}: {why}") from None


def _config_that_runs(data: Path) -> Path | None:
    try:
        with Peer(data) as peer:
            named = peer.ask("info").get("labels", {}).get("config", "")
    except Refusal as refusal:
        if refusal.code is ExitCode.UNREACHABLE:
            return None
        raise
    return Path(named) if Path(named).is_absolute() else None


def note(data: Path, entry: dict[str, Any]) -> list[str]:
    """Write what is done into the history: by the anchor where one runs, else here.

    Returns:
        Why it is not there, if so: that undoes nothing.
    """
    entry = {"at": time.time(), "who": who(), **entry}
    try:
        with Peer(data) as peer:
            peer.ask("release.note", entry)
    except Refusal as refusal:
        return [refusal.msg] if refusal.code is not ExitCode.UNREACHABLE else _append(data, entry)
    return []


def _append(data: Path, entry: dict[str, Any]) -> list[str]:
    try:
        history.append(data, entry)
    except OSError as error:
        return [f"{installing.home(data) / history.FILE}: {error.strerror}"]
    return []


def who() -> str:
    """Who asks, for the history: the user of the machine."""
    return f"{user()} (uid {os.getuid()})"


def _forget(data: Path, vsn: str) -> None:
    """Have nothing point to a release any more, which no program uses."""
    found = shelf.removable(data, vsn)
    if using := installing.users(installing.home(data) / vsn):
        named = ", ".join(map(str, using))
        why = f"release {vsn} is in use by process {named}: vigie stop ends it"
        raise Refusal(ExitCode.TRY_AGAIN, why)
    try:
        with Peer(data) as peer:
            peer.ask("release.forget", {"vsn": vsn, "who": who()})
    except Refusal as refusal:
        if refusal.code is not ExitCode.UNREACHABLE:
            raise
        permanent.unguarded(data)
        if found is not None:
            pointers.write(data, found.without(vsn).allowed(vsn))
