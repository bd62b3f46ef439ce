"""What an upgrade takes of the machine: memory for a second node, descriptors, room on the disk."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY_FACTOR = 1.3
"""Of what the node takes, what a second one takes while both are up."""

SPARE = 256
"""Descriptors besides those that travel."""

_PAGE = os.sysconf("SC_PAGESIZE")
_CGROUP = Path("/sys/fs/cgroup")
_MIB = 1_048_576
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNIFIED = "0::"
"""Before the path of a process in the control groups of the second version."""


class Measured(Struct, frozen=True, kw_only=True):
    """What there is.

    Attributes:
        node_bytes: that the node takes.
        memory_bytes: that a second one could take.
        disk_bytes: free where the data lies.
        open: descriptors of the node.
        most_open: descriptors that a process may have.
    """

    node_bytes: int
    memory_bytes: int
    disk_bytes: int
    open: int
    most_open: int


def measure(data: Path) -> Measured:
    """Measure this process, which is the node, and its machine.

    Args:
        data: the data directory.
    """
    status = os.statvfs(data)
    return Measured(
        node_bytes=int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE,
        memory_bytes=_memory(),
        disk_bytes=status.f_bavail * status.f_frsize,
        open=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        most_open=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    )


def lines(found: Measured, least_disk_bytes: int) -> list[dict[str, Any]]:
    """What is needed and what there is, as lines of a plan.

    Args:
        found: what there is.
        least_disk_bytes: that have to be free on the disk.
    """
    memory = int(found.node_bytes * MEMORY_FACTOR)
    descriptors = found.open + SPARE
    unlimited = found.most_open == resource.RLIM_INFINITY
    return [
        _line("memory", memory, found.memory_bytes, _mib, found.memory_bytes >= memory),
        _line(
            "disk", least_disk_bytes, found.disk_bytes, _mib, found.disk_bytes >= least_disk_bytes
        ),
        _line(
            "descriptors",
            descriptors,
            found.most_open,
            str,
            unlimited or found.most_open >= descriptors,
        ),
    ]


def told_full(said: list[dict[str, Any]], error: OSError) -> list[dict[str, Any]] | None:
    """The same lines where the disk has said itself that it is full, whatever was measured.

    Bytes that are free help nobody where the files, or a quota, are used up.

    Args:
        said: what is needed and what there is.
        error: what was met.

    Returns:
        The lines; None where it is another error.
    """
    if error.errno not in _FULL:
        return None
    return [line if line["what"] != "disk" else _full(line, error) for line in said]


def _full(line: dict[str, Any], error: OSError) -> dict[str, Any]:
    text = f"{line['text']}, but {error.strerror}"
    return line | {"text": text, "why": f"too little disk: {text.partition(': ')[2]}"}


def _line(what: str, need: int, there: int, shown: Any, met: bool) -> dict[str, Any]:
    text = f"{what}: {shown(need)} needed, {shown(there)} there"
    line = {"what": what, "needed": need, "there": there, "text": text}
    return line if met else line | {"why": f"too little {what}: {text.partition(': ')[2]}"}


def _mib(size: int) -> str:
    return f"{size / _MIB:,.0f} MiB"


def _memory() -> int:
    """What a second process may take: of the machine, and of the control groups of this one."""
    available = meminfo(Path("/proc/meminfo").read_text())["MemAvailable"]
    try:
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:  # a kernel without control groups
        return available
    return min([available, *group_bytes(_CGROUP, groups)])


def group_bytes(root: Path, groups: str) -> list[int]:
    """What the control groups of a process leave it, its own and all above that have a limit.

    systemd sets the ``MemoryMax=`` of a service on its own group, that of a slice on one above.

    Args:
        root: where the control groups of the second version are mounted.
        groups: the process's /proc/PID/cgroup.
    """
    own = [line[len(_UNIFIED) :] for line in groups.splitlines() if line.startswith(_UNIFIED)]
    at = [root / path.lstrip("/") for path in own]
    within = [one for path in at for one in (path, *path.parents) if one.is_relative_to(root)]
    left = (_left(one) for one in within)
    return [size for size in left if size is not None]


def _left(group: Path) -> int | None:
    """What a control group has left; None of one without a limit."""
    try:
        most = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        used -= _cached((group / "memory.stat").read_text())
    except (OSError, ValueError):  # the uppermost has no such files; "max" is no limit
        return None
    return max(0, most - used)


def _cached(text: str) -> int:
    """What a control group gives back at once: pages of files that nobody has used lately."""
    rows = (line.split() for line in text.splitlines())
    return next((int(row[1]) for row in rows if row[:1] == ["inactive_file"]), 0)


def meminfo(text: str) -> Mapping[str, int]:
    """Read /proc/meminfo: bytes by name."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1}
