"""``python -m supervision.anchor``: an anchor as a process of its own.

The specification is JSON on standard input. ``--announce-fd N`` names a descriptor that gets one
line, ``{"started": info}`` or ``{"failed": {reason, log}}``, and is closed then. Log lines go to
stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from supervision.anchor import logs
from supervision.anchor.boot import run
from supervision.anchor.messages import ExitCode, encode
from supervision.anchor.spec import AnchorSpec, SpecInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.anchor.messages import Message


def main() -> int:
    """Be an anchor, until it is told to stop.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m supervision.anchor", description=__doc__)
    parser.add_argument("--announce-fd", type=int, help="a descriptor for the outcome of the start")
    options = parser.parse_args()
    logs.log_to_stderr()
    announce = _announcer(options.announce_fd)
    try:
        spec = AnchorSpec.from_json(sys.stdin.buffer.read())
    except SpecInvalid as error:
        announce({"failed": {"reason": str(error), "log": []}})
        return ExitCode.USAGE
    return run(spec, announce)


def _announcer(descriptor: int | None) -> Callable[[Message], None]:
    if descriptor is None:
        return lambda _: None
    os.set_inheritable(descriptor, False)

    def announce(message: Message) -> None:
        # Whoever started this anchor may be gone; that is no reason to stop.
        with contextlib.suppress(BrokenPipeError), open(descriptor, "wb") as pipe:  # noqa: PTH123 - a descriptor has no path
            pipe.write(encode(message))

    return announce


if __name__ == "__main__":
    sys.exit(main())
