"""What is asked of a call's session and what it answers: the contract of `callSession`.

The HTTP API, the CTI links and the control channel all speak these records; names and meanings are
those of the outside contract. The records carry data only. A request that a session must refuse is
answered with one of the refusals at the end, never with an exception across actors; whoever calls
a session for a caller outside the tree turns them into the errors of `Sessions`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from protocols.cti.messages import AniType, Name, RouteType, Text, UserData

SESSION_ID = re.compile(r"[0-9a-f]{20,26}")
USER_DATA_KEY = "ud."
MAX_KEY_CHARS = 255

SessionState: TypeAlias = Literal[
    "new", "ivr", "queued", "ringing", "connected", "held", "wrapup", "closed"
]

AuthLevel = Annotated[int, Meta(ge=0, le=100)]


class JourneyStep(Struct, frozen=True, kw_only=True):
    """One step of the caller's journey.

    Attributes:
        ts: When, seconds since the epoch.
        step: Name of the step in the application.
        ev: What happened in it.
        app: The application, None when it is not known.
        data: What the application noted.
    """

    ts: float
    step: str
    ev: str | None = None
    app: str | None = None
    data: dict[str, Any] = {}


class Routing(Struct, frozen=True, kw_only=True):
    """The last routing decision.

    Attributes:
        target: Where the call was sent.
        rtype: What kind of target it is.
        reason: Why, in one word that statistics count.
        ts: When it was decided, seconds since the epoch.
        ms: How long the decision took, milliseconds.
        why: The steps of the decision, for a person.
    """

    target: str
    rtype: RouteType
    reason: str
    ts: float
    ms: float
    why: tuple[str, ...] = ()


class SessionView(Struct, frozen=True, kw_only=True):
    """A session as others see it.

    Attributes:
        session: Its id, `[0-9a-f]{20,26}`.
        rev: Version of what a caller may change: `auth_level`, `lang`, `digits`, user data.
        call: The call's id at the switch.
        timings: Milliseconds spent, by the part that spent them.
        ud: User data.
        not_icm_portable: Keys of it that ICM would cut: over 32 characters, or values over 210.
        opened: When it was opened; `updated`, `expires` likewise, seconds since the epoch.
        events: How many call events have been applied; one that both links tell is one.
        durable: False where a crash now would take back some of it, for the journal fails; absent
            otherwise.
        prev_call: The call that this one comes of, where the CTI has said so; absent otherwise.
        ucid: The universal call id, which goes on from leg to leg; absent where it is not known.
    """

    session: str
    rev: int
    state: SessionState
    call: str
    opened: float
    updated: float
    expires: float | None = None
    ani: str | None = None
    ani_type: AniType | None = None
    dnis: str | None = None
    digits: str | None = None
    lang: str | None = None
    media: str | None = None
    customer: dict[str, Any] | None = None
    platform: str | None = None
    rp: str | None = None
    auth_level: int = 0
    journey: list[JourneyStep] = []
    routing: Routing | None = None
    timings: dict[str, float] = {}
    ud: UserData = {}
    not_icm_portable: list[str] = []
    events: int = 0
    durable: bool | UnsetType = UNSET
    prev_call: str | UnsetType = UNSET
    ucid: str | UnsetType = UNSET


class IdempotentKey(Struct, frozen=True, array_like=True, gc=False):
    """Says that a request is to be applied once, however often it is sent.

    Attributes:
        key: whose it is and what it is called; no two callers share one.
        fingerprint: of the request's content; the key with another one is refused.
    """

    key: str
    fingerprint: str


class OpenSession(Struct, frozen=True, kw_only=True):
    """Open a session for a call that has none; with one already open, that one is meant."""

    call: Name
    ani: Text | None = None
    dnis: Text | None = None
    app: Text | None = None
    lang: Text | None = None
    ud: UserData = {}
    prev_call: Name | None = None
    ucid: Name | None = None
    once: IdempotentKey | None = None


class OpenFromChannel(Struct, frozen=True, kw_only=True):
    """Open a session for what has come by a channel that is no telephone: mail, chat, social.

    Attributes:
        call: An id of it, in the place of a call's.
        media: Which channel.
        ani: Who it is from; no number unless `number` says so.
        dnis: What it is addressed to.
        rp: The routing point where it waits.
        number: Whether `ani` is a telephone number, to be normalised.
        first: The message that it begins with.
        once: Its idempotency key: it is opened once, however often the message comes.
    """

    call: Name
    media: Name
    ani: Text
    dnis: Text
    rp: Name
    once: IdempotentKey
    first: JourneyStep
    number: bool = False
    lang: Text | None = None
    ud: UserData = {}


class FindSessions(Struct, frozen=True, kw_only=True):
    """Look sessions up by the call's id or by the caller's number.

    Attributes:
        call: The call's id, or None.
        ani: The caller's number in any notation, or None; exactly one of the two is given.
        open_only: Leave out the closed ones.
        limit: Greatest number of sessions wanted, the latest opened first.
    """

    call: Name | None = None
    ani: Text | None = None
    open_only: bool = False
    limit: int = 500


class GetSession(Struct, frozen=True):
    """Ask a session for its view; answered with `SessionView`.

    Or with `NotDurable`, where the journal fails, has not taken what the session is now, and
    `journal.on_stall` is `refuse`.
    """


class PatchSession(Struct, frozen=True, kw_only=True):
    """Change what a caller may change, if nobody else has; checked with `check_changes`.

    Answered with `SessionView`, `RevStale`, `UserDataTooLarge` or `SessionOver`.

    Attributes:
        rev: The revision that the change was based on.
        set: New values by key: `auth_level`, `lang`, `digits`, `ud.KEY`.
        delete: Keys that get back the value of a new session, or are dropped.
    """

    rev: int
    set: dict[str, Any] = {}
    delete: list[str] = []


class AddJourneyStep(Struct, frozen=True, kw_only=True):
    """Note a step of the journey; answered with `SessionView`, `SessionOver` or `KeyReused`."""

    ev: Name
    step: Name
    app: Text | None = None
    data: dict[str, Any] = {}
    once: IdempotentKey | None = None


class RouteFromIvr(Struct, frozen=True):
    """Ask where the call should go from here.

    Answered with `RouteAnswer`, `SessionOver` or `KeyReused`; or `NotDurable`, where the decision
    could not be made durable in time and `journal.on_stall` is `refuse`.
    """

    rp: Name
    once: IdempotentKey | None = None


class RouteAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A routing decision, with the fields of `route.select`."""

    target: str
    rtype: RouteType
    session: str
    rev: int
    reason: str
    alt: list[str] | None = None
    retries: int | None = None
    used_req: bool | None = None
    ud: UserData | None = None
    ud_del: list[str] | None = None
    treat: dict[str, Any] | None = None
    stale: bool | None = None
    durable: bool | None = None


class CloseSession(Struct, frozen=True):
    """End the session; answered with `SessionView`, also when it is closed already.

    Or with `KeyReused`.
    """

    reason: Text = ""
    once: IdempotentKey | None = None


class OpenAgain(Struct, frozen=True):
    """Tell a session that is there of a request to open one for its call.

    Answered with `SessionView`, `Repeated` or `KeyReused`.

    Attributes:
        once: The key of that request.
    """

    once: IdempotentKey


class Repeated(Struct, frozen=True):
    """The answer to a request whose idempotency key is known: nothing was done again.

    Attributes:
        answer: A decision as it was then, or the session as it is now.
        detail: What the first answer said besides: of an opening, 1 where it was one; of a step,
            how many steps there were then.
    """

    answer: SessionView | RouteAnswer
    detail: int


class Done(Struct, frozen=True):
    """What became of a request, for whoever answers a caller outside.

    Attributes:
        value: The session, or the decision.
        created: Whether the request opened the session.
        steps: How many steps the journey had then, of `AddJourneyStep`.
        repeated: Whether it had been done before, under the same idempotency key.
    """

    value: SessionView | RouteAnswer
    created: bool = False
    steps: int = 0
    repeated: bool = False


class RevStale(Struct, frozen=True):
    """Refusal: the change was based on another revision than `rev`, the current one."""

    rev: int


class UserDataTooLarge(Struct, frozen=True):
    """Refusal: the user data would take more than `limit` bytes."""

    limit: int


class SessionOver(Struct, frozen=True):
    """Refusal: the session is closed: it can be read until its linger time is over, not changed."""


class KeyReused(Struct, frozen=True):
    """Refusal: the idempotency key came with a request of other content before."""


class NotDurable(Struct, frozen=True):
    """Refusal: nothing has been promised, for the journal does not take it in time."""


SessionRefusal: TypeAlias = RevStale | UserDataTooLarge | SessionOver | KeyReused | NotDurable
SessionReply: TypeAlias = SessionView | RouteAnswer | Repeated | SessionRefusal


class SessionError(Exception):
    """A session could not do what it was asked."""


class NoSuchSession(SessionError):  # noqa: N818 - named for what it says of the session
    """There is no such session, here or in the store."""


class SessionClosed(SessionError):  # noqa: N818 - named for what it says of the session
    """The session is closed; it no longer answers."""


class RevConflict(SessionError):  # noqa: N818 - named for what it says of the session
    """The change was based on another revision.

    Args:
        current_rev: The revision that the session has now.
    """

    def __init__(self, current_rev: int) -> None:
        super().__init__(f"the current revision is {current_rev}")
        self.current_rev = current_rev


class UserDataLimit(SessionError):  # noqa: N818 - named for what it says of the session
    """The user data would be larger than allowed.

    Args:
        limit: The greatest size, bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"user data takes at most {limit} bytes")
        self.limit = limit


class StepDataLimit(SessionError):  # noqa: N818 - named for what it says of the session
    """The data of a step of the journey is larger than allowed.

    Args:
        limit: The greatest size, bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"the data of a step takes at most {limit} bytes")
        self.limit = limit


class KeyUsedOtherwise(SessionError):  # noqa: N818 - named for what it says of the key
    """The idempotency key of a request came with other content before."""


class Busy(SessionError):  # noqa: N818 - named for what it says of the session
    """The session cannot answer now: it restarts, or the node is full.

    Args:
        retry_after_s: When to ask again, seconds from now.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s
