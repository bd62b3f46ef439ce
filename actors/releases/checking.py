"""The check before an upgrade, in the node that serves: plan it, and try it on copies of states.

Nothing of this node stops or changes for it. The new release runs beside it, once, as
`actors.releases.trial`, and takes copies of some states over the socket that a takeover would use.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from actors.bound_programs import bound
from actors.releases import install, needs
from actors.releases.inventory import of_this_process
from actors.releases.plan import Facts, plan, unmet
from actors.releases.trying import GivenSome, Tried, given
from actors.takeover.parts import giving_parts, limits
from supervision.anchor.messages import ExitCode, Refusal
from supervision.release.giving import Giver
from supervision.release.tree_plan import difference, shape

if TYPE_CHECKING:
    from actors.assembly import Assembly
    from actors.releases.manifest import Manifest
    from supervision.release.carrier import Part

TRIAL = "actors.releases.trial"
MAX_SAID_BYTES = 16 * 1024 * 1024
TAIL_LINES = 8
_NOT_PASSED = ("ANCHOR_", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class Checking:
    """Checks releases for one node, one at a time.

    Args:
        node: the shared parts of it.
        config_file: that it was started with; None is the one that ships.
    """

    def __init__(self, node: Assembly, config_file: Path | None) -> None:
        self._node = node
        self._file = config_file
        self._task: asyncio.Task[dict[str, Any]] | None = None

    async def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """Say what an upgrade to a release would do, and whether it may.

        Args:
            args: ``vsn``, and ``force`` where what would be lost on the way back does not matter.

        Returns:
            A plan, see `actors.releases.plan`.

        Raises:
            Refusal: the release is not there, is not what was installed, or cannot be tried.
        """
        if self._task is not None:
            raise Refusal(ExitCode.TRY_AGAIN, "another check is under way")
        begun, asker = time.monotonic(), asyncio.current_task()
        work = self._check(str(args.get("vsn", "")), forced=bool(args.get("force")))
        self._task = asyncio.get_running_loop().create_task(work)
        try:
            made = await self._task
        except asyncio.CancelledError:
            if asker is not None and asker.cancelling():
                raise
            raise Refusal(ExitCode.TRY_AGAIN, "ended, for a takeover has begun") from None
        finally:
            self._task = None
        return {**made, "seconds": round(time.monotonic() - begun, 3)}

    async def end(self) -> None:
        """End the check that is under way, if one is: a takeover copies the same states."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _check(self, vsn: str, *, forced: bool) -> dict[str, Any]:
        node = self._node
        manifest = await asyncio.to_thread(install.verify, node.data, vsn, node.config.release)
        least = node.config.journal.min_free_mb * 1_048_576
        needed = needs.lines(await asyncio.to_thread(needs.measure, node.data), least)
        origin = node.release.standing.vsn
        if any(line.get("why") for line in needed):
            return unmet(vsn, origin, needed)  # the trial, a whole node, would take as much
        try:
            return plan(await self._facts(manifest, needed, forced=forced))
        except OSError as error:
            if (full := needs.told_full(needed, error)) is None:
                raise _untried(manifest, f"{error.strerror or error}") from error
            return unmet(vsn, origin, full)

    async def _facts(
        self, manifest: Manifest, needed: list[dict[str, Any]], *, forced: bool
    ) -> Facts:
        """Have the release tried; what a plan is made of."""
        node = self._node
        own = await asyncio.to_thread(of_this_process, node.config)
        problems: list[str] = []
        parts = given(giving_parts(node), problems, node.config.release.check_states)
        said = await self._tried(manifest, parts)
        tree = difference(_plain(shape(node.kernel)), said["tree"]) if "tree" in said else []
        return Facts(
            vsn=manifest.vsn,
            origin=node.release.standing.vsn,
            old=own,
            new=said["inventory"],
            tree=tree,
            results=msgspec.convert(said.get("results", {}), dict[str, Tried]),
            problems=[*problems, *said["problems"]],
            totals={part.name: part.count() for part in parts if isinstance(part, GivenSome)},
            needs=needed,
            embedded=not node.config.database.dsn or _embedded(node.data),
            forced=forced,
        )

    async def _tried(self, manifest: Manifest, parts: list[Part]) -> dict[str, Any]:
        """Have the new release take copies; returns what it said."""
        node, secret = self._node, secrets.token_hex(16)
        bounds = limits(node.config.release)
        giver = Giver(node.kernel, parts, release=node.release.standing.vsn, limits=bounds)
        with install.check_place(install.home(node.data)) as where:
            path = await giver.listen(where, secret)
            try:
                order = {"path": str(path), "secret": secret, "vsn": manifest.vsn}
                return await self._run(manifest, order)
            finally:
                await giver.resume()

    async def _run(self, manifest: Manifest, order: dict[str, str]) -> dict[str, Any]:
        words = self._words(manifest)
        own = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_PASSED)}
        process = await asyncio.create_subprocess_exec(
            *bound(words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._node.data,
            env={**own, **manifest.compose.env},
            limit=MAX_SAID_BYTES,
        )
        try:
            async with asyncio.timeout(self._node.config.release.check_timeout_s):
                said, complained = await process.communicate(json.dumps(order).encode())
        except TimeoutError:
            seconds = self._node.config.release.check_timeout_s
            most = f"{seconds:g} s (release.check_timeout_s)"
            raise _untried(manifest, f"it was not done within {most}") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return _said(manifest, process.returncode, said, complained)

    def _words(self, manifest: Manifest) -> list[str]:
        """How the trial is started: by the interpreter that the release is composed with."""
        python = str(install.home(self._node.data) / manifest.vsn / manifest.compose.argv[0])
        words = [python, "-P", "-m", TRIAL, f"--data={self._node.data}"]
        return words if self._file is None else [*words, f"--config={self._file}"]


def _plain(tree: Any) -> Any:
    """A tree as it is once it has travelled as JSON."""
    return json.loads(msgspec.json.encode(tree))


def _said(manifest: Manifest, code: int | None, said: bytes, complained: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        lines = complained.decode(errors="replace").strip().splitlines()[-TAIL_LINES:]
        why = "\n".join([f"it ended with {code}", *(f"  {line}" for line in lines)])
        raise _untried(manifest, why) from None
    return found


def _untried(manifest: Manifest, why: str) -> Refusal:
    return Refusal(ExitCode.FAILED, f"release {manifest.vsn} cannot be tried: {why}")


def _embedded(data: Path) -> bool:
    """Whether the anchor runs the database server: its node is given a DSN then, too."""
    return (data / "postgres").is_dir()
