"""The node under test, as its own command line and control socket show it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from actors.cli.peer import Peer, segment
from supervision.anchor.messages import ExitCode, Refusal

PATIENCE_S = 60.0
ASK_AGAIN_S = 0.1

SETTINGS = {
    "VIGIE_HTTP__PORT": "0",
    "VIGIE_CTI__PORT": "0",
    # Blows fall far more often than faults do; what is tested is that each one is mended, not
    # when a supervisor would give up.
    "VIGIE_SUPERVISION__INTENSITY": "1000",
    "VIGIE_SUPERVISION__POOL_INTENSITY_RATIO": "1",
    # After each kill the links bring all that they held in one moment; what is tested is that it
    # comes to no harm, not how much of it would be turned away.
    "VIGIE_CTI__WINDOW": "200",
    "VIGIE_OVERLOAD__NEW_AFTER_MS": "1000",
    "VIGIE_OVERLOAD__ALL_AFTER_MS": "3000",
    # No probation is to end an upgrade for what the blows do.
    "VIGIE_RELEASE__PROBATION__MAX_CRASHES": "1000000",
    "VIGIE_RELEASE__PROBATION__MAX_FAILED_SHARE": "1",
    "VIGIE_RELEASE__PROBATION__MAX_LATE_SHARE": "1",
    "VIGIE_RELEASE__PROBATION__MAX_REFUSED_SHARE": "1",
    "VIGIE_RELEASE__PROBATION__MAX_P99_MS": "1000",
    "VIGIE_ANCHOR__RESTART_MIN_S": "0.05",
    "VIGIE_ANCHOR__RESTART_MAX_S": "1",
    "VIGIE_ANCHOR__RESTART_RESET_S": "5",
    "VIGIE_POSTGRES__MAX_CONNECTIONS": "16",
    "VIGIE_POSTGRES__SHARED_BUFFERS_MB": "32",
}
"""What differs from the defaults."""

SHORTEST_LINGER_S = 15.0
"""A peer that was cut off asks once more for what it was answered; on a machine that is busy with
other things, blows that follow each other make that ten seconds. Then the answer must be known."""

LONGEST_LINGER_S = 30.0


def settings_for(seconds: float) -> dict[str, str]:
    """What differs from the defaults in a run of so many seconds.

    Closed sessions linger for a part of it, so that the end is not waited for longer than the run.
    """
    linger_s = min(max(seconds / 4, SHORTEST_LINGER_S), LONGEST_LINGER_S)
    return SETTINGS | {"VIGIE_SESSIONS__LINGER_S": f"{linger_s:g}"}


class NotStarted(Exception):  # noqa: N818 - what happened
    """The node did not start, or a command of it failed; the text is what it said."""


@dataclass
class Vigie:
    """One node with its PostgreSQL.

    Attributes:
        data: its data directory.
        settings: its configuration, as variables of the environment.
        program: its command line.
    """

    data: Path
    settings: Mapping[str, str]
    program: tuple[str, ...] = (sys.executable, "-m", "actors.cli")

    def run(self, *words: str) -> Any:
        """Run one of its commands and return what it prints.

        Raises:
            NotStarted: it failed.
        """
        command = [*self.program, *words, "--data", str(self.data), "--json"]
        kept = {name: text for name, text in os.environ.items() if not name.startswith("VIGIE_")}
        done = subprocess.run(
            command, env=kept | dict(self.settings), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotStarted(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
        return json.loads(done.stdout)

    async def ask(self, op: str) -> Any:
        """Ask the anchor; it lives through everything here, so this needs no patience."""
        return await asyncio.to_thread(self._ask, op)

    def _ask(self, op: str) -> Any:
        return self.anchor(op, {})

    def anchor(self, op: str, args: dict[str, Any]) -> Any:
        """Have the anchor do something, and wait for it."""
        with Peer(self.data) as peer:
            return peer.ask(op, args)

    async def api(
        self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None
    ) -> Any:
        """Ask the node's API once, through the control socket.

        Raises:
            Refusal: it refused, or the node is away.
        """
        return await asyncio.to_thread(self._api, method, path, query, body)

    def _api(self, method: str, path: str, query: Mapping[str, object] | None, body: object) -> Any:
        with Peer(self.data) as peer:
            return peer.api(method, path, query, body)

    async def wait_api(
        self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None
    ) -> Any:
        """Ask the node's API, again while the node is away.

        Raises:
            Refusal: it refused for good, or is away for longer than anyone has patience.
        """
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                return await self.api(method, path, query, body)
            except Refusal as refusal:
                away = refusal.code in (ExitCode.TRY_AGAIN, ExitCode.UNREACHABLE)
                if not away or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(ASK_AGAIN_S)

    async def kill_actor(self, path: str) -> None:
        """Kill one actor.

        Raises:
            Refusal: it is not there (any more), or the node is away.
        """
        await self.api("POST", f"actors/{segment(path)}/kill", body={"reason": "soak"})

    async def kill_program(self, name: str) -> int | None:
        """Kill the node or PostgreSQL; returns its process, None when it does not run."""
        program = (await self.ask("info"))["programs"].get(name, {})
        pid = program.get("pid")
        if not pid:
            return None
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        return int(pid)

    async def wait_running(self) -> dict[str, Any]:
        """Wait until node and PostgreSQL run; returns what `info` tells then.

        Raises:
            TimeoutError: they do not for longer than anyone has patience.
        """
        async with asyncio.timeout(PATIENCE_S):
            while True:
                programs: dict[str, Any] = (await self.ask("status"))["programs"]
                if all(program["state"] == "running" for program in programs.values()):
                    info: dict[str, Any] = await self.ask("info")
                    return info
                await asyncio.sleep(ASK_AGAIN_S)

    def dsn(self) -> str:
        """How the embedded PostgreSQL is reached from another process."""
        directory = self.data.absolute() / "postgres"
        host, passfile = quote(str(directory / "run"), safe=""), directory / "pgpass"
        return (
            f"postgresql:///vigie?user=vigie&host={host}&passfile={quote(str(passfile), safe='')}"
        )


def footprint(pid: int) -> dict[str, float]:
    """Memory (MB) and open descriptors of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return {
        "rss_mb": round(pages * os.sysconf("SC_PAGESIZE") / 1e6, 1),
        "descriptors": len(list(Path(f"/proc/{pid}/fd").iterdir())),
    }
