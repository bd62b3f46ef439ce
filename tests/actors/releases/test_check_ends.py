"""A check ends when a takeover begins, and nothing of it outlives its node."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shadow_kit import WholeNode

from actors.config import Config
from actors.releases import install
from actors.releases import manifest as manifests
from actors.releases.manifest import Compose, Manifest
from actors.takeover.node_side import AnchorLine, NodeSide
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.testing import wait_for, wait_gone

pytestmark = pytest.mark.system

PATIENCE_S = 60.0


def hanging(data: Path) -> Callable[[], int | None]:
    """Record a release whose trial hangs; return what says which process that is."""
    directory, told = data / "releases" / "9.0", data / "trial.pid"
    directory.mkdir(parents=True)
    program = directory / "python"
    program.write_text(f"#!/bin/sh\necho $$ > {told}\nexec sleep 600\n")
    program.chmod(0o700)
    compose = Compose((str(program),), {})
    found = Manifest(vsn="9.0", origin="external", path=str(directory), compose=compose)
    (directory / "manifest.json").write_bytes(manifests.encode(found))

    def pid() -> int | None:
        words = told.read_text() if told.exists() else ""
        return int(words) if words.endswith("\n") else None

    return pid


def left(data: Path) -> list[Path]:
    return list((data / "releases").glob(".check.*"))


def test_a_check_ends_when_a_takeover_begins(tmp_path: Path) -> None:
    async def story() -> None:
        trial = hanging(tmp_path)
        node = WholeNode(tmp_path, Config(), waiting=False)
        await node.start()
        side = NodeSide(node.assembly, None, AnchorLine())
        check = asyncio.ensure_future(side.handle("release.check", {"vsn": "9.0"}))
        pid = await asyncio.to_thread(wait_for, trial)
        with pytest.raises(Refusal, match="another check"):
            await side.handle("release.check", {"vsn": "9.0"})
        assert "path" in await side.handle("takeover.listen", {"secret": "s"})
        with pytest.raises(Refusal) as refused:
            await check
        assert refused.value.code is ExitCode.TRY_AGAIN
        await asyncio.to_thread(wait_gone, pid)
        assert left(tmp_path) == []
        await side.handle("takeover.resume", {})
        await node.end()

    asyncio.run(asyncio.wait_for(story(), PATIENCE_S))


async def _checking(data: Path) -> None:
    node = WholeNode(data, Config(), waiting=False)
    await node.start()
    await NodeSide(node.assembly, None, AnchorLine()).handle("release.check", {"vsn": "9.0"})


def test_a_trial_that_hangs_does_not_outlive_a_node_that_is_killed(tmp_path: Path) -> None:
    trial = hanging(tmp_path)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, __file__, str(tmp_path)], env=environ) as node:
        pid = wait_for(trial)
        (where,) = left(tmp_path)
        with install.alone(tmp_path):
            assert left(tmp_path) == [where]  # it is in use
        node.send_signal(signal.SIGKILL)
    wait_gone(pid)
    assert left(tmp_path) == [where]
    with install.alone(tmp_path):
        assert left(tmp_path) == []


if __name__ == "__main__":
    asyncio.run(_checking(Path(sys.argv[1])))
