"""The operator's own programs that judge a new version: run beside the node, never waited for.

None of them outlives the node: what it starts is killed when it ends, see `actors.bound_programs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

from actors.bound_programs import bound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Told = Callable[[str, str], None]

OUTPUT_BYTES: Final = 2_048
"""Of a program's output, its end, that explains why it says no."""

WORDS: Final = 300
"""Characters of it that are told."""


_groups: set[int] = set()
"""The process groups of all programs that run."""


def end_all() -> None:
    """End all programs, of a node that ends without another step."""
    for group in _groups:
        _kill(group)


class Prober:
    """Runs programs and tells what came of them; for one actor, on the node's loop.

    Args:
        directory: where they run.
        environ: what they are told besides the node's own environment.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._directory = directory
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("ANCHOR_")
        }
        self._environ = {**inherited, **environ}
        self._running: dict[str, asyncio.Task[None]] = {}

    def run(self, name: str, words: tuple[str, ...], timeout_s: float, told: Told) -> None:
        """Begin a program; while it runs another order for it is left out.

        Args:
            name: its name in the configuration.
            words: its path and its arguments.
            timeout_s: after this it is killed, with what it started.
            told: called with the name, and why it says no; empty where it agrees.
        """
        if name in self._running:
            return
        task = asyncio.get_running_loop().create_task(self._run(name, words, timeout_s, told))
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))

    def stop(self) -> None:
        """End all that runs; nothing is told any more."""
        for task in self._running.values():
            task.cancel()

    async def _run(self, name: str, words: tuple[str, ...], timeout_s: float, told: Told) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *bound(words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._directory,
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            told(name, f"{words[0]} cannot be run: {error.strerror}")
            return
        _groups.add(process.pid)
        try:
            why = await _judgement(process, timeout_s)
        finally:  # stopped or not: nothing of it is left, and it is reaped
            _kill(process.pid)
            _groups.discard(process.pid)
            await process.wait()
        told(name, why)


async def _judgement(process: asyncio.subprocess.Process, timeout_s: float) -> str:
    """Wait for the end of a program; return why it says no, empty where it agrees."""
    try:
        async with asyncio.timeout(timeout_s):
            said = await _end_of(process.stdout)
            code = await process.wait()
    except TimeoutError:
        return f"no end within {timeout_s:g} s"
    return "" if code == 0 else _words(code, said)


async def _end_of(stream: asyncio.StreamReader | None) -> bytes:
    """Read to the end, and keep the last of it."""
    said = b""
    while stream is not None and (data := await stream.read(65_536)):
        said = (said + data)[-OUTPUT_BYTES:]
    return said


def _words(code: int, said: bytes) -> str:
    ended = f"exit {code}" if code > 0 else f"signal {-code}"
    lines = said.decode(errors="replace").split("\n")
    words = " / ".join(line.strip() for line in lines if line.strip())
    return f"{ended}: {words[-WORDS:]}" if words else ended


def _kill(group: int) -> None:
    """End what is left of a program and of what it started; often there is nothing."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
