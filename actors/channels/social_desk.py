"""What becomes of the events that social media send: checked, and in their conversations."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict

from actors.channels.messages import Arrival, Message
from actors.channels.rate import Rate
from actors.session_api import Busy, IdempotentKey, KeyUsedOtherwise, StepDataLimit
from protocols.cti.messages import Name
from protocols.http.signature import SIGNATURE, TIMESTAMP, SignatureRefused, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.channels.conversations import Conversations
    from actors.channels.counts import ChannelCounts
    from actors.channels.messages import Received
    from actors.channels_config import SocialConfig, SocialSource
    from supervision.clock import Clock

Handle = Annotated[str, Meta(min_length=1, max_length=128)]
Link = Annotated[str, Meta(min_length=1, max_length=512)]


class SocialAttachment(Struct, frozen=True, kw_only=True):
    """Something that a message has besides its text; the platform keeps it.

    Attributes:
        type: Such as `image`.
        url: Where it is.
        name: What it is called.
    """

    type: Annotated[str, Meta(min_length=1, max_length=64)]
    url: Link
    name: Annotated[str, Meta(max_length=64)] = ""


class SocialEvent(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message of somebody.

    Attributes:
        id: Unique at the source; it is taken once.
        sender: Who says it: a handle, or a number; `from` in JSON.
        to: The account that it is addressed to.
        text: What it says.
        thread: The platform's conversation; empty where it has one for each sender.
        name: What the sender is called.
        lang: Of the sender.
        attachments: What it has besides.
    """

    id: Annotated[str, Meta(min_length=1, max_length=255)]
    sender: Handle
    to: Handle
    text: Annotated[str, Meta(max_length=2_000)] = ""
    thread: Annotated[str, Meta(max_length=255)] = ""
    name: Annotated[str, Meta(max_length=128)] = ""
    lang: Annotated[str, Meta(max_length=16)] | None = None
    attachments: Annotated[list[SocialAttachment], Meta(max_length=3)] = []


class SocialEvents(Struct, frozen=True, kw_only=True):
    """A request of a source.

    Attributes:
        events: In the order in which they are to be taken.
    """

    events: Annotated[list[SocialEvent], Meta(min_length=1, max_length=100)]


class SocialTaken(Struct, frozen=True):
    """An event that is durable.

    Attributes:
        id: Of the event.
        session: Where its message is.
        outcome: `opened`, `joined` or `repeated`.
    """

    id: Name
    session: str
    outcome: str


class SocialRefused(Exception):  # noqa: N818 - named for what it says of the request
    """A request is refused.

    Args:
        why: what is wrong, in a word for counters: ``unknown``, ``signature``, ``down``,
            ``overload``, ``rate`` or ``reused``.
        field: what of the request.
        rule: what should hold.
    """

    def __init__(self, why: str, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.why = why
        self.field = field
        self.rule = rule


class SocialDesk:
    """Takes events in.

    Args:
        config: ``[channels.social]``.
        conversations: of the node.
        counts: of social media.
        refuses: why nothing new is begun now; empty where it is.
        clock: of the node.

    Attributes:
        serving: whether socialServer runs.
    """

    def __init__(
        self,
        config: SocialConfig,
        conversations: Conversations,
        counts: ChannelCounts,
        refuses: Callable[[], str],
        clock: Clock,
    ) -> None:
        self.config = config
        self.counts = counts
        self.serving = False
        self._conversations = conversations
        self._refuses = refuses
        self._clock = clock
        now = clock.monotonic()
        self._rates = {name: Rate(config.max_events_per_s, now) for name in config.sources}

    def refused(self, why: str, field: str, rule: str) -> SocialRefused:
        """Count a refusal; the caller raises it."""
        self.counts.count(f"refused-{why}")
        return SocialRefused(why, field, rule)

    def source(self, name: str) -> SocialSource:
        """A source.

        Raises:
            SocialRefused: There is none of this name, or socialServer does not run.
        """
        source = self.config.sources.get(name)
        if source is None:
            raise self.refused("unknown", "source", "a source of channels.social.sources")
        if not self.serving:
            raise self.refused("down", "channel", "socialServer is between two lives")
        return source

    def check(self, name: str, headers: Mapping[str, str], body: bytes) -> None:
        """Check the signature of a request.

        Args:
            name: of the source.
            headers: of the request, by lower-case name.
            body: as it came.

        Raises:
            SocialRefused: It is not signed, or not by the source.
        """
        source = self.source(name)
        stamp, signed = headers.get(TIMESTAMP.lower()), headers.get(SIGNATURE.lower())
        wall, age = self._clock.wall(), self.config.max_age_s
        try:
            verify(source.secrets, stamp, signed, body, wall=wall, max_age_s=age)
        except SignatureRefused as refusal:
            raise self.refused("signature", refusal.field, refusal.rule) from None

    def challenge(self, name: str, token: str) -> None:
        """Check that whoever subscribes knows the source's token.

        Raises:
            SocialRefused: It does not.
        """
        known = self.source(name).verify_token
        if not known or not hmac.compare_digest(known.encode(), token.encode()):
            raise self.refused("signature", "hub.verify_token", "the token of the source")

    async def take(self, name: str, events: SocialEvents) -> list[SocialTaken]:
        """Take the events of a request, one after the other; those that were taken stay so.

        Raises:
            SocialRefused: Overload, or too many; or an id came with another content before.
            Busy: The journal does not take them now.
            StepDataLimit: A message is longer than the data of a step may be.
        """
        rule = self._refuses()
        if rule:
            raise self.refused("overload", "events", rule)
        if not self._rates[name].takes(self._clock.monotonic(), len(events.events)):
            most = self.config.max_events_per_s
            raise self.refused("rate", "events", f"channels.social.max_events_per_s is {most}")
        return [await self._take(name, event) for event in events.events]

    async def _take(self, name: str, event: SocialEvent) -> SocialTaken:
        arrival = arrival_of(name, self.config.sources[name], event)
        try:
            received: Received = await self._conversations.receive(arrival)
        except KeyUsedOtherwise:
            rule = f"{event.id} came with another content before"
            raise self.refused("reused", "events[].id", rule) from None
        except Busy:
            self.counts.count("refused-busy")
            raise
        except StepDataLimit:
            self.counts.count("refused-size")
            raise
        self.counts.count(received.outcome)
        return SocialTaken(event.id, received.session, received.outcome)


def arrival_of(name: str, source: SocialSource, event: SocialEvent) -> Arrival:
    """What an event is to a conversation.

    Args:
        name: of the source.
        source: its configuration.
        event: checked.
    """
    key = f"social:{name}:{event.id}"
    said = f"{event.sender}\0{event.to}\0{event.thread}\0{event.text}"
    mark = hashlib.sha256(said.encode()).hexdigest()[:16]
    extra: dict[str, Any] = {"print": mark}
    if event.attachments:
        extra["attached"] = [asdict(one) for one in event.attachments]
    return Arrival(
        media="social",
        call=f"social-{hashlib.sha256(key.encode()).hexdigest()[:32]}",
        once=IdempotentKey(key, mark),
        thread=event.thread or f"{event.sender} {event.to}",
        ani=event.sender if source.numbers else f"{name}:{event.sender}",
        number=source.numbers,
        dnis=event.to,
        rp=source.rp,
        lang=event.lang,
        ud={
            "source": name,
            "from": event.sender,
            "name": event.name,
            "thread": event.thread or f"{event.sender} {event.to}",
        },
        message=Message(side="customer", text=event.text, id=event.id, extra=extra),
    )
