"""stop, restart, ping, status, info."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.text import columns, elapsed
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace

STOP_MARGIN_S = 5.0
"""Over the bound of the programs, for the anchor's own end."""

RESTART_TIMEOUT_S = 3_600.0
"""The anchor bounds a restart by its own configuration; this only outlasts that."""

COUNTS = ("sessions", "links", "actors", "restarts", "dead_letters", "handled")
"""What is counted in a node, as it names them."""

RELEASES = ("starts_next", "was_on_probation")
"""What a stop says of releases."""

SECRETS = frozenset({"operator_token"})
"""What the node tells once, to whom started it."""


def stop(options: Namespace) -> Answer:
    """Stop the node and return when nothing of it is left.

    Raises:
        Refusal: None runs, or it did not stop within its bound.
    """
    with Peer(options.data) as peer:
        stopping = peer.ask("stop")
        bound_s = stopping["bound_s"] + STOP_MARGIN_S
        begun = time.monotonic()
        if not peer.client.wait_for_end(bound_s):
            raise Refusal(ExitCode.FAILED, f"not stopped within {bound_s:g} s")
    took = time.monotonic() - begun
    releases = {key: stopping[key] for key in RELEASES if key in stopping}
    lines = [f"stopped in {elapsed(took)}", *_starts_next(releases)]
    return Answer({"stopped": True, "seconds": round(took, 3)} | releases, lines)


def _starts_next(releases: dict[str, Any]) -> list[str]:
    """Who stops a release on probation finds another one running after the next start."""
    ends, permanent = releases.get("was_on_probation"), releases.get("starts_next")
    if not ends:
        return []
    return [
        f"release {ends} was on probation: vigie start starts {permanent}, the permanent one",
        f"nothing is held against {ends}: vigie release upgrade {ends} tries it again",
    ]


def restart(options: Namespace) -> Answer:
    """Restart a program; connections wait meanwhile, none is refused."""
    with Peer(options.data, RESTART_TIMEOUT_S) as peer:
        done = peer.ask("restart", {"program": options.program})
    return Answer(done, [f"{done['program']} restarted, process {done['pid']}"])


def ping(options: Namespace) -> Answer:
    """Ask the anchor whether it lives, and the node through it."""
    with Peer(options.data) as peer:
        begun = time.monotonic()
        anchor = peer.ask("ping")
        ms = (time.monotonic() - begun) * 1000
        programs = peer.ask("status")["programs"]
    node = programs.get("node", {}).get("state")
    data = {"anchor": anchor, "node": node, "ms": round(ms, 3)}
    if node != "running":
        last = programs.get("node", {}).get("last_exit")
        why = f": {last['reason']}" if last and node != "starting" else ""
        raise Refusal(ExitCode.UNREACHABLE, f"the anchor lives, but the node is {node}{why}")
    return Answer(data, [f"pong from process {anchor['pid']} in {ms:.1f} ms, node {node}"])


def status(options: Namespace) -> Answer:
    """How the programs are."""
    with Peer(options.data) as peer:
        found = peer.ask("status") | {"alarms": _alarms(peer)}
    heading = ("PROGRAM", "STATE", "PID", "RESTARTS", "FOR", "LAST EXIT")
    programs = found["programs"].items()
    rows = [_status_row(name, item) for name, item in programs]
    failed = [
        f"{name} has failed and is not started again by itself: {item['last_exit']['reason']}"
        for name, item in programs
        if item["state"] == "failed"
    ]
    waiting = [
        f"{name} ended, and is started again: {item['last_exit']['reason']}"
        for name, item in programs
        if item["state"] in ("backoff", "starting") and item["last_exit"]
    ]
    alarms = [f"alarm {item['name']}: {item['text']}" for item in found["alarms"]]
    lines = [f"anchor {found['state']}", *columns([heading, *rows]), *failed, *waiting, *alarms]
    return Answer(found, lines, ExitCode.UNREACHABLE if failed else 0)


def info(options: Namespace) -> Answer:
    """Versions, uptime, counts, addresses and process ids."""
    with Peer(options.data) as peer:
        data = shape(peer.ask("info"), peer.ask("status")) | {"counts": _counts(peer)}
    node = data["node"]
    heading = [
        f"vigie {data['versions']['vigie']} up {elapsed(data['uptime_s'])}",
        f"HTTP       {data['http']}",
        f"CTI link   {data['cti']}",
        *([f"SMTP       {data['mail']}"] if "mail" in data else []),
        f"data       {data['data']}",
        f"config     {data['config']}",
    ]
    if node.get("journal") == "off":
        heading.append("journal    off: nothing that is acknowledged survives the node")
    names = ("anchor", "node", "postgres")
    rows = [(name, data[name]["pid"], data["versions"].get(name)) for name in names]
    processes = columns([("PROCESS", "PID", "VERSION"), *rows])
    counts = [f"{name.replace('_', ' '):<13}{count}" for name, count in data["counts"].items()]
    return Answer(data, [*heading, "", *processes, "", *(counts or ["the node does not answer"])])


def shape(found: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """Make what `vigie info --json` shows of what the anchor says.

    Args:
        found: The anchor's ``info``.
        state: The anchor's ``status``.

    Returns:
        ``{state, anchor: {pid, ...}, node: {pid, ...}, postgres: {pid, ...}, http, cti, data,
        config, versions, restarts, uptime_s}``, and `mail` where it comes in; `http` is a URL,
        `cti` and `mail` are ``HOST:PORT``, a
        PostgreSQL that is not vigie's own has no process id.
    """
    programs, labels = found["programs"], found["labels"]
    node = {key: value for key, value in programs["node"].items() if key not in SECRETS}
    postgres = programs.get("postgres", {"pid": None, "state": "external"})
    listeners = {name: _address(item) for name, item in found["listeners"].items()}
    return {
        "state": state["state"],
        "anchor": found["anchor"],
        "node": node,
        "postgres": postgres,
        "http": f"http://{listeners['http']}",
        "cti": listeners["cti"],
        **({"mail": listeners["mail"]} if "mail" in listeners else {}),
        "data": found["directory"],
        "config": labels.get("config"),
        "versions": {
            "vigie": labels.get("version"),
            "anchor": f"Python {found['anchor']['python']}",
            "node": node.get("version"),
            "postgres": postgres.get("version"),
        },
        "restarts": {name: item["restarts"] for name, item in state["programs"].items()},
        "uptime_s": round(found["anchor"]["uptime_s"], 3),
    }


def _counts(peer: Peer) -> dict[str, int]:
    """How much is in the node, as far as it tells; nothing while there is none to ask."""
    try:
        node = peer.api("GET", "node")
    except Refusal as refusal:
        if refusal.code in (ExitCode.UNREACHABLE, ExitCode.TRY_AGAIN):
            return {}
        raise
    return {name: node[name] for name in COUNTS if name in node}


def _alarms(peer: Peer) -> list[dict[str, Any]]:
    """The alarms that are active; none while there is no node to tell them."""
    try:
        found: list[dict[str, Any]] = peer.api("GET", "alarms", {"sort": "severity"})["items"]
    except Refusal:
        return []
    return found


def _address(listener: dict[str, Any]) -> str:
    host = listener["host"]
    return f"[{host}]:{listener['port']}" if ":" in host else f"{host}:{listener['port']}"


def _status_row(name: str, program: dict[str, Any]) -> tuple[object, ...]:
    last = program["last_exit"]
    state = program["state"]
    if program["next_start_in_s"] is not None:
        state = f"{state}, starts in {max(0.0, program['next_start_in_s']):.1f}s"
    age = elapsed(max(0.0, time.time() - program["since"]))
    # What a program said of its end follows after a colon; it is long, and told apart.
    reason = (
        last
        and f"{last['reason'].partition(':')[0]} {elapsed(max(0.0, time.time() - last['at']))} ago"
    )
    return name, state, program["pid"], program["restarts"], age, reason
