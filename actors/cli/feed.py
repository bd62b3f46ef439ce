"""feed: calls over a CTI link, with a ledger that is compared with what the node knows."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

import msgspec

from actors.cli.command import Answer
from actors.cli.peer import Peer, segment
from protocols.feed.client import FeedRefusedError
from protocols.feed.file import FeedLineError, read_steps
from protocols.feed.run import FeedOptions, run
from protocols.feed.schedule import Load
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator
    from pathlib import Path

    from protocols.feed.calls import Step
    from protocols.feed.report import FeedReport

SPARE_S = 3_600.0
"""How long the feed's token outlives the calls, in seconds; it is revoked at the end anyway."""


def feed(options: Namespace) -> Answer:
    """Feed calls and report; Ctrl-C ends the feed early, with a report. Fails unless it is clean.

    Raises:
        Refusal: No node is there, the file is wrong, or the node did not let the feed in.
    """
    load = _load(options)
    with Peer(options.data) as peer:
        host, port = _address(peer)
        life_s = SPARE_S + (options.seconds or _last(load))
        with _token(peer, life_s) as token:
            settings = FeedOptions(
                host=host,
                port=port,
                token=token,
                load=load,
                region=peer.api("GET", "node")["region"],
                answer_report=options.answer_report,
            )
            report = _run(settings, options.data)
    data = msgspec.to_builtins(report)
    return Answer(data, _lines(data), ExitCode.DONE if clean(report) else ExitCode.FAILED)


def clean(report: FeedReport) -> bool:
    """Whether nothing was lost or doubled, and vigie knows what it was told, as far as it tells.

    Requests that the feed gave up while there was no link are not lost: a switch routes such calls
    itself. Frames that were never acknowledged are.
    """
    known = report.comparison is None or not report.comparison.different
    return known and not (report.lost or report.doubled or report.unacked or report.faults)


def _load(options: Namespace) -> Load | tuple[Step, ...]:
    generated = options.rate is not None and options.seconds is not None
    if generated == (options.file is not None):
        raise Refusal(ExitCode.USAGE, "either FILE, or --rate and --seconds", "file")
    if generated:
        return Load(rate=options.rate, seconds=options.seconds, seed=options.seed)
    try:
        with options.file.open(encoding="utf-8") as lines:
            return tuple(read_steps(lines))
    except (OSError, UnicodeDecodeError, FeedLineError) as error:
        raise Refusal(ExitCode.USAGE, f"{options.file}: {error}", "file") from None


def _last(load: Load | tuple[Step, ...]) -> float:
    return max((step.at for step in load), default=0.0) if isinstance(load, tuple) else 0.0


def _address(peer: Peer) -> tuple[str, int]:
    """Where the CTI port of the node is reached from this machine."""
    listener = peer.ask("info")["listeners"]["cti"]
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
    return everywhere.get(listener["host"], listener["host"]), listener["port"]


@contextlib.contextmanager
def _token(peer: Peer, life_s: float) -> Iterator[str]:
    wanted = {"scope": "cti", "name": "feed", "expires_s": life_s}
    made = peer.api("POST", "tokens", body=wanted)
    try:
        yield made["token"]
    finally:
        # A node that is gone by now, or restarting, lets the token end by itself.
        with contextlib.suppress(Refusal):
            peer.api("DELETE", f"tokens/{segment(made['id'])}")


def _run(settings: FeedOptions, data: Path) -> FeedReport:
    async def fetch(calls: list[str]) -> dict[str, dict[str, Any]] | None:
        return await asyncio.to_thread(_sessions, data, calls)

    async def feed_until_stopped() -> FeedReport:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await run(settings, sessions=fetch, stop=stop)

    try:
        return asyncio.run(feed_until_stopped())
    except (FeedRefusedError, OSError) as error:
        why = f"no CTI link to {settings.host} port {settings.port}: {error}"
        raise Refusal(ExitCode.UNREACHABLE, why) from None


def _sessions(data: Path, calls: list[str]) -> dict[str, dict[str, Any]] | None:
    """What the node knows of calls, by call; None while it cannot tell."""
    try:
        with Peer(data) as peer:
            found = {call: _session(peer, call) for call in calls}
    except Refusal as refusal:
        if refusal.code is ExitCode.TRY_AGAIN:
            return None
        raise
    return {call: session for call, session in found.items() if session is not None}


def _session(peer: Peer, call: str) -> dict[str, Any] | None:
    query = {"call": call, "sort": "opened", "order": "desc", "limit": 1}
    items: list[dict[str, Any]] = peer.api("GET", "sessions", query)["items"]
    return items[0] if items else None


def _lines(report: dict[str, Any]) -> list[str]:
    """The report for humans: a line per figure, latencies in milliseconds."""
    nested = ("comparison", "answers", "errors", "faults", "contradictions")
    lines = [f"{key:<24} {_figure(value)}" for key, value in report.items() if key not in nested]
    lines += [f"error {code:<18} {count}" for code, count in report["errors"].items()]
    lines += [f"against the contract    {fault}" for fault in report["faults"]]
    lines += [f"two answers            {answers}" for answers in report["contradictions"]]
    if (comparison := report["comparison"]) is None:
        lines.append("not compared: the node cannot tell what it knows")
    else:
        lines.append(f"{'calls compared':<24} {comparison['compared']}")
        lines.append(f"{'differences':<24} {comparison['different']}")
        lines += [
            f"  {item['call']} {item['field']}: sent {item['sent']}, known {item['known']}"
            for item in comparison["differences"]
        ]
    lines += [
        f"{item['count']:>8}  {item['target']} {item['rtype']} {item['reason']}"
        for item in report["answers"] or []
    ]
    return lines


def _figure(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key} {figure}" for key, figure in value.items())
    return str(value)
