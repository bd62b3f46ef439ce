"""What routing knows of a customer by what the database has said: a row, read as typed facts.

Columns are known by their names, as in ``msisdnInfos``; a value that is none of its type is left
out, for a wrong column is no reason to send a call elsewhere. Others are text for send lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from actors.customer_facts import statement
from actors.routing_core.facts import Customer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.config import Config
    from actors.connectors.fact_cache import Hit
    from actors.customer_lookup import CustomerCache, Facts, Row

IDS = ("customer_id", "id")
TEXTS = ("segment", "platform", "lang", "last_agent")
NAMES = frozenset({*IDS, *TEXTS, "products", "product", "services", "vip"})
TRUE = frozenset({"true", "t", "yes", "y", "1"})
SEPARATOR = ","
"""Between the items of a list that is a text, as in the files of reference tables."""

MAX_CHARS = 255
MAX_ITEMS = 64


class Lookups(Struct, frozen=True):
    """How a router looks customers up.

    Attributes:
        cache: of the node.
        waiting_limit: calls that wait for a look-up at once.
    """

    cache: CustomerCache
    waiting_limit: int


def lookups_of(config: Config, cache: CustomerCache) -> Lookups | None:
    """How customers are looked up; None where the configuration does not say how.

    Args:
        config: the whole configuration.
        cache: of the node.
    """
    asks = config.database.dsn and statement(config.customers)
    return Lookups(cache, config.customers.waiting_limit) if asks else None


def of_hit(hit: Hit[Row]) -> Customer:
    """The customer of what the cache has.

    Args:
        hit: fresh or stale.
    """
    return customer_of(hit.value, hit.age_s, stale=hit.stale)


def of_facts(facts: Facts) -> Customer:
    """The customer of an answer.

    Args:
        facts: that were found, or that there is none.
    """
    return customer_of(facts.row, facts.age_s, stale=facts.stale)


def customer_of(row: Row | None, age_s: float, *, stale: bool) -> Customer:
    """Read a row.

    Args:
        row: plain data by column; None: the number is no customer's.
        age_s: since it was read, seconds.
        stale: whether it is older than it should be.
    """
    if row is None:
        return Customer(age_s=age_s, stale=stale, known=False)
    more = {name: _text(row[name]) for name in row if name not in NAMES}
    return Customer(
        id=next(filter(None, (_text(row.get(name)) for name in IDS)), ""),
        segment=_text(row.get("segment")),
        products=_list(row, ("products", "product")),
        services=_list(row, ("services",)),
        platform=_text(row.get("platform")),
        lang=_text(row.get("lang")),
        vip=_true(row.get("vip")),
        last_agent=_text(row.get("last_agent")),
        age_s=age_s,
        stale=stale,
        more={name: text for name, text in more.items() if text},
    )


def shown(customer: Customer) -> dict[str, Any]:
    """What is told of a customer outside: what is known, by name.

    Args:
        customer: as routing knows it.
    """
    own = {name: getattr(customer, name) for name in ("id", *TEXTS, "products", "services")}
    known = {
        name: list(value) if isinstance(value, tuple) else value for name, value in own.items()
    }
    return {
        **customer.more,
        **{name: value for name, value in known.items() if value},
        "vip": customer.vip,
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value) if isinstance(value, str | int | float) else ""
    return text if len(text) <= MAX_CHARS else ""


def _list(row: Mapping[str, Any], columns: tuple[str, ...]) -> tuple[str, ...]:
    value = next((row[column] for column in columns if row.get(column)), ())
    items = value.split(SEPARATOR) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        return ()
    texts = (_text(item).strip() for item in items[:MAX_ITEMS])
    return tuple(text for text in texts if text)


def _true(value: Any) -> bool:
    return value is True or (isinstance(value, str | int) and str(value).lower() in TRUE)
