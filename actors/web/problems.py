"""The problems of this application, and how refusals of its parts become problems."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from actors import session_api, session_changes
from actors.channels.conversations import ConversationFull
from actors.customer_access import RETRY_AFTER_S as CUSTOMERS_RETRY_S
from actors.customer_access import CustomersUnavailable, NoSuchCustomer, NotANumber
from actors.overload import RETRY_AFTER_S
from actors.reference_access import TableRefused, TablesUnavailable
from actors.routing_access import RouterUnavailable, RulesRefused
from actors.routing_core.rules_file import RulesInvalid
from actors.web import once
from actors.web.event_hub import TooManySubscriptions
from actors.web.tokens import TooManyTokens
from protocols.http import etag, problem
from protocols.http.problem import HttpProblem, ProblemType
from supervision.anchor.messages import ExitCode, Refusal
from supervision.introspection import (
    ActionRefused,
    CallbackFailed,
    LimitReached,
    NoSuchActor,
    NoSuchProbe,
    NoSuchTrace,
    NotPlain,
    NotRunning,
    NotSuspended,
    OutOfBounds,
    StillBusy,
)

NO_SUCH_ACTOR = ProblemType("no-such-actor", 404, "No actor has this path")
ACTION_REFUSED = ProblemType("action-refused", 409, "This cannot be done to the actor")
ACTOR_BUSY = ProblemType("actor-busy", 409, "The actor's handler has not ended in time")
NOT_SUSPENDED = ProblemType("not-suspended", 409, "The actor must be suspended first")
CALLBACK_FAILED = ProblemType("callback-failed", 409, "A callback of the actor failed")
STATE_NOT_PLAIN = ProblemType("state-not-plain", 409, "The state cannot be patched so")
LIMIT_REACHED = ProblemType("limit-reached", 429, "As much is watched as may be at once")
NOT_RUNNING = ProblemType("not-running", 409, "The actor does not run now")
NO_SUCH_PROBE = ProblemType("no-such-probe", 404, "The actor has no probe of this name")
NO_SUCH_TRACE = ProblemType("no-such-trace", 404, "No trace has this id")
NO_SUCH_SESSION = ProblemType("no-such-session", 404, "No session has this id")
NO_SUCH_CUSTOMER = ProblemType("no-such-customer", 404, "The number is no customer's")
NO_SUCH_MESSAGE = ProblemType("no-such-message", 404, "No message of this name is kept")
NO_SUCH_SOURCE = ProblemType("no-such-source", 404, "No source of social media has this name")
SIGNATURE_INVALID = ProblemType("signature-invalid", 401, "The request is not signed as it must be")
EVENT_REUSED = ProblemType("event-reused", 409, "An event of this id had another content")
NO_SUCH_CHANNEL = ProblemType("no-such-channel", 404, "The channel is not enabled")
ORIGIN_REFUSED = ProblemType("origin-refused", 403, "Pages of this origin may not connect")
UPGRADE_REQUIRED = ProblemType("upgrade-required", 426, "This address speaks WebSocket")
TOO_MANY_VISITORS = ProblemType("too-many-visitors", 503, "As many visitors are there as may")
ONE_WAY = ProblemType("one-way-channel", 409, "Nothing can be said through this channel")
CONVERSATION_FULL = ProblemType("conversation-full", 409, "It has as many messages as it may")
TOO_MANY_EVENTS = ProblemType("too-many-events", 429, "The source sends more than it may")
NO_SUCH_TOKEN = ProblemType("no-such-token", 404, "No token has this id")
NO_SUCH_RELEASE = ProblemType("no-such-release", 404, "No release of this version is installed")
RELEASE_REFUSED = ProblemType("release-refused", 409, "This cannot be done with releases now")
RELEASE_BUSY = ProblemType("release-busy", 409, "Another step of a release is under way")
NO_SUCH_TABLE = ProblemType("no-such-table", 404, "No reference table has this name")
NO_SUCH_ROW = ProblemType("no-such-row", 404, "The table has no row of this key")
TABLE_REFUSED = ProblemType("table-refused", 409, "This cannot be done with the table now")
TABLE_FILE_INVALID = ProblemType("table-file-invalid", 422, "The file of a table has mistakes")
RULES_REFUSED = ProblemType("rules-refused", 409, "The router does not take this now")
RULES_INVALID = ProblemType("rules-invalid", 422, "The rules of routing have mistakes")
SESSION_CLOSED = ProblemType("session-closed", 410, "The session is closed")
USER_DATA_TOO_LARGE = ProblemType("user-data-too-large", 413, "The user data would be too large")
STEP_DATA_TOO_LARGE = ProblemType("step-data-too-large", 413, "The step's data is too large")
TOO_MANY_STREAMS = ProblemType("too-many-streams", 429, "As many event streams are open as may")
TOO_MANY_TOKENS = ProblemType("too-many-tokens", 429, "As many tokens exist as may")
OVERLOADED = ProblemType("overloaded", 429, "More is asked of the node than it can do in time")
TOO_MANY_CONNECTIONS = ProblemType(
    "too-many-connections", 503, "As many connections are open as may"
)

_ANCHOR_RETRY_S = 5.0
_SILENT = "the session, or the store of closed ones, cannot answer now"


def of(error: Exception, method: str) -> HttpProblem:
    """Make the problem of what a part of the node refused.

    Args:
        error: One of `DOMAIN_ERRORS`.
        method: Of the request: one that reads has changed nothing.
    """
    if isinstance(error, session_api.Busy) and method == "GET":
        return unavailable(f"{_SILENT}: ask again", error.retry_after_s)
    return _MAKERS[type(error)](error)


def unavailable(detail: str, retry_after_s: float) -> HttpProblem:
    """Make the problem of something that cannot be answered now (503).

    Args:
        detail: What cannot be answered.
        retry_after_s: When to ask again, seconds from now.
    """
    headers = {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
    return HttpProblem(problem.UNAVAILABLE, detail, headers=headers)


def overloaded(rule: str) -> HttpProblem:
    """Make the problem of what is refused so that the rest is answered in time (429).

    Args:
        rule: What `Overload.refuses` said.
    """
    headers = {"Retry-After": str(max(1, math.ceil(RETRY_AFTER_S)))}
    return HttpProblem(OVERLOADED, "nothing has been done", rule=rule, headers=headers)


def _user_data(error: session_api.UserDataLimit) -> HttpProblem:
    rule = f"at most {error.limit} bytes"
    return HttpProblem(USER_DATA_TOO_LARGE, f"ud takes {rule}", field="ud", rule=rule)


def _step_data(error: session_api.StepDataLimit) -> HttpProblem:
    rule = f"at most {error.limit} bytes"
    return HttpProblem(STEP_DATA_TOO_LARGE, f"data takes {rule}", field="data", rule=rule)


def _refused(kind: ProblemType) -> Callable[[ActionRefused], HttpProblem]:
    return lambda error: HttpProblem(kind, str(error), field="path", rule=error.rule)


def _limit(error: LimitReached) -> HttpProblem:
    rule = f"at most {error.limit} {error.what}"
    return HttpProblem(
        LIMIT_REACHED, "end one first, or ask again", rule=rule, headers={"Retry-After": "5"}
    )


def _release(error: Refusal) -> HttpProblem:
    match error.code:
        case ExitCode.UNREACHABLE:
            return unavailable(error.msg, _ANCHOR_RETRY_S)
        case ExitCode.TRY_AGAIN:
            return HttpProblem(RELEASE_BUSY, error.msg)
        case _:
            return HttpProblem(RELEASE_REFUSED, error.msg, field=error.field)


def _streams(error: TooManySubscriptions) -> HttpProblem:
    rule = f"at most {error.limit} event streams"
    headers = {"Retry-After": "5"}
    return HttpProblem(TOO_MANY_STREAMS, "close one first", rule=rule, headers=headers)


_TABLE_KINDS = {
    "unknown-table": NO_SUCH_TABLE,
    "unknown-key": NO_SUCH_ROW,
    "invalid-file": TABLE_FILE_INVALID,
}


def _table(error: TableRefused) -> HttpProblem:
    refused = error.refused
    kind = _TABLE_KINDS.get(refused.why, TABLE_REFUSED)
    mistakes = [
        {"line": one.line, "column": one.column, "rule": one.rule, "value": one.value}
        for one in refused.mistakes
    ]
    extra = {"why": refused.why} | ({"mistakes": mistakes} if mistakes else {})
    return HttpProblem(kind, refused.rule, field=refused.field, rule=refused.rule, extra=extra)


def _rules(error: RulesInvalid) -> HttpProblem:
    first, count = error.mistakes[0], len(error.mistakes)
    mistakes = [
        {"line": one.line, "key": one.key, "rule": one.rule, "value": one.value}
        for one in error.mistakes
    ]
    detail = "1 mistake" if count == 1 else f"{count} mistakes"
    return HttpProblem(
        RULES_INVALID,
        detail,
        field=first.key or "toml",
        rule=first.rule,
        extra={"mistakes": mistakes},
    )


_MAKERS: dict[type[Exception], Callable[[Any], HttpProblem]] = {
    session_api.NoSuchSession: lambda _: HttpProblem(
        NO_SUCH_SESSION, "the id is unknown here and in the store", field="session"
    ),
    session_api.SessionClosed: lambda _: HttpProblem(
        SESSION_CLOSED,
        "it takes no changes, and can be read until its linger time is over",
        field="session",
    ),
    session_api.RevConflict: lambda error: etag.stale(error.current_rev),
    session_api.UserDataLimit: _user_data,
    session_api.StepDataLimit: _step_data,
    session_api.KeyUsedOtherwise: lambda _: once.reused(),
    session_api.Busy: lambda error: unavailable(
        f"{_SILENT}; a change may have been made: repeat it with its Idempotency-Key",
        error.retry_after_s,
    ),
    ConversationFull: lambda error: HttpProblem(
        CONVERSATION_FULL, "open another one", field="session", rule=str(error)
    ),
    session_changes.InvalidChange: lambda error: problem.invalid(error.field, error.rule),
    NotANumber: lambda _: problem.invalid(
        "msisdn", "a number of the public network, as E.164 has it"
    ),
    NoSuchCustomer: lambda _: HttpProblem(
        NO_SUCH_CUSTOMER, "neither the tables nor the database know it", field="msisdn"
    ),
    CustomersUnavailable: lambda error: unavailable(
        f"the database cannot tell now, and nothing is cached: {error}", CUSTOMERS_RETRY_S
    ),
    NoSuchActor: lambda error: HttpProblem(NO_SUCH_ACTOR, str(error), field="path"),
    NotRunning: lambda error: HttpProblem(
        NOT_RUNNING, str(error), field="path", rule=f"running, not {error.status}"
    ),
    NoSuchProbe: lambda error: HttpProblem(NO_SUCH_PROBE, str(error), field="probe"),
    ActionRefused: _refused(ACTION_REFUSED),
    NotSuspended: _refused(NOT_SUSPENDED),
    StillBusy: _refused(ACTOR_BUSY),
    CallbackFailed: _refused(CALLBACK_FAILED),
    NotPlain: lambda error: HttpProblem(
        STATE_NOT_PLAIN, str(error), field=error.field, rule=error.rule
    ),
    NoSuchTrace: lambda error: HttpProblem(NO_SUCH_TRACE, str(error), field="trace"),
    OutOfBounds: lambda error: problem.invalid(error.field, error.rule),
    LimitReached: _limit,
    TooManyTokens: lambda error: HttpProblem(TOO_MANY_TOKENS, "revoke one first", rule=str(error)),
    TooManySubscriptions: _streams,
    Refusal: _release,
    TableRefused: _table,
    RulesInvalid: _rules,
    RulesRefused: lambda error: HttpProblem(
        RULES_REFUSED,
        "nothing has changed",
        field=error.refused.field,
        rule=error.refused.rule,
    ),
    RouterUnavailable: lambda error: unavailable(str(error), 1.0),
    TablesUnavailable: lambda error: unavailable(str(error), 1.0),
}
DOMAIN_ERRORS = tuple(_MAKERS)
"""What parts of the node refuse with; `of` makes problems of them."""
