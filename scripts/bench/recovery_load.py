"""The generator of the recovery bench that never waits: as many answers as the node can give.

    recovery_load.py PORT AT_ONCE SECONDS < TOKEN

Keeps AT_ONCE route requests unanswered; prints answers per second, as one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time

from recovery_link import connect, request

from protocols.cti.messages import Error, RouteSelect

WARM_UP_S = 0.5


async def saturate(port: int, token: str, at_once: int, seconds: float) -> float:
    """Return answers per second, those of the first half second left out."""
    run = f"load{time.time_ns():x}"
    sent = counted = 0
    begin = time.monotonic() + WARM_UP_S
    over = asyncio.get_running_loop().create_future()

    def take(answer: RouteSelect | Error) -> None:
        nonlocal sent, counted
        now = time.monotonic()
        counted += now >= begin and isinstance(answer, RouteSelect)
        if now >= begin + seconds:
            if not over.done():
                over.set_result(None)
            return
        sent += 1
        link.send(**request(sent, run))

    link = await connect(port, token, take)
    link.send(t="rp.register", rp=["*"])
    for _ in range(at_once):
        sent += 1
        link.send(**request(sent, run))
    async with asyncio.timeout(seconds + 30):
        await over
    link.close()
    return counted / seconds


def main() -> None:
    """Load and report."""
    port, at_once, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    gc.disable()
    rate = asyncio.run(saturate(port, sys.stdin.read().strip(), at_once, seconds))
    print(json.dumps({"answers_per_s": round(rate, 1)}))


if __name__ == "__main__":
    main()
