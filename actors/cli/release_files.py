"""release build, install, list, remove, key: what is done with files, with or without a node."""

from __future__ import annotations

import getpass
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from actors.cli import installation, rooms
from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.text import columns, elapsed, moment
from actors.config import ConfigInvalid, ReleaseConfig, load
from actors.releases import build as building
from actors.releases import install as installing
from actors.releases import shelf, signing, state_types
from supervision.anchor import history, pointers
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace

    from actors.releases.manifest import Manifest


def build(options: Namespace) -> Answer:
    """Make an archive of a checkout or a wheel."""
    begun = time.monotonic()
    try:
        made = building.build(_order(options))
    except OSError as error:
        why = f"{error.filename or options.output}: {error.strerror}"
        raise Refusal(ExitCode.FAILED, why) from None
    took, size = time.monotonic() - begun, options.output.stat().st_size
    said = (
        f"release {made.vsn} for Python {made.python} on {made.platform}: {options.output},"
        f" {installing.megabytes(size)}, {len(made.libraries)} wheels,"
        f" {'signed' if options.sign else 'not signed'}, built in {elapsed(took)}"
    )
    data = _shown(made) | {"file": str(options.output), "bytes": size, "seconds": round(took, 3)}
    return Answer(data | {"signed": options.sign is not None}, [said])


def _order(options: Namespace) -> building.Order:
    checkout = options.checkout
    if checkout is None and options.wheel is None:
        checkout = rooms.home()
    return building.Order(
        output=options.output,
        checkout=checkout,
        wheel=options.wheel,
        python=options.python,
        wheels=options.wheels,
        lock=options.lock,
        key=options.sign,
    )


def install(options: Namespace) -> Answer:
    """Install an archive beside the release that runs; nothing is started."""
    data = options.data.absolute()
    config = config_of(options).release
    done = installing.install(data, options.file, config, options.python)
    vsn = done.manifest.vsn
    if not done.already:
        note(data, {"step": "install", "vsn": vsn, "result": "done"})
        prune(data, config)
    how = "is installed already" if done.already else f"installed in {elapsed(done.seconds)}"
    lines = [f"release {vsn} {how}; see what it would do: vigie release check {vsn}"]
    said = {"already": done.already, "seconds": round(done.seconds, 3)}
    return Answer(_shown(done.manifest) | said, lines)


def list_releases(options: Namespace) -> Answer:
    """List the installed releases and what each is."""
    found = shelf.rows(options.data.absolute())
    heading = ("RELEASE", "STATE", "RUNS", "PYTHON", "ORIGIN", "INSTALLED", "REFUSED")
    rows = [
        (
            row.vsn,
            row.state,
            "yes" if row.running else "",
            row.python,
            row.origin,
            moment(row.installed),
            row.refused or "",
        )
        for row in found
    ]
    return Answer({"items": msgspec.to_builtins(found)}, columns([heading, *rows]))


def remove(options: Namespace) -> Answer:
    """Take an unpacked or old release from the disk."""
    data = options.data.absolute()
    with installing.alone(data) as releases:
        _forget(data, options.vsn)
        installing.discard(releases, options.vsn)
    note(data, {"step": "remove", "vsn": options.vsn, "result": "done"})
    return Answer({"removed": options.vsn}, [f"release {options.vsn} removed"])


def adopt(options: Namespace) -> Answer:
    """Make the installation that this command belongs to the permanent release.

    Raises:
        Refusal: a node runs.
    """
    data = options.data.absolute()
    try:
        with Peer(data) as peer:
            peer.ask("ping")
    except Refusal as refusal:
        if refusal.code is not ExitCode.UNREACHABLE:
            raise
    else:
        raise Refusal(ExitCode.FAILED, f"a node runs in {data}: stop it first, with vigie stop")
    vsn = installation.adopt(data, who())
    return Answer({"permanent": vsn}, [f"release {vsn} is permanent: what lies in {rooms.home()}"])


def key(options: Namespace) -> Answer:
    """Show the public key of a private one, which is made where it is not there."""
    file: Path = options.file
    made = not file.exists()
    public = signing.make_key(file) if made else signing.public_key(file)
    lines = [public]
    return Answer({"file": str(file), "public": public, "made": made}, lines)


def coverage(options: Namespace) -> Answer:
    """Tell which states changed their shape without a version and conversions of their own."""
    if options.record:
        state_types.write()
    holes = state_types.uncovered()
    kinds = {one.name: one.version for one in state_types.types()}
    lines = holes or [f"{len(kinds)} types of state: every version has its conversions"]
    code = ExitCode.FAILED if holes else ExitCode.DONE
    return Answer({"ok": not holes, "holes": holes, "states": kinds}, lines, code)


def prune(data: Path, config: ReleaseConfig) -> list[str]:
    """Take away the old releases that are more than are kept; returns them."""
    found = shelf.current(data)
    gone = shelf.surplus(found, config.keep) if found else []
    removed = []
    for vsn in gone:
        if installing.users(installing.home(data) / vsn):
            continue  # PostgreSQL still is of it; the next commit, or an install, looks again
        with installing.alone(data) as releases:
            _forget(data, vsn)
            if (releases / vsn).is_dir():
                installing.discard(releases, vsn)
        note(data, {"step": "remove", "vsn": vsn, "result": "done", "why": "more than are kept"})
        removed.append(vsn)
    return removed


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


def note(data: Path, entry: dict[str, Any]) -> None:
    """Write a step into the history: by the anchor where one runs, else here."""
    entry = {"at": time.time(), "who": who(), **entry}
    try:
        with Peer(data) as peer:
            peer.ask("release.note", entry)
    except Refusal as refusal:
        if refusal.code is not ExitCode.UNREACHABLE:
            raise
        history.append(data, entry)


def who() -> str:
    """Who asks, for the history: the user of the machine."""
    return f"{getpass.getuser()} (uid {os.getuid()})"


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
        if found is not None:
            pointers.write(data, found.without(vsn).allowed(vsn))


def _shown(manifest: Manifest) -> dict[str, Any]:
    """A manifest without what only machines read."""
    shown: dict[str, Any] = msgspec.to_builtins(manifest)
    del shown["hashes"], shown["compose"]
    return shown
