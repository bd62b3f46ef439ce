"""A node that is told to stop while it still reads its journal."""

import os
import signal
import socket
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

PATIENCE_S = 30.0

PROGRAM = """
import sys, threading
from actors import node
from actors.journal import recovery

def endless(*_):
    print("reading", flush=True)
    threading.Event().wait()

recovery.load = endless
sys.exit(node.main(sys.argv[1:]))
"""


def test_a_node_that_reads_its_journal_for_long_ends_soon_when_it_is_told_to(tmp_path) -> None:
    ours, control = socket.socketpair()
    http, cti = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    with ours, control, http, cti:
        given = [one.fileno() for one in (control, http, cti)]
        environment = os.environ | {
            "ANCHOR_CONTROL_FD": str(given[0]),
            "ANCHOR_LISTEN_FDS": f"http:{given[1]},cti:{given[2]}",
            "ANCHOR_STOP_TIMEOUT_S": "60",
            "ANCHOR_INCARNATION": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-c", PROGRAM, "--data", str(tmp_path)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, env=environment, pass_fds=given) as node:
            try:
                assert node.stdout.readline() == b"reading\n"
                node.send_signal(signal.SIGTERM)
                assert node.wait(PATIENCE_S / 3) == 0
            finally:
                node.kill()
