"""System services (ECMA-269 clause 14): how either end tells the other how it is."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec import Struct

from protocols.csta import kinds
from protocols.csta.fields import Codec, Field

SystemStatusValue: TypeAlias = Literal[
    "disabled",
    "partiallyDisabled",
    "enabled",
    "initializing",
    "messagesLost",
    "normal",
    "overloadImminent",
    "overloadReached",
    "overloadRelieved",
]


class SystemRegister(Struct, frozen=True):
    """A peer wants to be told of the status; it is told without, too."""


class SystemRegisterResponse(Struct, frozen=True):
    """It is told under this id."""

    register_id: str


class SystemRegisterCancel(Struct, frozen=True):
    """It wants the id no more."""

    register_id: str


class SystemRegisterCancelResponse(Struct, frozen=True):
    """Answers ``SystemRegisterCancel``."""


class RequestSystemStatus(Struct, frozen=True):
    """Asks for the status; a sign of life as well."""

    register_id: str | None = None


class RequestSystemStatusResponse(Struct, frozen=True):
    """Answers ``RequestSystemStatus``."""

    status: SystemStatusValue


class SystemStatus(Struct, frozen=True):
    """Tells the status."""

    status: SystemStatusValue
    register_id: str | None = None


class SystemStatusResponse(Struct, frozen=True):
    """Answers ``SystemStatus``."""


_STATUS = kinds.one_of(*get_args(SystemStatusValue))
_status = Field("status", "systemStatus", _STATUS, required=True)


def _register(*, required: bool) -> Field:
    return Field("register_id", "sysStatRegisterID", kinds.NAME, required=required)


def _codec(record: type[Any], *fields: Field) -> Codec:
    return Codec(record.__name__, record, fields)


CODECS: Final = (
    _codec(SystemRegister),
    _codec(SystemRegisterResponse, _register(required=True)),
    _codec(SystemRegisterCancel, _register(required=True)),
    _codec(SystemRegisterCancelResponse),
    _codec(RequestSystemStatus, _register(required=False)),
    _codec(RequestSystemStatusResponse, _status),
    _codec(SystemStatus, _register(required=False), _status),
    _codec(SystemStatusResponse),
)
