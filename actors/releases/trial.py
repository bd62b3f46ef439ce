"""A release tried beside the node that runs: a process in its environment, which touches nothing.

    python -P -m actors.releases.trial --data DIR [--config FILE]   < {"path", "secret"}

Its whole tree is started in standby, as for a takeover; it takes copies of live states, converts
them there and back, and prints what it is and what came of them as a line of JSON. It never serves.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from actors import config as configuration
from actors.assembly import Assembly
from actors.channels.channels import listeners_of
from actors.node import scheduler_limits
from actors.release_settings import ReleaseSettings
from actors.releases.inventory import inventory
from actors.releases.state_types import of_parts
from actors.releases.trying import Tried, taken
from actors.takeover.parts import limits, taking_parts
from actors.tree import NAME, Node
from supervision import Failed, Started, actor_system
from supervision.anchor.inheritance import Inherited, TakeoverOrder
from supervision.anchor.messages import ExitCode
from supervision.release.taking import Taker
from supervision.release.tree_plan import shape
from supervision.release.wire import TakeoverFailed

if TYPE_CHECKING:
    from actors.config import Config
    from supervision.eventloop.kernel import Kernel


def main() -> None:
    """Try, say what came of it, and end without a trace."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    order = json.load(sys.stdin)
    said: dict[str, Any] = {"inventory": inventory(options.config), "problems": []}
    if not said["inventory"]["config"]["mistakes"]:
        config = configuration.load(options.config, os.environ)
        said |= asyncio.run(_try(config, options.data, order))
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    # Nothing here is to be ended in order: that could write, and there is nothing to write.
    os._exit(ExitCode.DONE)


async def _try(config: Config, data: Path, order: dict[str, str]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    limit = scheduler_limits(config.scheduler)
    kernel: Kernel = actor_system(loop=loop, limits=limit)._systemBase.kernel  # noqa: SLF001 - Thespian's name
    kernel.hold_timers()
    assembly = _assembly(kernel, config, data, order)
    outcome = await kernel.start_root(Node(), assembly.arguments(), NAME, lambda: None)
    if not isinstance(outcome, Started):
        why = outcome.reason if isinstance(outcome, Failed) else outcome
        return {"problems": [f"the tree of the new release does not start: {why}"]}
    results: dict[str, Tried] = {}
    problems: list[str] = []
    parts = taken(taking_parts(assembly), results, problems, of_parts())
    bounds = limits(config.release)
    taker = Taker(kernel, parts, release=order["vsn"], limits=bounds, mode="check")
    tree = shape(kernel)
    try:
        await taker.connect(order["path"], order["secret"])
        await taker.copied()
    except TakeoverFailed as failed:
        problems.append(str(failed))
    return {"tree": tree, "results": msgspec.to_builtins(results), "problems": problems}


def _assembly(kernel: Kernel, config: Config, data: Path, order: dict[str, str]) -> Assembly:
    """The shared parts of a node in standby, with sockets that nobody can find."""
    listeners = {name: _socket() for name in listeners_of(config)}
    channel, _ = socket.socketpair()
    inherited = Inherited(
        listeners,
        channel,
        stop_timeout_s=1.0,
        incarnation=1,
        takeover=TakeoverOrder(order["path"], order["secret"], "check"),
    )
    return Assembly.make(
        kernel,
        config,
        data=data,
        listeners=listeners,
        version=order["vsn"],
        epoch=secrets.token_hex(4),
        release=ReleaseSettings.of(inherited, order["vsn"], lambda _: None),
    )


def _socket() -> socket.socket:
    """A bound socket that does not listen."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


if __name__ == "__main__":
    main()
