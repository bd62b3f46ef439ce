"""Why a routing dialogue ends: framing A's causes, and ECMA-269's errors that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocols.csta.values import ErrorValue

if TYPE_CHECKING:
    from protocols.cti.messages import EndCause

_ERRORS: Final[dict[EndCause, ErrorValue]] = {
    "busy": ErrorValue("stateIncompatibility", "invalidCalledDeviceState"),
    "noanswer": ErrorValue("stateIncompatibility", "noCallToAnswer"),
    "invalid-dest": ErrorValue("operation", "invalidDestination"),
    "no-agent": ErrorValue("systemResourceAvailibility", "calledDeviceOutOfService"),
    "abandoned": ErrorValue("stateIncompatibility", "noActiveCall"),
    "timeout": ErrorValue("operation", "routeingTimerExpired"),
    "internal": ErrorValue("systemResourceAvailibility", "generic"),
}
_CAUSES: Final = {error: cause for cause, error in _ERRORS.items()}
_MORE: Final[dict[ErrorValue, EndCause]] = {
    ErrorValue("operation", "invalidCalledDeviceID"): "invalid-dest",
    ErrorValue("operation", "invalidDestinationDeviceID"): "invalid-dest",
    ErrorValue("stateIncompatibility", "noCallToClear"): "abandoned",
    ErrorValue("systemResourceAvailibility", "destinationDeviceOutOfService"): "no-agent",
    ErrorValue("systemResourceAvailibility", "resourceBusy"): "busy",
}
"""Read as well."""


def error_of(cause: EndCause) -> ErrorValue | None:
    """The ``errorValue`` of a RouteEnd; None where the dialogue ends as it should."""
    return _ERRORS.get(cause)


def cause_of(error: ErrorValue | None) -> tuple[EndCause, str | None]:
    """The cause of a RouteEnd, and what of its error the cause does not say."""
    if error is None:
        return "ok", None
    cause = _CAUSES.get(error) or _MORE.get(error)
    if cause is not None:
        return cause, None if error in _CAUSES else error.value
    return "internal", f"{error.category}: {error.value}" if error.value else error.category
