"""``python -m supervision.anchor``: an anchor as a process of its own.

The specification is JSON on standard input. ``--announce-fd N`` names a descriptor that gets one
line, ``{"started": info}`` or ``{"failed": {reason, log}}``, and is closed then. Log lines go to
stderr.

``--go-on-fd N`` takes up, in the same process, what the code of another release has handed on;
where it cannot, that code is executed again. ``--check-fd N`` only says by its exit code whether it
could.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from supervision.anchor import handing_on, logs
from supervision.anchor.boot import go_on, run
from supervision.anchor.going_on import send_back
from supervision.anchor.handing_on import NotHandedOn
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
    parser.add_argument(handing_on.GO_ON, type=int, help="a descriptor of what is handed on")
    parser.add_argument(handing_on.CHECK, type=int, help="a descriptor of a copy of it")
    options = parser.parse_args()
    if options.check_fd is not None:
        return _check(options.check_fd)
    logs.log_to_stderr()
    if options.go_on_fd is not None:
        return _go_on(options.go_on_fd)
    announce = _announcer(options.announce_fd)
    try:
        spec = AnchorSpec.from_json(sys.stdin.buffer.read())
    except SpecInvalid as error:
        announce({"failed": {"reason": str(error), "log": []}})
        return ExitCode.USAGE
    return run(spec, announce)


def _check(descriptor: int) -> int:
    """Say whether this code could go on from there."""
    try:
        handing_on.read(handing_on.content(descriptor))
    except NotHandedOn as refused:
        sys.stderr.write(f"{refused}\n")
        return ExitCode.DATA_ERROR
    return ExitCode.DONE


def _go_on(descriptor: int) -> int:
    """Take up what was handed on, or have it taken back."""
    content, descriptors = handing_on.content(descriptor), []
    os.close(descriptor)
    try:
        handed = handing_on.read(content)
        descriptors = handed.descriptors
        serve = go_on(handed)
    except (NotHandedOn, OSError) as refused:
        return send_back(content, str(refused), descriptors)
    return serve()


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
