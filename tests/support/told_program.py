"""A program that a test tells lines to, and that tells lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SUPPORT = Path(__file__).resolve().parent
PATIENCE_S = 30.0


class ToldProgram:
    """A program of this directory, as a process of its own.

    Args:
        program: its file's name.
        words: its arguments.
        python: the interpreter that it runs on.
        env: its environment; None is this process's, with the modules that this one finds.
    """

    def __init__(
        self,
        program: str,
        *words: str,
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [python, str(SUPPORT / program), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)} if env is None else env,
        )
        self._buffer = b""

    def tell(self, *words: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())

    def said(self) -> dict[str, Any] | None:
        """What it says next; None where it ended."""
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
            assert ready, "it says nothing"
            data = self.process.stdout.read(65536)
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def expect(self, what: str) -> dict[str, Any]:
        said = self.said()
        assert said is not None, f"it ended, and was to say {what}"
        assert said["what"] == what, said
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
