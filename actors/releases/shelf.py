"""The releases of a node: what is installed, what each one is, and what may be taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from actors.releases import damage, install
from actors.releases import manifest as manifests
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
    """The installed releases, by name.

    Raises:
        Refusal: one of them, or which one is permanent, cannot be read.
    """
    found = current(data)
    names = [name for name in pointers.installed(data) if pointers.usable(name)]
    return [_row(data, name, found) for name in names]


def _row(data: Path, vsn: str, found: Pointers | None) -> Row:
    directory = install.home(data) / vsn
    manifest = manifests.read(directory)
    refused = found.refused.get(vsn) if found else None
    return Row(
        vsn=vsn,
        state=found.state(vsn) if found else ReleaseState.UNPACKED,
        running=found is not None and found.current == vsn,
        origin=manifest.origin,
        python=manifest.installed.python if manifest.installed else manifest.python,
        states=manifest.states,
        installed=manifest.installed.at if manifest.installed else None,
        signed_by=manifest.installed.signed_by if manifest.installed else None,
        refused=refused.why if refused else None,
        path=manifest.path or str(directory),
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
