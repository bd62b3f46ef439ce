"""Who this process is run by."""

from __future__ import annotations

import getpass
import os


def user() -> str:
    """The name of the user of this process, or its number where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # since Python 3.13 the latter
        return str(os.getuid())
