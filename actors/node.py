"""The node: one process, one asyncio loop, one actor system, the whole tree.

Started by the anchor, which gives it its listening sockets and a channel: ``python -m actors.node
--data DIR [--config FILE]``. It ends in order when the anchor asks or dies; when the top of the
tree gives up it ends with 1 and the anchor starts it again.
"""

from __future__ import annotations

import asyncio
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
from actors.journal.records import JournalDamaged, JournalTooNew
from actors.tree import NAME, Node
from supervision import SHUTDOWN, SchedulerLimits, Started, actor_system
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

SWITCH_S = 0.000_5
"""How long a thread runs while others wait. The journal's writer needs the interpreter back after
each commit: with Python's 5 ms a busy loop made commits 20 to 33 ms long (p99), with this 8 to 9.
"""

# The young are collected often and in small numbers, a millisecond or two each; what has survived
# is never gone through again: over a few hundred thousand sessions that would hold the loop for a
# second. Ended actors leave no cycles behind.
GC_THRESHOLDS = (1_000, 5, 1_000_000)


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
    return asyncio.run(_serve(config, options.data, worker.inherited(os.environ)))


def _options(words: Sequence[str] | None) -> Options:
    parser = ArgumentParser(prog="actors.node", description="A vigie node; the anchor starts it.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    given = parser.parse_args(words)
    return Options(given.data, given.config)


async def _serve(config: Config, data: Path, inherited: Inherited) -> int:
    loop = asyncio.get_running_loop()
    limits = _limits(config.scheduler)
    kernel: Kernel = actor_system(loop=loop, limits=limits)._systemBase.kernel  # noqa: SLF001 - Thespian's name
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    assembly = _assembly(kernel, config, data, inherited)
    channel = await worker.open_channel(inherited, _operations(assembly))
    given_up = asyncio.Event()
    gc.collect()
    gc.disable()  # until all that is recovered is there: it would be gone through in vain
    if not await _started(kernel, assembly, given_up):
        await assembly.journal.close()
        return _why(assembly.journal.refused, data, channel)
    _settle_memory()
    channel.ready(assembly.info())
    await _first(stopping.wait(), channel.closed(), given_up.wait())
    code = ExitCode.FAILED if given_up.is_set() else ExitCode.DONE
    assembly.links.stop()
    await _stop(kernel, inherited.stop_timeout_s)
    await assembly.journal.close(inherited.stop_timeout_s * SAVING_SHARE)
    return code


def _assembly(kernel: Kernel, config: Config, data: Path, inherited: Inherited) -> Assembly:
    assembly = Assembly.make(
        kernel,
        config,
        data=data,
        listeners=inherited.listeners,
        version=version("vigie"),
        epoch=secrets.token_hex(4),
    )
    assembly.services.overload.begin()
    DescriptorWatch(kernel, assembly.alarms).begin()
    metrics.GENERATION.set(inherited.incarnation)
    return assembly


def _limits(config: SchedulerConfig) -> SchedulerLimits:
    return SchedulerLimits(
        turn_budget_s=config.turn_budget_ms / 1000,
        batch=config.batch,
        hold_limit_s=config.hold_limit_ms / 1000,
    )


def _operations(assembly: Assembly) -> worker.Handler:
    async def handle(op: str, args: dict[str, Any]) -> Any:
        if op != "api":
            raise Refusal(ExitCode.USAGE, f"the node has no operation {op!r}", "op")
        return await assembly.control(args)

    return handle


async def _started(kernel: Kernel, assembly: Assembly, given_up: asyncio.Event) -> bool:
    outcome = await kernel.start_root(Node(), assembly.arguments(), NAME, given_up.set)
    if isinstance(outcome, Started):
        return True
    print(f"the tree did not start: {outcome}", file=sys.stderr)  # noqa: T201 - the log is part of it
    return False


def _why(refused: JournalError | None, data: Path, channel: worker.Channel) -> ExitCode:
    """Tell the anchor why the tree did not start, and whether another try may help."""
    match refused:
        case None:
            return ExitCode.FAILED
        case JournalDamaged():
            channel.ending(f"{refused}; it is mended with: vigie journal repair --data {data}")
            return ExitCode.DATA_ERROR
        case JournalTooNew():
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
    tasks = [asyncio.ensure_future(event) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def _stop(kernel: Kernel, timeout_s: float) -> None:
    """End the tree in order, within the time that the anchor gives."""
    root = kernel.roots.get(NAME)
    if root is not None:
        await kernel.future_of(kernel.stop(root, SHUTDOWN, timeout_s * STOPPING_SHARE))


if __name__ == "__main__":
    sys.exit(main())
