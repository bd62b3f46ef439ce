"""Programs that end with the node that started them, however that ends.

The kernel is asked for it (PR_SET_PDEATHSIG of prctl(2)), by a small program that then becomes the
one that is meant. A ``preexec_fn`` would do it in a copy of the node instead: that has threads,
whose locks nobody gives back there, and gigabytes of memory, whose tables are copied first.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_BIND: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
try:
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as error:
    os.write(1, f"{sys.argv[2]} cannot be run: {error.strerror}".encode(errors="replace"))
os._exit(127)
"""
# Another parent than the node: it ended before the kernel was asked. The interpreter ignores two
# signals for itself: the program begins with those as any other one does. What cannot be run says
# why and ends with 127, as in a shell.


def bound(words: Sequence[str]) -> list[str]:
    """The words that run a program which is killed when this process ends.

    The program's own children are not: they are ended with its process group, where it has one.

    Args:
        words: an absolute path, and arguments.

    Returns:
        What to execute, from the thread that lives as long as the process.
    """
    return [sys.executable, "-I", "-S", "-c", _BIND, str(os.getpid()), *words]
