"""Webhooks of social media: signed requests of strangers, who have no token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from actors.channels.social_desk import SocialEvents, SocialRefused, SocialTaken
from actors.web import admission
from actors.web.api import Call, Operation, Reply, operation
from actors.web.dialect import Dialect
from actors.web.exchange import problem_response
from actors.web.problems import (
    EVENT_REUSED,
    NO_SUCH_SOURCE,
    OVERLOADED,
    SIGNATURE_INVALID,
    STEP_DATA_TOO_LARGE,
    TOO_MANY_EVENTS,
)
from protocols.http import media, problem, target
from protocols.http.signature import SIGNATURE, TIMESTAMP

if TYPE_CHECKING:
    from actors.channels.social_desk import SocialDesk
    from protocols.http.problem import HttpProblem

_PATH = "/channels/social/{source}"
_CHALLENGE = re.compile(r"[0-9A-Za-z_.-]{1,256}\Z")
TEXT = "text/plain"


class Taken(Struct, frozen=True):
    """What has become of the events, in their order; all of them are durable."""

    events: list[SocialTaken]


class Subscription(Struct, frozen=True):
    """How a platform asks whether it is wanted (WebSub's and Meta's `hub.*`)."""

    mode: str = field(name="hub.mode")
    token: str = field(name="hub.verify_token")
    challenge: str = field(name="hub.challenge")


def _json(content_type: str | None) -> None:
    if media.body_type(content_type) != media.JSON:
        raise problem.HttpProblem(
            problem.UNSUPPORTED_MEDIA_TYPE, "events are JSON", field="Content-Type", rule=media.JSON
        )


WEBHOOK = Dialect(
    media_type=media.JSON, query=target.query, content_type=_json, refusal=problem_response
)


@operation(
    "POST",
    _PATH,
    headers={
        TIMESTAMP: "Seconds since the epoch.",
        SIGNATURE: "sha256= and the HMAC-SHA256 of timestamp, a dot and the body, hexadecimal.",
    },
    problems=(
        problem.INVALID_VALUE,
        SIGNATURE_INVALID,
        NO_SUCH_SOURCE,
        EVENT_REUSED,
        problem.BODY_TOO_LARGE,
        STEP_DATA_TOO_LARGE,
        TOO_MANY_EVENTS,
        OVERLOADED,
        problem.UNAVAILABLE,
    ),
    remembered_by="nobody",
    dialect=WEBHOOK,
)
async def take_social_events(call: Call[None, bytes]) -> Reply:
    """Take the events of a source; 200 when all of them are durable."""
    desk, source, body = _desk(call), call.path["source"], call.body
    most = desk.config.max_body_bytes
    try:
        desk.source(source)
        if len(body) > most:
            desk.counts.count("refused-size")
            rule = f"at most {most} bytes"
            detail = f"a body takes {rule}"
            raise problem.HttpProblem(problem.BODY_TOO_LARGE, detail, field="body", rule=rule)
        desk.check(source, call.headers, body)
        admission.recovered(call.services, None)
        events = media.decode(body, media.JSON, SocialEvents)
        return Reply(value=Taken(await desk.take(source, events)))
    except SocialRefused as refusal:
        raise _problem(refusal) from None


@operation(
    "GET",
    _PATH,
    query=Subscription,
    media_types=(TEXT,),
    problems=(SIGNATURE_INVALID, NO_SUCH_SOURCE),
)
async def confirm_subscription(call: Call[Subscription, None]) -> Reply:
    """Say the challenge back to a platform that knows the source's token."""
    asked = call.query
    if asked.mode != "subscribe":
        raise problem.invalid("hub.mode", "subscribe")
    if not _CHALLENGE.match(asked.challenge):
        raise problem.invalid("hub.challenge", "1 to 256 letters, digits, _ . or -")
    try:
        _desk(call).challenge(call.path["source"], asked.token)
    except SocialRefused as refusal:
        raise _problem(refusal) from None
    return Reply(value=asked.challenge.encode())


def _desk(call: Call[Any, Any]) -> SocialDesk:
    desk = call.services.channels.social
    if desk is None:
        raise problem.HttpProblem(
            NO_SUCH_SOURCE,
            "the channel is not enabled",
            field="source",
            rule="a source of channels.social.sources",
        )
    return desk


_KINDS = {
    "unknown": NO_SUCH_SOURCE,
    "signature": SIGNATURE_INVALID,
    "reused": EVENT_REUSED,
    "rate": TOO_MANY_EVENTS,
    "overload": OVERLOADED,
    "down": problem.UNAVAILABLE,
}


def _problem(refusal: SocialRefused) -> HttpProblem:
    kind = _KINDS[refusal.why]
    return problem.HttpProblem(kind, str(refusal), field=refusal.field, rule=refusal.rule)


OPERATIONS: tuple[Operation, ...] = (take_social_events, confirm_subscription)
