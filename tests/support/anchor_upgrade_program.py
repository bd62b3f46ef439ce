"""A guarded program of a release for tests: hands its memory over, and fails where it is told to.

Its argument is JSON: ``{"vsn": ..., "faults": {STEP: kill|hang|refuse|fail|wrong|exit|leave}}``.
What it remembers is a word; at a plain start it reads that from the file ``journal``, where it has
put it.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from supervision.anchor import worker
from supervision.anchor.messages import ExitCode, Refusal

JOURNAL = Path("journal")
LOG = Path("steps")
HOME = Path.cwd()


def note(*words):
    with LOG.open("a", encoding="utf-8") as log:
        log.write(" ".join(map(str, words)) + "\n")


class Program:
    def __init__(self, script, inherited):
        self.vsn, self.faults = script["vsn"], script.get("faults", {})
        self.inherited = inherited
        self.memory = JOURNAL.read_text() if JOURNAL.exists() else "born"
        self.serving, self.schema = False, self.vsn
        self.peer = None
        self.prepared = {}
        self.stop = asyncio.Event()

    def remember(self, word):
        self.memory = word
        JOURNAL.write_text(word)

    async def step(self, name):
        """Note a step, and fail there if that is in the script."""
        note(os.getpid(), self.vsn, name)
        match self.faults.get(name):
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                self.channel.ending(f"it was told to end at {name}")
                os._exit(3)
            case "hang":
                await asyncio.Event().wait()
            case "refuse":
                raise Refusal(ExitCode.FAILED, f"no {name} today")
            case "leave":  # as the end of this process looks to the other one
                self.peer.close()
                await asyncio.Event().wait()
            case "fail":
                self.channel.tell("takeover", {"phase": "failed", "why": f"{name} went wrong"})
                await asyncio.Event().wait()

    async def handle(self, op, args):
        if op == "api":
            return await self.api(args)
        name = op.partition(".")[2]
        await self.step(name)
        return await getattr(self, f"on_{name}")(args)

    async def api(self, args):
        match args.get("do"):
            case "remember":
                self.remember(args["word"])
            case "think":
                self.memory = args["word"]
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "complain":
                self.channel.tell("probation", {"verdict": "failed", "why": args["why"]})
            case "ask":
                return await self.channel.request(args["what"], args.get("args", {}))
        release = self.inherited.release
        return {
            "passed_on": sorted(name for name in os.environ if name.startswith("ANCHOR_")),
            "vsn": self.vsn,
            "memory": self.memory,
            "pid": os.getpid(),
            "serving": self.serving,
            "schema": self.schema,
            "release": release and json.loads(release.to_json()),
            "incarnation": self.inherited.incarnation,
        }

    # The one that gives

    async def on_check(self, args):
        answer = {"ok": True, "hash": f"plan-{args['vsn']}"}
        if self.faults.get("plan") == "no":
            return {**answer, "ok": bool(args["force"]), "why": ["no way back"]}
        return answer

    async def on_listen(self, args):
        self.secret = args["secret"]
        path = f"take-{os.getpid()}"
        self.server = await asyncio.start_unix_server(self.serve_peer, path)
        return {"path": f"{HOME}/{path}"}

    async def serve_peer(self, reader, writer):
        assert (await reader.readline()).decode().strip() == self.secret
        self.peer = writer
        writer.write(b"copy\n")

    async def on_freeze(self, args):
        self.serving = False
        self.peer.write(json.dumps({"memory": self.memory}).encode() + b"\n")
        crc = "wrong" if self.faults.get("crc") == "wrong" else self.memory
        return {"counts": {"words": 1}, "crc": crc, "drain_ms": 1.0, "stragglers": []}

    async def on_resume(self, args):
        self.serving = True
        return {}

    async def on_exit(self, args):
        os._exit(0)

    # The one that takes

    async def take(self, order):
        try:
            await self.step("start")
            reader, writer = await asyncio.open_unix_connection(order.path)
            writer.write(order.secret.encode() + b"\n")
            assert await reader.readline() == b"copy\n"
            await self.step("connected")
            self.channel.tell("takeover", {"phase": "connected"})
            await self.step("copied")
            self.channel.tell("takeover", {"phase": "copied"})
            if not (line := await reader.readline()):
                gone = {"phase": "failed", "why": "the other side is gone", "own": False}
                self.channel.tell("takeover", gone)
                return
            self.memory = json.loads(line)["memory"]
            await self.step("prepared")
            crc = "wrong" if self.faults.get("prepared") == "wrong" else self.memory
            told = {"phase": "prepared", "counts": {"words": 1}, "crc": crc}
            self.channel.tell("takeover", told)
            await self.step("waiting")
        except Refusal as refusal:
            self.channel.ending(str(refusal))
            os._exit(4)

    async def on_switch(self, args):
        self.serving = True
        release = self.inherited.release
        self.schema = release.permanent if release.provisional else self.vsn
        asyncio.get_running_loop().call_soon(self.channel.ready, {"vsn": self.vsn})
        return {"pause": {"p99": 3.0}, "probation_s": args.get("probation_s")}

    async def on_report(self, args):
        return {"differing": 0}

    async def on_permanent(self, args):
        self.schema = self.vsn
        return {}

    async def run(self):
        self.channel = await worker.open_channel(self.inherited, self.handle)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop.set)
        taking = None
        if self.inherited.takeover is None:
            await self.step("plain")
            self.serving = True
            self.channel.ready({"vsn": self.vsn})
        else:
            taking = asyncio.create_task(self.take(self.inherited.takeover))
        ends = [self.stop.wait(), self.channel.closed()]
        await asyncio.wait(map(asyncio.ensure_future, ends), return_when=asyncio.FIRST_COMPLETED)
        note(os.getpid(), self.vsn, "stopped", (taking is not None and "takeover") or "plain")
        return ExitCode.DONE


async def main(script):
    return await Program(script, worker.inherited(os.environ)).run()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(sys.argv[1]))))
