"""Real anchors with releases of the scripted program, for tests."""

import json
import os
import sys
from pathlib import Path

from supervision.anchor import history, pointers
from supervision.anchor.messages import Refusal
from supervision.anchor.pointers import Pointers
from supervision.anchor.spec import (
    AnchorSpec,
    ListenerSpec,
    ProgramSpec,
    RestartPolicy,
    UpgradeSpec,
)
from supervision.anchor.testing import RunningAnchor, wait_for

PROGRAM = Path(__file__).with_name("anchor_upgrade_program.py")
CAT = "import sys; sys.stdout.write(open(sys.argv[1]).read())"
LIMITS = UpgradeSpec(
    "node",
    compose_timeout_s=20.0,
    check_timeout_s=20.0,
    spawn_timeout_s=20.0,
    precopy_timeout_s=20.0,
    freeze_timeout_s=20.0,
    switch_timeout_s=20.0,
    permanent_timeout_s=20.0,
    probation_s=600.0,
)


def spec(directory, vsn, limits=LIMITS, **faults):
    """What a release of the scripted program says of itself."""
    node = ProgramSpec(
        "node",
        (sys.executable, str(PROGRAM), json.dumps({"vsn": vsn, "faults": faults})),
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        listeners=("http",),
        awaited=True,
        ready_timeout_s=20.0,
        hang_timeout_s=20.0,
        stop_timeout_s=5.0,
        restart=RestartPolicy(min_s=0.02, max_s=0.1, reset_s=60.0),
    )
    listeners = (ListenerSpec("http", "127.0.0.1", 0),)
    return AnchorSpec(
        str(directory), (node,), listeners, {"api": "node"}, start_timeout_s=20.0, upgrade=limits
    )


def install(directory, vsn, limits=LIMITS, *, text=None, **faults):
    """Put a release of the scripted program into a directory."""
    home = directory / pointers.DIRECTORY / vsn
    home.mkdir(parents=True)
    (home / "spec.json").write_text(text or spec(directory, vsn, limits, **faults).to_json())
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    compose = {"argv": [sys.executable, "-c", CAT, str(home / "spec.json")], "env": env}
    manifest = {"format": 1, "vsn": vsn, "origin": "archive", "compose": compose}
    manifest["states"] = {"word": int(vsn.partition(".")[0])}
    (home / pointers.MANIFEST).write_text(json.dumps(manifest))


class Upgradable(RunningAnchor):
    """An anchor on release 1.0, which is permanent; others are installed as a test says."""

    def __init__(self, directory, limits=LIMITS, **faults):
        install(directory, "1.0", limits, **faults)
        pointers.write(directory, Pointers("1.0", "1.0"))
        super().__init__(spec(directory, "1.0", limits, **faults))
        self.install = lambda vsn, **more: install(directory, vsn, limits, **more)

    def node(self, **args):
        """Ask the program; return what it says of itself."""
        answer = self.ask("api", **args)
        if "pid" in answer:
            self._seen.add(answer["pid"])
        return answer

    def upgrade(self, vsn="2.0", **args):
        return self.ask("release.upgrade", vsn=vsn, who="ann", **args)

    def refused(self, op, **args):
        """Ask for what is refused; return why."""
        try:
            self.ask(op, **args)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"{op} was not refused")

    def serving(self, vsn):
        """Wait until the program serves and is of a release; return what it says of itself."""

        def asked():
            try:
                found = self.node()
            except Refusal:
                return None
            return found if found["serving"] and found["vsn"] == vsn else None

        return wait_for(asked)

    def pointers(self):
        return pointers.read(self.directory)

    def steps(self):
        """What the programs have noted, without process ids."""
        lines = (self.directory / "steps").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines]

    def history(self):
        return [(item["step"], item["vsn"], item["result"]) for item in self.lines()]

    def lines(self):
        """What was done with releases; that the anchor goes on in their code is another matter."""
        return [item for item in history.read(self.directory) if item["step"] != "anchor"]
