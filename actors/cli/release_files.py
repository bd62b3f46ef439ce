"""release build, install, list, remove, key: what is done with files, with or without a node."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from actors.cli import installation, permanent, release_steps, rooms
from actors.cli.command import Answer
from actors.cli.text import columns, elapsed, moment
from actors.releases import build as building
from actors.releases import install as installing
from actors.releases import shelf, signing, state_types
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
    config = release_steps.config_of(options).release
    done = installing.install(data, options.file, config, options.python)
    vsn = done.manifest.vsn
    unnoted, pruned = list[str](), release_steps.Pruned([], [], [])
    if not done.already:
        unnoted = release_steps.note(data, {"step": "install", "vsn": vsn, "result": "done"})
        pruned = release_steps.prune(options)
        pruned.unnoted.extend(unnoted)
    how = "is installed already" if done.already else f"installed in {elapsed(done.seconds)}"
    lines = [f"release {vsn} {how}; see what it would do: vigie release check {vsn}"]
    lines += [f"warning: {done.warning}"] if done.warning else []
    said = {"already": done.already, "seconds": round(done.seconds, 3), "warning": done.warning}
    said |= pruned.data()
    return Answer(_shown(done.manifest) | said, lines + pruned.lines())


def list_releases(options: Namespace) -> Answer:
    """List the installed releases and what each is."""
    data = options.data.absolute()
    found = shelf.rows(data)
    if not found:
        why = "the first vigie start records its installation as the permanent one"
        return Answer({"items": []}, [f"no release is installed in {data}: {why}"])
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
    damaged = [f"damaged: {row.damaged}" for row in found if row.damaged]
    items = msgspec.to_builtins(found)
    return Answer({"items": items}, columns([heading, *rows]) + damaged)


def remove(options: Namespace) -> Answer:
    """Take an unpacked or old release from the disk."""
    data = options.data.absolute()
    shelf.removable(data, options.vsn)
    release_steps.take_away(data, options.vsn)
    unnoted = release_steps.note(data, {"step": "remove", "vsn": options.vsn, "result": "done"})
    lines = [f"release {options.vsn} removed", *(f"not in the history: {why}" for why in unnoted)]
    return Answer({"removed": options.vsn, "not_noted": unnoted}, lines)


def adopt(options: Namespace) -> Answer:
    """Make the installation that this command belongs to the permanent release.

    Raises:
        Refusal: a node runs, or another command is at it.
    """
    data = options.data.absolute()
    permanent.refuse_running(data)
    with permanent.alone(data):
        done = installation.adopt(data, release_steps.who())
    lines = [f"release {done.vsn} is permanent: what lies in {rooms.home()}"]
    if done.aside is not None:
        lines.append(f"what could not be read lies in {done.aside}; no release is old any more")
    aside = None if done.aside is None else str(done.aside)
    return Answer({"permanent": done.vsn, "aside": aside}, lines)


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


def _shown(manifest: Manifest) -> dict[str, Any]:
    """A manifest without what only machines read."""
    shown: dict[str, Any] = msgspec.to_builtins(manifest)
    del shown["hashes"], shown["compose"]
    return shown
