"""What vigie knows after a run, held against the ledgers of those that talked to it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from protocols.feed.comparison import compare
from soak_parts import archive, verdict
from soak_parts.ivr_ledger import IvrSession, contradictions, doubled_steps
from soak_parts.run import Outcome
from soak_parts.verdict import Promise
from soak_parts.vigie import NotStarted, Vigie

SETTLE_S = 60.0
CLOSED_AFTER = frozenset({"cleared", "abandoned"})
DIFFERENCES = "differences.jsonl"
REQUESTS = ("sent", "answered", "answered_after_resume", "given_up", "refused")
UNANSWERED = 0.01
LINGER_TRIES = 40


async def judge(outcome: Outcome) -> list[Promise]:
    """Hold what vigie knows against the ledgers; the node must run.

    Returns:
        The promises, kept or not.
    """
    node = outcome.chaos.node
    closed = _closed_by_peers(outcome)
    await archive.wait_stored(node, closed, SETTLE_S)
    stored = await archive.stored(node)
    views = await _views(node, outcome, stored)
    _write_both_sides(outcome, views)
    return [
        *_of_calls(outcome, views),
        *_of_requests(outcome),
        *_of_applications(outcome, views),
        *_of_store(stored),
        *await _of_node(node, outcome),
    ]


async def of_journal(outcome: Outcome) -> list[Promise]:
    """Stop the node and have its journal checked.

    Returns:
        The promises, kept or not.
    """
    node = outcome.chaos.node
    await asyncio.to_thread(node.run, "stop")
    try:
        said = await asyncio.to_thread(node.run, "journal", "check")
    except NotStarted as failure:
        return [verdict.none_of("the journal is sound", [str(failure)])]
    rows = said["rows"]
    return [
        Promise("the journal is sound", said["sound"], said),
        verdict.equal("nothing waits to be stored", rows.get("outbox"), 0),
        verdict.equal("no closed session is refused by PostgreSQL", rows.get("refused", 0), 0),
        verdict.equal("the journal has the open sessions", rows.get("session", 0), _open(outcome)),
    ]


def _open(outcome: Outcome) -> int:
    """How many sessions nobody has ended."""
    return _calls(outcome) + len(outcome.ivr.sessions) - _closed_by_peers(outcome)


def _calls(outcome: Outcome) -> int:
    """How many calls have a session."""
    return sum(not entry.refused for _, ledger in outcome.feeds for entry in ledger.calls.values())


async def _wait_lingered(node: Vigie, wanted: int) -> int:
    """Wait until what has closed is gone from the node; returns how many sessions are left."""
    for _ in range(LINGER_TRIES):
        count: int = (await node.wait_api("GET", "node"))["sessions"]
        if count == wanted:
            break
        await asyncio.sleep(1.0)
    return count


def _write_both_sides(outcome: Outcome, views: Mapping[str, Mapping[str, Any]]) -> None:
    """Write down what both sides know of each call that they know differently."""
    entries = {entry.call: entry for _, ledger in outcome.feeds for entry in ledger.calls.values()}
    differing = {one.call for one in compare(entries.values(), views, outcome.region)}
    with (outcome.chaos.node.data / DIFFERENCES).open("w", encoding="utf-8") as file:
        for call in sorted(differing):
            sides = {"sent": msgspec.to_builtins(entries[call]), "known": views.get(call)}
            file.write(json.dumps(sides) + "\n")
        for _, ledger in outcome.feeds:
            for one in ledger.unanswered:
                file.write(json.dumps({"unanswered": msgspec.to_builtins(one)}) + "\n")


def _closed_by_peers(outcome: Outcome) -> int:
    calls = sum(
        entry.last_event in CLOSED_AFTER
        for _, ledger in outcome.feeds
        for entry in ledger.calls.values()
        if not entry.refused
    )
    return calls + sum(session.closed for session in outcome.ivr.sessions)


async def _views(
    node: Vigie, outcome: Outcome, stored: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The latest session of each call: open ones of the API, closed ones of PostgreSQL."""
    views = {view["call"]: view for view in stored}
    calls = [call for _, ledger in outcome.feeds for call in ledger.calls]
    calls += [session.call for session in outcome.ivr.sessions]
    for call in calls:
        if call not in views:
            query = {"call": call, "sort": "opened", "order": "desc", "limit": 1}
            items = (await node.wait_api("GET", "sessions", query))["items"]
            if items:
                views[call] = items[0]
    return views


def _of_calls(outcome: Outcome, views: Mapping[str, Mapping[str, Any]]) -> list[Promise]:
    entries = [entry for _, ledger in outcome.feeds for entry in ledger.calls.values()]
    differences = compare(entries, views, outcome.region)
    acked = sum(entry.acked for entry in entries)
    sent = sum(entry.applied for entry in entries)
    untold = [
        entry.call for entry in entries if entry.call in views and "events" not in views[entry.call]
    ]
    return [
        verdict.none_of(
            f"every acknowledged event is known once, states and targets agree ({len(entries)} "
            f"calls, {sent} events)",
            differences,
        ),
        verdict.none_of("vigie tells how many events it has applied", untold),
        Promise("every event is acknowledged in the end", acked == sent, f"{acked} of {sent}"),
    ]


def _of_requests(outcome: Outcome) -> list[Promise]:
    total: Counter[str] = Counter()
    for report, _ in outcome.feeds:
        for name in (*REQUESTS, "lost", "doubled"):
            total[name] += getattr(report, name)
    doubled = [said for report, _ in outcome.feeds for said in report.contradictions]
    faults = [fault for report, _ in outcome.feeds for fault in report.faults]
    accounted = total["answered"] + total["given_up"] + total["lost"]
    in_time = total["answered"] - total["answered_after_resume"]
    return [
        Promise(
            "every route request is answered in time, after a resume, or given up by the peer",
            accounted == total["sent"],
            {name: total[name] for name in REQUESTS} | {"answered_in_time": in_time},
        ),
        Promise(
            f"at most {UNANSWERED:.0%} of them run out of time in a pause on a link that holds",
            total["lost"] <= UNANSWERED * total["sent"],
            total["lost"],
        ),
        verdict.none_of("no two different answers for one xref", doubled, total["doubled"]),
        verdict.none_of("vigie keeps to the contract of the link", faults),
    ]


def _of_applications(outcome: Outcome, views: Mapping[str, Mapping[str, Any]]) -> list[Promise]:
    book = outcome.ivr
    sure = [session for session in book.sessions if session.session and not session.doubtful]
    at_the_end = [found for session in sure for found in _ended(session, views)]
    return [
        verdict.none_of("what applications were answered stays true while it runs", book.wrong),
        verdict.none_of(
            f"their sessions are as they were answered, once ({len(sure)} sessions, "
            f"{book.answered.total()} requests)",
            at_the_end,
        ),
        verdict.none_of("no application waits in vain", book.given_up),
    ]


def _ended(session: IvrSession, views: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    return list(contradictions(session, views.get(session.call), ended=True))


def _of_store(stored: list[dict[str, Any]]) -> list[Promise]:
    calls = Counter(view["call"] for view in stored)
    twice = [call for call, count in calls.items() if count > 1]
    return [
        verdict.none_of(f"no call is stored twice ({len(stored)} stored)", twice),
        verdict.none_of("no step of a journey is stored twice", doubled_steps(stored)),
    ]


async def _of_node(node: Vigie, outcome: Outcome) -> list[Promise]:
    left = await _wait_lingered(node, _open(outcome))
    alarms = (await node.wait_api("GET", "alarms"))["items"]
    chaos, restarts = outcome.chaos, outcome.restarts.get("node", 0)
    disturbed = 0 if chaos.upgrades is None else len(chaos.upgrades.killed)
    # Who is killed when another has just taken over is not missed.
    least = len(chaos.deaths) if chaos.upgrades is None else 0
    return [
        verdict.equal("what lives is what nobody has ended", left, _open(outcome)),
        verdict.none_of("no alarm is left", alarms),
        verdict.none_of("every kind of actor was struck", chaos.choice.spared),
        Promise(
            "the node came back each time, and never ended by itself",
            least <= restarts <= len(chaos.deaths) + chaos.early + disturbed,
            f"{len(chaos.deaths)} killed, {disturbed} in upgrades, {restarts} restarts, "
            f"{chaos.early} actors struck while it started",
        ),
    ]


def facts(outcome: Outcome) -> dict[str, Any]:
    """What else is worth knowing of a run."""
    book, chaos = outcome.ivr, outcome.chaos
    return {
        "blows": dict(chaos.counts),
        "blows that found nobody": dict(chaos.missed),
        "actors struck": dict(sorted(chaos.choice.seen.items())),
        "links": vars(chaos.links.counts),
        "http connections": vars(chaos.http.counts),
        "upgrades": dict(chaos.upgrades.counts) if chaos.upgrades else {},
        "upgrades not done": dict(chaos.upgrades.said) if chaos.upgrades else {},
        "feeds": [_brief(report) for report, _ in outcome.feeds],
        "applications": {
            "answered": dict(book.answered),
            "broken": book.broken,
            "waited": book.waited,
            "longest_s": round(book.longest_s, 3),
            "broken_in_a_row": book.broken_in_a_row,
        },
        "node": {"before": outcome.before, "after": outcome.after, "restarts": outcome.restarts},
        "settings": dict(chaos.node.settings),
    }


def _brief(report: Any) -> dict[str, Any]:
    names = (
        *("sent", "answered", "answered_after_resume", "given_up", "refused", "lost", "late"),
        *("not_durable", "redecided"),
        *("repeated", "unasked", "held", "skipped", "reconnects", "resumed", "resume_lost"),
        *("resent", "asked_again", "acked", "unacked", "errors"),
    )
    latency = {"p50_ms": report.latency.p50_ms, "p99_ms": report.latency.p99_ms}
    return {name: getattr(report, name, None) for name in names} | latency
