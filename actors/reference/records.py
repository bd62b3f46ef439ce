"""What a row of each reference table says, apart from its key: one record type a table.

Records are written as arrays: a field that is added goes to the end and has a default, so that a
snapshot of another release can be read by this one, and the other way round.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from protocols.numbering import Notation

Action: TypeAlias = Literal["route", "reject", "message"]
"""What an interception list has done with a call: sent to a target, refused, played a message."""

Match: TypeAlias = Literal["exact", "prefix"]

Status: TypeAlias = Literal["active", "suspended", "closed", "prospect"]

NumberFormat: TypeAlias = Notation


class CustomerFacts(Struct, frozen=True, array_like=True):
    """A row of ``msisdnInfos``: what is known of the customer who has a number.

    Attributes:
        customer_id: by which other systems know the customer.
        segment: of the market, such as `gold`; empty where it is not known.
        offer: that the customer has subscribed to.
        product: by which ``PRDPTF`` finds the platform.
        status: of the contract.
        lang: language tag (RFC 5646), such as `fr`; empty where it is not known.
        vip: whether routing prefers the customer.
        services: codes of ``allSerTech``.
        updated: when these facts held, seconds since the epoch; None where it is not known.
    """

    customer_id: str
    segment: str = ""
    offer: str = ""
    product: str = ""
    status: Status = "active"
    lang: str = ""
    vip: bool = False
    services: tuple[str, ...] = ()
    updated: float | None = None


class Interception(Struct, frozen=True, array_like=True):
    """A row of ``msisdnInter`` or ``msisdnInter2020``: what becomes of calls from a number.

    Attributes:
        match: whether the key is the whole number or what numbers begin with.
        action: what is done.
        argument: the target of `route`, the announcement of `message`; empty for `reject`.
        scope: called numbers that the rule holds for, as they are dialled; empty is all of them.
        until: when it ends, seconds since the epoch; None is never.
        label: why, for `why` and for operators.
    """

    match: Match
    action: Action
    argument: str = ""
    scope: tuple[str, ...] = ()
    until: float | None = None
    label: str = ""

    def holds(self, at: float, dnis: str = "") -> bool:
        """Whether the rule holds for a call.

        Args:
            at: when it came, seconds since the epoch.
            dnis: the number that was dialled.
        """
        return (self.until is None or at < self.until) and (not self.scope or dnis in self.scope)


class SendList(Struct, frozen=True, array_like=True):
    """A row of ``sendIVRList``: what an IVR application is sent of a session.

    Attributes:
        keys: fields of a session, in the order in which they are sent.
        format: how telephone numbers among them are written.
    """

    keys: tuple[str, ...]
    format: NumberFormat = "e164"


class TechnicalService(Struct, frozen=True, array_like=True):
    """A row of ``allSerTech``: a technical service, by its code.

    Attributes:
        label: what operators read.
        rp: routing point that calls about it go to; empty is wherever they are.
        skill: that an agent needs for it; empty is none.
        opening: calendar of its opening hours; empty is always open.
    """

    label: str = ""
    rp: str = ""
    skill: str = ""
    opening: str = ""


class Platform(Struct, frozen=True, array_like=True):
    """A row of ``msisdnPTF`` or ``PRDPTF``: the platform of a number, or of a product.

    Where both know one, that of the number counts.

    Attributes:
        platform: its code.
    """

    platform: str


class PointInfo(Struct, frozen=True, array_like=True):
    """A row of ``infoRP``: a routing point.

    Attributes:
        label: what operators read.
        target: where calls go by default, and when the answer would be late.
        alternates: targets tried next, best first.
        opening: calendar of its opening hours; empty is always open.
        closed_msg: announcement played while it is closed; empty is none.
        send_list: application of ``sendIVRList`` whose list goes along; empty is none.
        late_ms: when its default answer leaves, milliseconds; None is as configured.
    """

    label: str
    target: str
    alternates: tuple[str, ...] = ()
    opening: str = ""
    closed_msg: str = ""
    send_list: str = ""
    late_ms: int | None = None
