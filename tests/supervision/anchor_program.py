"""A guarded program for tests: serves what it inherits and misbehaves when it is told to."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from supervision.anchor import worker
from supervision.anchor.messages import ExitCode, Refusal


async def handle(op, args):
    match args.get("do"):
        case "echo":
            return {"op": op, "args": args}
        case "refuse":
            raise Refusal(ExitCode.NOT_PERMITTED, "not today", "do")
        case "crash":
            raise ZeroDivisionError("a bug")
        case "flood":
            return "x" * (17 * 1024 * 1024)
        case "wait":
            while not Path(args["file"]).exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
                await asyncio.sleep(0.01)
            return {"waited": args["file"]}
        case "hang":
            asyncio.get_running_loop().call_later(0.05, time.sleep, 600)
    return {}


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def greet(reader, writer):
    writer.write(f"{os.getpid()}\n".encode())
    await writer.drain()
    writer.close()


async def main(mode):
    inherited = worker.inherited(os.environ)
    channel = await worker.open_channel(inherited, handle)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if mode == "stubborn":
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
    else:
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    for listener in inherited.listeners.values():
        await asyncio.start_server(greet, sock=listener)
    if mode == "torn" or (mode == "tears" and inherited.incarnation > 1):
        channel.ending("the ledger is torn")
        return ExitCode.DATA_ERROR
    if mode != "mute":
        channel.ready({"mode": mode, "cwd": str(Path.cwd())})
    say("started", mode)
    ended = asyncio.create_task(channel.closed())
    stopped = asyncio.create_task(stop.wait())
    if mode == "stubborn":
        await asyncio.Event().wait()
    await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
    say("stopped", "orphaned" if ended.done() else "asked", time.monotonic())
    return ExitCode.DONE


if __name__ == "__main__":
    if sys.argv[1] == "fail":
        sys.exit("no table is laid")
    if sys.argv[1] == "hopeless":
        sys.exit(64)
    sys.exit(asyncio.run(main(sys.argv[1])))
