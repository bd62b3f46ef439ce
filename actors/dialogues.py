"""Routing dialogues: what was asked for a call, who waits for it and what they are told; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from actors.routing import ABANDONED, LATE, Decision, Marks
from actors.session_api import RouteAnswer, Routing
from protocols.cti.messages import EndCause, RouteEnd, RouteSelect


class Asker(Struct, frozen=True, omit_defaults=True):
    """Who waits for the answer of a dialogue, with the deadlines of its own request.

    Attributes:
        link: the link session; None for an IVR application, which the session's incarnation
            answers.
        i: the number of its frame.
        marks: the deadlines.
    """

    link: str | None
    i: int
    marks: Marks


class Dialogue(Struct, frozen=True, omit_defaults=True):
    """One routing dialogue: a route request and what became of it.

    Attributes:
        rp: where the call waits.
        askers: the links that wait for the answer.
        request_id: of the question to the router; None when it is answered.
        decision: the answer, the same for everyone who asks again.
        tried: targets that did not take the call.
        asked_at: monotonic seconds of the first request.
        silent_since: when it was answered, while nothing has been heard after that; monotonic
            seconds.
        before: what the call's routing was before a reroute was decided.
        prio: of the call, as its CTI has said; 0: it has not.
    """

    rp: str
    askers: tuple[Asker, ...]
    asked_at: float
    request_id: int | None = None
    decision: Decision | None = None
    tried: tuple[str, ...] = ()
    silent_since: float | None = None
    before: Routing | None = None
    prio: int = 0


def joined(dialogue: Dialogue, asker: Asker) -> Dialogue:
    """Have one more link wait; one that asks again before it is answered is answered once."""
    others = tuple(one for one in dialogue.askers if one.link != asker.link)
    return replace(dialogue, askers=(*others, asker))


Rerouting = Literal["unanswered", "wait", "repeat", "ask"]
"""What a reroute comes to: it is too early, it joins the one that is pending, it gets the answer
that the other link's reroute has had, or another target is looked for."""


def rerouted(dialogue: Dialogue, failed: str, asker: Asker) -> tuple[Rerouting, Dialogue]:
    """Take a request for another target; the same one, from whichever link, is answered once.

    Args:
        dialogue: as it is.
        failed: the target that did not take the call.
        asker: who asks again.

    Returns:
        What it comes to, and the dialogue then.
    """
    decision = dialogue.decision
    known = failed in dialogue.tried
    if decision is None:
        return ("wait", joined(dialogue, asker)) if known else ("unanswered", dialogue)
    if known and failed != decision.target:
        return "repeat", dialogue
    tried = dict.fromkeys(target for target in (*dialogue.tried, decision.target, failed) if target)
    asked = Dialogue(
        dialogue.rp, (asker,), asker.marks.read_at, tried=tuple(tried), prio=dialogue.prio
    )
    return "ask", asked


def rerouted_without(dialogue: Dialogue, failed: str) -> Dialogue | None:
    """The dialogue after a reroute that its link has answered by itself, and nobody waits for.

    Args:
        dialogue: decided.
        failed: the target that did not take the call.

    Returns:
        None where the reroute is known.
    """
    decision = dialogue.decision
    if decision is None or not failed or failed in dialogue.tried:
        return None
    tried = dict.fromkeys(target for target in (*dialogue.tried, decision.target, failed) if target)
    return Dialogue(dialogue.rp, (), dialogue.asked_at, tried=tuple(tried), prio=dialogue.prio)


def without(dialogue: Dialogue, link: str) -> Dialogue:
    """A link waits no more: it has had its answer otherwise."""
    return replace(dialogue, askers=tuple(asker for asker in dialogue.askers if asker.link != link))


def stands_corrected(dialogue: Dialogue, failed: str, applied: Sequence[str]) -> bool:
    """Whether the answer that a link gave by itself takes the place of a decision that was told.

    It does where it is to the question that was decided, and no link but that one can have heard
    of the decision: what the link was told then came too late for its peer.

    Args:
        dialogue: decided.
        failed: the target that the link was asked to replace; empty for a first request.
        applied: of the session.
    """
    asked = dialogue.tried[-1] if dialogue.tried else ""
    return asked == failed and len(applied) <= 2  # noqa: PLR2004 - one link session and its frames


def are_applications(askers: Sequence[Asker]) -> bool:
    """Whether only an IVR application waits, which is told at once when the session dies."""
    if len(askers) == 1:  # nearly always
        return askers[0].link is None
    return bool(askers) and all(asker.link is None for asker in askers)


def first_default(askers: Sequence[Asker]) -> float:
    """When the default answer leaves: the earliest of those who wait, monotonic seconds."""
    if len(askers) == 1:  # nearly always
        return askers[0].marks.default_at
    return min(asker.marks.default_at for asker in askers)


def are_guarded(askers: Sequence[Asker], now: float) -> bool:
    """Whether the links of all who wait have answered in the place of the session by ``now``."""
    return all(asker.link is not None and asker.marks.guard_at <= now for asker in askers)


def last_moment(askers: Sequence[Asker]) -> float:
    """Until when a default answer may wait to be durable, before links answer by themselves."""
    return min((asker.marks.default_at + asker.marks.guard_at) / 2 for asker in askers)


def for_link(
    decision: Decision,
    xref: str,
    session: str,
    rev: int,
    along: Mapping[str, str] | None = None,
    *,
    durable: bool | None = None,
) -> RouteSelect | RouteEnd:
    """What a link is told: where the call goes, or that no target is left.

    Args:
        decision: the answer.
        xref: of the dialogue.
        session: the session's id.
        rev: the session's revision.
        along: what goes along besides what the decision says.
        durable: False where it leaves before it is in the journal.
    """
    if not decision.target:
        # Nobody but a link that answers for a mute session decides late for no target at all.
        if decision.reason == ABANDONED:
            return RouteEnd(xref=xref, cause="abandoned")
        cause: EndCause = "timeout" if decision.reason == LATE else "no-agent"
        return RouteEnd(xref=xref, cause=cause, detail=decision.reason)
    return RouteSelect(
        xref=xref,
        target=decision.target,
        rtype=decision.rtype,
        session=session,
        rev=rev,
        reason=decision.reason,
        alt=list(decision.alt) or None,
        retries=len(decision.alt) or None,
        ud={**(along or {}), **dict(decision.send)} or None,
        treat=dict(decision.treat) or None,
        stale=decision.stale or None,
        durable=durable,
    )


def for_application(
    decision: Decision,
    session: str,
    rev: int,
    along: Mapping[str, str] | None = None,
    *,
    durable: bool | None = None,
) -> RouteAnswer:
    """What an IVR application is told.

    Args:
        decision: the answer.
        session: the session's id.
        rev: the session's revision.
        along: what goes along besides what the decision says.
        durable: False where it leaves before it is in the journal.
    """
    return RouteAnswer(
        target=decision.target,
        rtype=decision.rtype,
        session=session,
        rev=rev,
        reason=decision.reason,
        alt=list(decision.alt) or None,
        retries=len(decision.alt) or None,
        ud={**(along or {}), **dict(decision.send)} or None,
        treat=dict(decision.treat) or None,
        stale=decision.stale or None,
        durable=durable,
    )
