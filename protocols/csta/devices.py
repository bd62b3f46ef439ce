"""What a device's number says: digits, and the kind of numbering that they belong to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from protocols.csta.values import Device

if TYPE_CHECKING:
    from protocols.cti.messages import AniType

_representation = re.compile(r"N<([^>!&%]*)[^>]*>.*", re.DOTALL)
"""ECMA-269's switching function representation: ``N<digits!sub&name%agent>name;extension``."""


def number(device: Device | None) -> str | None:
    """The digits of a device; None where they are not known, not said, or may not be."""
    if device is None or device.status != "known":
        return None
    found = _representation.fullmatch(device.number)
    return (found[1] if found else device.number) or None


def ani_type(device: Device | None) -> AniType | None:
    """The numbering plan of a caller, as far as its type tells."""
    if device is None:
        return None
    if device.status != "known":
        return "unknown"
    kind = (device.type_of_number or "").partition(":")[0]
    if kind in ("explicitPublic", "implicitPublic"):
        return "public"
    if kind in ("explicitPrivate", "implicitPrivate"):
        return "private"
    return None
