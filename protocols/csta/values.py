"""What CSTA's services say: devices, connections, errors, as typed records (ECMA-269 clause 12)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

DeviceStatus: TypeAlias = Literal["known", "notKnown", "restricted"]


class Device(Struct, frozen=True):
    """Who takes part; ECMA-323's DeviceID and ExtendedDeviceID.

    Attributes:
        number: as the peer writes it: dialling digits, or ECMA-269's representation
            ``N<digits>name``. Empty unless the status is "known".
        type_of_number: such as "dialingNumber" or "explicitPublic:national"; None where it is not
            said, which means "dialingNumber".
        status: whether the number may be known.
    """

    number: str = ""
    type_of_number: str | None = None
    status: DeviceStatus = "known"


class ConnectionID(Struct, frozen=True):
    """A call, a device, or the one at the other; one of them at least."""

    call: str | None = None
    device: str | None = None


class ConnectionListItem(Struct, frozen=True):
    """What a connection is called after a transfer or a conference, and was called before."""

    new: ConnectionID | None = None
    old: ConnectionID | None = None


class DeviceHistoryItem(Struct, frozen=True):
    """A device that the call has left, and why."""

    old_device: Device | None = None
    event_cause: str | None = None
    old_connection: ConnectionID | None = None


ErrorCategory: TypeAlias = Literal[
    "operation",
    "security",
    "stateIncompatibility",
    "systemResourceAvailibility",
    "subscribedResourceAvailability",
    "performanceManagement",
    "privateErrorCode",
    "unspecified",
]
"""ECMA-323's; the odd spelling of the fourth is its own."""


class ErrorValue(Struct, frozen=True):
    """Why something was refused or ended.

    Attributes:
        category: of the error.
        value: the error in it, such as "invalidDestination"; empty for "unspecified".
    """

    category: ErrorCategory
    value: str = ""
