"""A real node whose anchor is the test."""

import json
import os
import socket
import subprocess
import sys

PATIENCE_S = 60.0


class NodeAlone:
    """A process of a node; the test holds the other end of its channel.

    Args:
        directory: its data directory.
        config: its configuration file.
        listeners: its sockets by name.
        extra: variables of its environment.
    """

    def __init__(self, directory, config, listeners, **extra):
        self.control, theirs = socket.socketpair()
        self.control.settimeout(PATIENCE_S)
        self._told, self._rest, self._number = [], b"", 0
        named = ",".join(f"{name}:{one.fileno()}" for name, one in listeners.items())
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ANCHOR_LISTEN_FDS": named,
            "ANCHOR_CONTROL_FD": str(theirs.fileno()),
            "ANCHOR_STOP_TIMEOUT_S": "20",
            "ANCHOR_INCARNATION": "1",
            **extra,
        }
        argv = [sys.executable, "-m", "actors.node", "--data", directory, "--config", config]
        passed = [theirs.fileno(), *(one.fileno() for one in listeners.values())]
        self.process = subprocess.Popen(argv, env=env, pass_fds=passed, cwd=directory)
        theirs.close()

    def ask(self, op, **args):
        """Ask for an operation; return its result."""
        self.say(op, **args)
        number = self._number
        answer = self._find(lambda said: said.get("id") == number and "ok" in said)
        assert answer["ok"], answer
        return answer["result"]

    def say(self, op, **args):
        """Ask for an operation, and wait for nothing."""
        self._number += 1
        asked = {"id": self._number, "op": op, "args": args}
        self.control.sendall(json.dumps(asked).encode() + b"\n")

    def expect(self, event, **info):
        """Wait for an event with this information; return all of it."""

        def fits(said):
            return said.get("event") == event and info.items() <= said["info"].items()

        return self._find(fits)["info"]

    def _find(self, fits):
        while True:
            for said in self._told:
                if fits(said):
                    self._told.remove(said)
                    return said
            data = self.control.recv(65536)
            assert data, f"the node ended: {self._told}"
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._told += map(json.loads, lines)

    def ended(self):
        """Wait for its end; return its exit code."""
        return self.process.wait(PATIENCE_S)

    def clean_up(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.control.close()
