"""A node for tests of the command line: answers the API's operations with what it was asked."""

import asyncio
import os
import signal
import sys

from supervision.anchor import worker


async def answer(op, args):
    return {"status": 200, "body": {"items": [], "asked": args, "argv": sys.argv[1:]}}


async def main():
    channel = await worker.open_channel(worker.inherited(os.environ), answer)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    first = {} if os.environ.get("CLI_NODE_IS_OLD") else {"operator_token": "vgo-secret"}
    channel.ready({"version": "1.2.3", **first})
    waits = [asyncio.create_task(wait) for wait in (stop.wait(), channel.closed())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)


if __name__ == "__main__":
    if os.environ.get("CLI_NODE_FAILS"):
        sys.exit("the tree did not start: a reason")
    asyncio.run(main())
