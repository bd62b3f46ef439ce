"""Where the files of `etc/` are, in a checkout and in an installation."""

from __future__ import annotations

import sysconfig
from pathlib import Path


def etc_file(name: str) -> Path:
    """Return the path of a file or a directory that ships in `etc/`.

    A checkout's own file wins, so that an editable installation shows what is edited; otherwise it
    is the one that the wheel laid under the environment's `etc/vigie`.

    Args:
        name: Its path below `etc/`, such as `vigie.toml`.

    Raises:
        FileNotFoundError: The installation does not have it.
    """
    checkout = Path(__file__).resolve().parent.parent
    installed = Path(sysconfig.get_path("data"), "etc", "vigie", name)
    for path in (checkout / "etc" / name, installed):
        if path.exists() and (path == installed or (checkout / "pyproject.toml").is_file()):
            return path
    raise FileNotFoundError(f"{name} is missing from this installation: it should be {installed}")
