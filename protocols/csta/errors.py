"""CSTAErrorCode, and which of its errors stands for which code of framing A's ``error``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from protocols.csta import kinds
from protocols.csta.fields import ROOT, Codec, Field, Kind
from protocols.csta.values import ErrorValue

if TYPE_CHECKING:
    from protocols.cti.messages import ErrorCode


class CSTAErrorCode(Struct, frozen=True):
    """A service was refused; UniversalFailure in ECMA-269.

    Attributes:
        error: why.
        detail: the element and the rule in words. It travels as an XML comment, for the schema has
            no place for it; nothing may depend on it.
    """

    error: ErrorValue = ErrorValue("unspecified")
    detail: str | None = None


_error = Kind(kinds.error_in, lambda root, _tag, value: kinds.write_error(root, value))

CODECS: Final = (
    Codec(
        "CSTAErrorCode",
        CSTAErrorCode,
        (Field("error", ROOT, _error), Field("detail", ROOT, kinds.COMMENT)),
    ),
)

OPERATION: Final = "operation"
RULE: Final = ErrorValue(OPERATION, "invalidParameterValue")
MISSING: Final = ErrorValue(OPERATION, "atLeastOneConditionalParameterNotProvided")
NOT_SERVED: Final = ErrorValue(OPERATION, "serviceNotSupported")
TOO_FAST: Final = ErrorValue("performanceManagement", "performanceLimitExceeded")
"""Over the rate; over the window it is "outstandingReqLimitExceeded"."""

_BY_CODE: Final[dict[int, ErrorValue]] = {
    400: RULE,
    401: ErrorValue(OPERATION, "securityViolation"),
    404: ErrorValue(OPERATION, "objectNotKnown"),
    409: ErrorValue("stateIncompatibility", "invalidObjectState"),
    413: ErrorValue(OPERATION, "valueOutOfRange"),
    429: ErrorValue("subscribedResourceAvailability", "outstandingReqLimitExceeded"),
    500: ErrorValue("systemResourceAvailibility", "generic"),
    503: ErrorValue("systemResourceAvailibility", "resourceBusy"),
}
_NOT_FOUND: Final[dict[str | None, ErrorValue]] = {
    "reg": ErrorValue(OPERATION, "invalidRouteRegistrationCrossRefID"),
    "xref": ErrorValue(OPERATION, "invalidRouteingCrossRefID"),
    "call": ErrorValue(OPERATION, "invalidCallID"),
    "monitor": ErrorValue(OPERATION, "invalidMonitorCrossRefID"),
}


def of_code(code: ErrorCode, field: str | None = None) -> ErrorValue:
    """The error of ECMA-269 that comes nearest.

    Args:
        code: of framing A's ``error``.
        field: that of framing A which breaks the rule; it tells what is not found.
    """
    if code == 404:  # noqa: PLR2004 - contract 3's code
        return _NOT_FOUND.get(field, _BY_CODE[404])
    return _BY_CODE[code]


def detail(field: str | None, rule: str) -> str:
    """The words that go with an error."""
    return f"{field}: {rule}" if field else rule
