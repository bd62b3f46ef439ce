"""The recipes that need two processes: each of its own modules, libraries and interpreter."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from other_pythons import PURE
from told_program import SUPPORT, ToldProgram


class ShopProcess(ToldProgram):
    """A node of the module ``shop``.

    Args:
        paths: where its modules are, before all others.
        python: its interpreter.

    Attributes:
        python: the version of its interpreter.
    """

    def __init__(self, paths: Sequence[Path], python: str = sys.executable) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), str(SUPPORT), *PURE])}
        super().__init__("recipe_program.py", python=python, env=env)
        self.python = self.do("about")

    def do(self, what: str, *words: Any) -> Any:
        """Have it do something, and return what came of it."""
        self.begin(what, *words)
        return self.done()

    def begin(self, what: str, *words: Any) -> None:
        """Have it do something, and do not wait for it."""
        self.tell(json.dumps([what, *words]))

    def done(self) -> Any:
        """What came of what was begun."""
        return self.expect("done")["value"]

    def start(self, kind: str, name: str) -> None:
        self.do("start", kind, name)

    def cast(self, name: str, request: Any) -> None:
        self.do("cast", name, request)

    def call(self, name: str, request: Any) -> Any:
        return self.do("call", name, request)


class Processes:
    """Two nodes, one of which takes over from the other, as `supervision.testing.Takeover`.

    Args:
        directory: of this one test.
        old: the node that gives.
        new: the node that takes.
    """

    def __init__(self, directory: Path, old: ShopProcess, new: ShopProcess) -> None:
        self._directory = directory
        self.old, self.new = old, new

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        self.old.kill()
        self.new.kill()

    def take_over(self) -> None:
        """What the anchor has the two do; the old one is gone then."""
        self._directory.mkdir(exist_ok=True)
        self.new.do("take", self.old.do("give", str(self._directory)))
        self.old.begin("freeze")
        self.new.do("prepare")
        assert self.old.done() == []
        self.new.do("serve")
        self.old.process.stdin.close()
        assert self.old.process.wait() == 0
