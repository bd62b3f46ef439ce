"""session show, session find: what is known of calls."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer, segment
from actors.cli.text import columns, moment
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace

SESSION_ID = re.compile(r"[0-9a-f]{20,26}\Z")

_HEAD = ("call", "ani", "ani_type", "dnis", "digits", "lang", "rp", "auth_level", "rev")


def show(options: Namespace) -> Answer:
    """Show a call's context, journey and timings.

    Raises:
        Refusal: There is none.
    """
    with Peer(options.data) as peer:
        found = _by_call(peer, options.call)
        if found is None and SESSION_ID.match(options.call):
            found = peer.api("GET", f"sessions/{segment(options.call)}")
        if found is None:
            raise Refusal(ExitCode.FAILED, f"no session of call {options.call}", "call")
        across = _across(peer, found["session"])
    return Answer({**found, **across}, [*lines(found), *previous(across)])


def find(options: Namespace) -> Answer:
    """Find the sessions of a number, the latest first."""
    query = {"ani": options.ani, "sort": "opened", "order": "desc", "limit": options.limit}
    with Peer(options.data) as peer:
        found = peer.api("GET", "sessions", query)
    heading = ("OPENED", "CALL", "ANI", "STATE", "RP", "TARGET", "SESSION")
    rows = [_row(item) for item in found["items"]]
    if not rows:
        return Answer(found, [f"no session of {options.ani}"])
    return Answer(found, columns([heading, *rows]))


def lines(session: dict[str, Any]) -> list[str]:
    """Show a session to a human.

    Args:
        session: As the API gives it.

    Returns:
        Lines: the call, its routing, its journey, its timings, its user data.
    """
    times = {key: moment(session.get(key)) or "-" for key in ("opened", "updated", "expires")}
    head = [
        f"session {session['session']}  {session['state']}",
        *(f"  {key:<10} {text}" for key, text in times.items()),
        *(f"  {key:<10} {session[key]}" for key in _HEAD if session.get(key) is not None),
    ]
    return [
        *head,
        *_routing(session.get("routing") or {}),
        *_journey(session.get("journey") or []),
        *_pairs("timings", session.get("timings") or {}),
        *_pairs("customer", session.get("customer") or {}),
        *_pairs("user data", session.get("ud") or {}),
    ]


def previous(across: dict[str, Any]) -> list[str]:
    """Show the previous calls of a customer to a human.

    Args:
        across: The journey, as the API gives it; empty where it is not known.

    Returns:
        Lines: each call with its steps, and why some may be missing.
    """
    if not across:
        return []
    shown = [line for call in across["previous"] for line in _call(call)]
    missing = [] if across["complete"] else [f"  there may be more: {across['missing']}"]
    return ["previous calls", *(shown or ["  none"]), *missing]


def _call(call: dict[str, Any]) -> list[str]:
    target = (call.get("routing") or {}).get("target")
    words = (call["call"], call["state"], call.get("rp"), f"to {target}" if target else "")
    head = "  ".join(filter(None, (moment(call["opened"]), *words, f"by {call['link']}")))
    return [f"  {head}", *(f"  {line}" for line in _journey(call["journey"])[1:])]


def _across(peer: Peer, session: str) -> dict[str, Any]:
    """The previous calls; nothing of a session that does not answer any more."""
    try:
        found = peer.api("GET", f"sessions/{segment(session)}/journey", {"across": "1"})
    except Refusal as refusal:
        if refusal.code is ExitCode.FAILED:
            return {}
        return {"previous": [], "complete": False, "missing": str(refusal)}
    return {key: found[key] for key in ("previous", "complete", "missing")}


def _by_call(peer: Peer, call: str) -> dict[str, Any] | None:
    query = {"call": call, "sort": "opened", "order": "desc", "limit": 1}
    items: list[dict[str, Any]] = peer.api("GET", "sessions", query)["items"]
    return items[0] if items else None


def _row(session: dict[str, Any]) -> tuple[object, ...]:
    target = (session.get("routing") or {}).get("target")
    opened = moment(session["opened"])
    keys = ("call", "ani", "state", "rp")
    return opened, *(session.get(key) for key in keys), target, session["session"]


def _routing(routing: dict[str, Any]) -> list[str]:
    if not routing:
        return []
    kind, reason = routing.get("rtype"), routing.get("reason")
    ms = f" in {routing['ms']:.1f} ms" if routing.get("ms") is not None else ""
    why = [f"    {item if isinstance(item, str) else json.dumps(item)}" for item in routing["why"]]
    return [f"routed to {routing.get('target')} ({kind}, {reason}){ms}", *why]


def _journey(steps: list[dict[str, Any]]) -> list[str]:
    rows = [
        f"  {moment(step['ts'])}  {step['step']}  {step.get('app') or ''}  {_data(step)}".rstrip()
        for step in steps
    ]
    return ["journey", *rows] if rows else []


def _data(step: dict[str, Any]) -> str:
    return json.dumps(step["data"], ensure_ascii=False) if step.get("data") else ""


def _pairs(title: str, values: dict[str, Any]) -> list[str]:
    rows = [f"  {key:<18} {value}" for key, value in values.items()]
    return [title, *rows] if rows else []
