"""The releases of a node: what is installed, what each one is, and what may be taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from actors.releases import damage, install
from actors.releases import manifest as manifests
from actors.releases.manifest import Manifest
from supervision.anchor import pointers
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import Pointers, PointersUnreadable, ReleaseState

if TYPE_CHECKING:
    from pathlib import Path


class Row(Struct, frozen=True, kw_only=True):
    """An installed release.

    Attributes:
        vsn: of the release.
        state: unpacked, current (on probation), permanent or old.
        running: whether it is what runs, or what would be started.
        origin: archive or external.
        python: of the interpreter that it runs on.
        states: version of the schema by type of state.
        installed: when, seconds since the epoch; None where that is not known.
        signed_by: the trusted key that signed it.
        refused: why it is not tried again before somebody insists.
        path: where it lies.
        damaged: why its manifest cannot be read; what that would say is empty then.
    """

    vsn: str
    state: str
    running: bool
    origin: str
    python: str
    states: dict[str, int]
    installed: float | None
    signed_by: str | None
    refused: str | None
    path: str
    damaged: str | None


def current(data: Path) -> Pointers | None:
    """The pointers of a node; None where none has ever been started.

    Raises:
        Refusal: they cannot be read.
    """
    try:
        return pointers.read(data)
    except (PointersUnreadable, OSError) as error:
        raise damage.refusal(data, error) from None


def rows(data: Path) -> list[Row]:
    """The installed releases, by name, and those that the pointers tell of.

    Raises:
        Refusal: which one is permanent cannot be read.
    """
    found = current(data)
    names = set(pointers.installed(data))
    if found is not None:
        names |= {found.permanent, found.current, *found.old}
    return [_row(data, name, found) for name in sorted(names)]


def _row(data: Path, vsn: str, found: Pointers | None) -> Row:
    directory = install.home(data) / vsn
    manifest, damaged = Manifest(vsn=vsn), None
    try:
        manifest = manifests.read(directory)
    except Refusal as refusal:
        damaged = refusal.msg
    refused = found.refused.get(vsn) if found else None
    installed = manifest.installed
    return Row(
        vsn=vsn,
        state=found.state(vsn) if found else ReleaseState.UNPACKED,
        running=found is not None and found.current == vsn,
        origin="" if damaged else manifest.origin,
        python=installed.python if installed else manifest.python,
        states=manifest.states,
        installed=installed.at if installed else None,
        signed_by=installed.signed_by if installed else None,
        refused=refused.why if refused else None,
        path=manifest.path or str(directory),
        damaged=damaged,
    )


def removable(data: Path, vsn: str) -> Pointers | None:
    """Say whether a release may be taken away; returns the pointers of the node.

    Raises:
        Refusal: nothing is known of it, or it runs, or would be started.
    """
    directory = install.home(data) / manifests.checked_vsn(vsn)
    found = current(data)
    if not directory.is_dir() and not (found and vsn in found.old):
        raise Refusal(ExitCode.FAILED, f"release {vsn} is not installed", "vsn")
    state = found.state(vsn) if found else ReleaseState.UNPACKED
    if state in {ReleaseState.PERMANENT, ReleaseState.CURRENT}:
        why = f"release {vsn} is {state}: only unpacked and old releases are removed"
        raise Refusal(ExitCode.FAILED, why, "vsn")
    return found


def surplus(found: Pointers, keep: int) -> list[str]:
    """The old releases that are more than are kept, the oldest first.

    Args:
        found: the pointers.
        keep: how many old releases are kept.
    """
    return list(found.old[: max(0, len(found.old) - keep)])
