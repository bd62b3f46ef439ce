"""What IVR applications are sent of a call: the lists of ``sendIVRList``, and the values on them.

One for each node. It keeps nothing of the tables but what was read of the version that holds, so
that a switch holds for the next answer. An application without a list is sent the default list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from actors.reference.live import Reference
from actors.reference.records import CustomerFacts, SendList
from protocols.numbering import normalise, written

if TYPE_CHECKING:
    from actors.alarms import Alarms
    from actors.config import Config
    from actors.reference.live import Tables
    from actors.session_api import SessionView
    from actors.session_data import Session

DEFAULT = "default"
"""The list of applications that have none of their own."""

PATH = "node/refServer"
"""Who tells of an application without a list: the table is refServer's."""

MAX_APP_CHARS = 64
"""Of the name of an application that is told."""

MAX_POINTS = 10_000
"""Routing points whose list is remembered: callers may name any."""

_NUMBERS = frozenset({"ani", "dnis"})
_OF_CUSTOMER = frozenset({"customer", "platform", "services"})

_encode = msgspec.json.Encoder(enc_hook=repr).encode  # user data may hold anything


class Listed(Struct, frozen=True):
    """The list of an application.

    Attributes:
        app: whose it is; ``default`` where the application has none.
        list: what is on it.
    """

    app: str
    list: SendList


class SendLists:
    """The lists that hold.

    Args:
        tables: the reference tables.
        configured: lists of ``[ivr.send_list]``, for applications that the table does not have.
        region: where numbers without a prefix are read, ISO 3166-1.
        unknown: told the name of an application without a list, and "" when there is a new table.
    """

    def __init__(
        self,
        tables: Reference,
        configured: Mapping[str, tuple[str, ...]],
        region: str,
        unknown: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._reference = tables
        self._configured = configured
        self._region = region
        self._unknown = unknown
        self._seen: Tables | None = None
        self._points: dict[str, Listed | None] = {}
        self._told = False

    def listed(self, app: str) -> Listed:
        """The list of an application.

        Args:
            app: its name; empty is one that does not say it, which is sent the default list.
        """
        tables = self._current()
        own = self._list(tables, app) if app else None
        if own is not None:
            return Listed(app, own)
        if app and app != DEFAULT:
            self._told = True
            self._unknown(app[:MAX_APP_CHARS])
        return Listed(DEFAULT, self._list(tables, DEFAULT) or SendList(()))

    def at_point(self, rp: str) -> Listed | None:
        """The list of the application that a routing point's calls go to; None where it is none.

        Args:
            rp: the routing point, a row of ``infoRP``.
        """
        tables = self._reference.tables
        if tables is not self._seen:
            tables = self._current()
        elif rp in self._points:
            return self._points[rp]
        listed = self._of_point(tables, rp)
        if len(self._points) < MAX_POINTS:
            self._points[rp] = listed
        return listed

    def _of_point(self, tables: Tables, rp: str) -> Listed | None:
        point = tables.points.get(rp)
        return self.listed(point.send_list) if point is not None and point.send_list else None

    def _list(self, tables: Tables, app: str) -> SendList | None:
        row = tables.send_lists.get(app)
        if row is not None:
            return row
        keys = self._configured.get(app)
        return None if keys is None else SendList(keys)

    def _current(self) -> Tables:
        """The tables; what was read of others is forgotten."""
        tables = self._reference.tables
        if tables is not self._seen:
            self._seen, self._points = tables, {}
            if self._told:
                self._told = False
                self._unknown("")
        return tables

    # Values

    def fields(self, view: SessionView, app: str) -> dict[str, str]:
        """What an application is sent: its list in its order, empty where there is no value.

        Args:
            view: the session.
            app: the application's name.
        """
        return self._values(self.listed(app).list, view)

    def along(self, session: Session, rp: str) -> dict[str, str] | None:
        """What goes along with a call: what there is of the list of its point's application.

        Args:
            session: of the call.
            rp: where it waited.

        Returns:
            None where the routing point has no application.
        """
        listed = self.at_point(rp)
        if listed is None:
            return None
        values = self._values(listed.list, session)
        return {key: value for key, value in values.items() if value}

    def _values(self, sent: SendList, source: SessionView | Session) -> dict[str, str]:
        values: dict[str, str] = {}
        customer: Mapping[str, Any] | None = None
        for key in sent.keys:
            root, _, name = key.partition(".")
            if root in _OF_CUSTOMER:
                customer = self._customer(source) if customer is None else customer
                value = self._of_customer(root, name, customer, source)
                values[key] = flat(_joined(value))
            elif root == "ud":
                values[key] = flat(source.ud.get(name))
            elif root == "routing":
                values[key] = flat(getattr(source.routing, name, None))
            else:
                values[key] = flat(getattr(source, root, None))
                if root in _NUMBERS and values[key]:
                    values[key] = self._number(root, values[key], sent, source)
        return values

    def _number(
        self, field: str, number: str, sent: SendList, source: SessionView | Session
    ) -> str:
        if field == "dnis":  # as it was dialled; the caller's has been normalised
            found = normalise(number, self._region)
            return written(found.number, sent.format) if found.type == "public" else number
        return written(number, sent.format) if source.ani_type != "private" else number

    def _customer(self, source: SessionView | Session) -> Mapping[str, Any]:
        known = getattr(source, "customer", None)
        if known is not None:
            return dict(known)
        facts = self._reference.tables.infos.get(source.ani) if source.ani else None
        return {} if facts is None else _plain(facts)

    def _of_customer(
        self, root: str, name: str, customer: Mapping[str, Any], source: SessionView | Session
    ) -> Any:
        if root == "services":
            return customer.get("services")
        if root == "platform":
            product = str(customer.get("product") or "")
            known = getattr(source, "platform", None)
            return known or self._reference.tables.platform(source.ani or "", product)
        if name:
            return customer.get(name)
        return customer.get("id", customer.get("customer_id", customer or None))


def _plain(facts: CustomerFacts) -> dict[str, Any]:
    """A customer by the names of ``msisdnInfos``, and by ``id`` as routing has it."""
    plain = {name: getattr(facts, name) for name in CustomerFacts.__struct_fields__}
    return {**plain, "id": facts.customer_id}


def _joined(value: Any) -> Any:
    """Codes and products with commas between them, as files and routing have them."""
    words = isinstance(value, list | tuple) and all(type(one) is str for one in value)
    return ",".join(value) if words else value


def flat(value: Any) -> str:
    """Show a value as one string, as VoiceXML and call variables have them.

    Args:
        value: plain data.

    Returns:
        Text as it is, a number in decimal, ``true`` or ``false``, anything deeper as JSON; empty
        where there is nothing.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    return _encode(value).decode()


NO_LISTS = SendLists(Reference(), {}, "")
"""Nothing goes along with calls."""


def lists_of(config: Config, tables: Reference, alarms: Alarms) -> SendLists:
    """The lists of a node.

    Args:
        config: the whole configuration.
        tables: the reference tables.
        alarms: that operators look at.
    """
    return SendLists(tables, config.ivr.send_list, config.routing.region, told_by(alarms))


def told_by(alarms: Alarms) -> Callable[[str], None]:
    """Make what tells operators of an application without a list.

    Args:
        alarms: of the node.
    """

    def tell(app: str) -> None:
        if not app:
            alarms.cleared("ivr-app-unknown")
            return
        text = f"IVR application {app!r} has no list in sendIVRList: it is sent the default list"
        alarms.raised("ivr-app-unknown", PATH, text, "warning")

    return tell
