"""What refServer starts with, of the configuration of a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from actors.etc_files import etc_file
from actors.ref_server import RefServerArgs
from actors.reference.building import Limits
from actors.reference.live import Reference
from actors.reference.loading import Loader, LoaderSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.config import Config
    from actors.context_size import ContextSize
    from actors.standby import Standby

KEPT = "reference"
"""Directory of the snapshots, in the data directory."""


def ref_server_args(
    config: Config, data: Path, standby: Standby, sessions: Callable[[], ContextSize]
) -> RefServerArgs:
    """Make the tables of a node, and what refServer starts with.

    Args:
        config: the whole configuration.
        data: the data directory.
        standby: whether the node serves yet.
        sessions: tells their size, that of ``context``.
    """
    reference, region = config.reference, config.routing.region
    limits = Limits(reference.max_rows, reference.max_file_mb * 2**20)
    named = reference.directory
    return RefServerArgs(
        reference=Reference(),
        loader=Loader(data / KEPT, LoaderSettings(region, limits, reference.load_timeout_s)),
        files=Path(named).absolute() if named else etc_file("reference"),
        max_drop_share=reference.max_drop_share,
        region=region,
        standby=standby,
        contexts=sessions,
    )
