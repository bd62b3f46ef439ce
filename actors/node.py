"""The node: one process, one asyncio loop, one actor system, the whole tree.

Started by the anchor, which gives it its listening sockets and a channel: ``python -m actors.node
--data DIR [--config FILE]``. It ends in order when the anchor asks or dies; when the top of the
tree gives up it ends with 1 and the anchor starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors import config as configuration
from actors import descriptors, metrics
from actors.assembly import Assembly
from actors.descriptors import DescriptorWatch
from actors.journal.records import JournalDamaged, JournalTooNew, JournalTooOld
from actors.release_settings import ReleaseSettings
from actors.takeover.node_side import AnchorLine, NodeSide
from actors.takeover.shadow import suppressed
from actors.tree import NAME, Node
from actors.web.tokens import TokensUnreadable
from supervision import SHUTDOWN, Failed, SchedulerLimits, Started, actor_system
from supervision.anchor import worker
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.config import Config, SchedulerConfig
    from actors.journal.records import JournalError
    from supervision.anchor.worker import Inherited
    from supervision.eventloop.kernel import Kernel

STOPPING_SHARE, SAVING_SHARE = 0.7, 0.2
"""Of the time that the anchor gives: for the end of the tree, and for saving what it leaves."""

ABANDON_S = 1.0
"""Seconds for the end of a tree that is still starting."""

SWITCH_S = 0.000_5
"""How long a thread runs while others wait. The journal's writer needs the interpreter back after
each commit: with Python's 5 ms a busy loop made commits 20 to 33 ms long (p99), with this 8 to 9.
"""

# The young are collected often and in small numbers, a millisecond or two each; what has survived
# once is never gone through again. Over a few hundred thousand sessions that would hold the loop
# for a second, and over those that have just begun for 20 to 70 milliseconds, again and again.
# Ended actors leave no cycles behind.
GC_THRESHOLDS = (1_000, 1_000_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of a node."""

    data: Path
    config: Path | None


def main(words: Sequence[str] | None = None) -> int:
    """Run a node; return its exit code."""
    options = _options(words)
    try:
        config = configuration.load(options.config, os.environ)
    except configuration.ConfigInvalid as invalid:
        print(*invalid.mistakes, sep="\n", file=sys.stderr)  # noqa: T201 - there is no log yet
        return ExitCode.USAGE
    try:
        descriptors.provide(config)
    except descriptors.TooFewDescriptors as few:
        print(few, file=sys.stderr)  # noqa: T201 - there is no log yet
        return ExitCode.USAGE
    sys.setswitchinterval(SWITCH_S)
    return asyncio.run(_serve(config, options, worker.inherited(os.environ)))


def _options(words: Sequence[str] | None) -> Options:
    parser = ArgumentParser(prog="actors.node", description="A vigie node; the anchor starts it.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args(words)
    return Options(given.data, given.config)


async def _serve(config: Config, options: Options, inherited: Inherited) -> int:
    loop = asyncio.get_running_loop()
    limits = scheduler_limits(config.scheduler)
    kernel: Kernel = actor_system(loop=loop, limits=limits)._systemBase.kernel  # noqa: SLF001 - Thespian's name
    stopping, line, data = _told_to_stop(loop), AnchorLine(), options.data
    try:
        assembly = _assembly(kernel, config, data, inherited, line)
    except (TokensUnreadable, OSError) as error:
        return await _not_made(error, inherited)
    side = NodeSide(assembly, inherited.takeover, line, options.config)
    line.channel = channel = await worker.open_channel(inherited, side.handle)
    given_up = asyncio.Event()
    starting = asyncio.ensure_future(_begin(side, given_up))
    await _first(starting, stopping.wait(), channel.closed(), given_up.wait())
    if not starting.done():  # it may take minutes to read the journal: whoever stops waits for less
        return await _abandon(kernel, starting, _code(given_up, channel))
    if failed := starting.result():
        await assembly.journal.close()
        return _why(assembly.journal.refused, failed, data, channel)
    _settle_memory()
    channel.ready(assembly.info())
    await _first(stopping.wait(), channel.closed(), given_up.wait())
    return await _stop(side, _code(given_up, channel), inherited.stop_timeout_s)


async def _begin(side: NodeSide, given_up: asyncio.Event) -> str:
    """Serve, from what is on the disk or from another node; return why not, empty where it does."""
    kernel, taking = side.assembly.kernel, side.taking
    if taking is None:
        return await _start(kernel, side.assembly, given_up)
    kernel.hold_timers()
    try:
        return await _start(kernel, side.assembly, given_up) or await taking.take()
    finally:
        kernel.release_timers()


def _told_to_stop(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _not_made(error: Exception, inherited: Inherited) -> ExitCode:
    """Tell the anchor of a file that cannot be used."""

    async def refuse(op: str, args: dict[str, Any]) -> Any:
        del args
        raise Refusal(ExitCode.UNREACHABLE, f"the node is ending, and does no {op!r}")

    channel = await worker.open_channel(inherited, refuse)
    channel.ending(str(error))
    return ExitCode.FAILED


def _assembly(
    kernel: Kernel, config: Config, data: Path, inherited: Inherited, line: AnchorLine
) -> Assembly:
    release = version("vigie")
    if inherited.takeover is not None and inherited.takeover.mode == "shadow":
        config = suppressed(config)
    assembly = Assembly.make(
        kernel,
        config,
        data=data,
        listeners=inherited.listeners,
        version=release,
        epoch=secrets.token_hex(4),
        release=ReleaseSettings.of(inherited, release, line.failed, line.ask),
    )
    standby = assembly.release.standby  # timers are held there: what is late would look like a hang
    standby.when_open(assembly.services.overload.begin)
    standby.when_open(DescriptorWatch(kernel, assembly.alarms).begin)
    metrics.GENERATION.set(inherited.incarnation)
    return assembly


def scheduler_limits(config: SchedulerConfig) -> SchedulerLimits:
    """How the actors of a node share its loop."""
    return SchedulerLimits(
        turn_budget_s=config.turn_budget_ms / 1000,
        batch=config.batch,
        hold_limit_s=config.hold_limit_ms / 1000,
    )


async def _start(kernel: Kernel, assembly: Assembly, given_up: asyncio.Event) -> str:
    """Start the tree; return why it did not start, empty where it did."""
    gc.collect()
    gc.disable()  # until all that is recovered is there: it would be gone through in vain
    outcome = await kernel.start_root(Node(), assembly.arguments(), NAME, given_up.set)
    if isinstance(outcome, Started):
        return ""
    why = str(outcome.reason if isinstance(outcome, Failed) else outcome)
    with contextlib.suppress(OSError):  # the log, on a disk that may be full: the anchor hears too
        os.write(sys.stderr.fileno(), f"the tree did not start: {why}\n".encode())
    return why


def _code(given_up: asyncio.Event, channel: worker.Channel) -> ExitCode:
    if not given_up.is_set():
        return ExitCode.DONE
    channel.ending("the top of the tree has given up: its children failed too often")
    return ExitCode.FAILED


def _why(
    refused: JournalError | None, failed: str, data: Path, channel: worker.Channel
) -> ExitCode:
    """Tell the anchor why the tree did not start, and whether another try may help."""
    match refused:
        case None:
            channel.ending(failed)
            return ExitCode.FAILED
        case JournalDamaged():
            channel.ending(f"{refused}; it is mended with: vigie journal repair --data {data}")
            return ExitCode.DATA_ERROR
        case JournalTooNew() | JournalTooOld():
            channel.ending(str(refused))
            return ExitCode.DATA_ERROR
    channel.ending(str(refused))  # locked, no room, no permission: that may pass
    return ExitCode.TRY_AGAIN


def _settle_memory() -> None:
    """What is there now stays: leave it out of every collection."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


async def _first(*events: Any) -> None:
    """Wait for the first of these; coroutines among them are given up then."""
    tasks = [asyncio.ensure_future(event) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, event in zip(tasks, events, strict=True):
        if task is not event:
            task.cancel()


async def _abandon(kernel: Kernel, starting: asyncio.Future[str], code: ExitCode) -> ExitCode:
    """End a tree that does not serve yet; the journal was only read so far."""
    starting.cancel()
    root = kernel.roots.get(NAME)
    if (
        root is not None and not kernel.frozen
    ):  # what was to take over stands still, and has nothing
        await kernel.future_of(kernel.stop(root, SHUTDOWN, ABANDON_S))
    return code


async def _stop(side: NodeSide, code: ExitCode, timeout_s: float) -> ExitCode:
    """End the tree in order, within the time that the anchor gives."""
    if side.giving.given:  # peers, the journal and sockets are another's by now
        side.giving.exit_at_once(code)
    assembly, kernel = side.assembly, side.assembly.kernel
    assembly.links.stop()
    root = kernel.roots.get(NAME)
    if root is not None:
        await kernel.future_of(kernel.stop(root, SHUTDOWN, timeout_s * STOPPING_SHARE))
    await assembly.journal.close(timeout_s * SAVING_SHARE)
    return code


if __name__ == "__main__":
    sys.exit(main())
