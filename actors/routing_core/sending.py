"""What is sent along with a call: the items of a send list, as flat strings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from actors.routing_core.facts import Customer, Facts

CUSTOMER = "customer."
_KEYS = frozenset(Customer.__struct_fields__) - {"known", "more"}


def sent(items: Sequence[str], facts: Facts) -> Mapping[str, str]:
    """Return the items that there are, in the order of the list; what is not known is left out.

    Args:
        items: names of facts, as `SendItem` of the rules has them.
        facts: what was found out about the call.
    """
    values = {item: _value(item, facts) for item in items}
    return {item: value for item, value in values.items() if value}


def _value(item: str, facts: Facts) -> str:
    if item.startswith(CUSTOMER):
        return _customer(facts.request.customer, item.removeprefix(CUSTOMER))
    read = _FOUND_OUT.get(item)
    return str(getattr(facts.request, item)) if read is None else read(facts)


_FOUND_OUT: Mapping[str, Callable[[Facts], str]] = {
    "ani": lambda facts: facts.number.number,
    "ani_type": lambda facts: facts.number.type,
    "customer": lambda facts: _customer(facts.request.customer, "id"),
    "platform": lambda facts: facts.platform,
    "rp": lambda facts: facts.rp,
    "services": lambda facts: ",".join(facts.services),
}
"""What is not in the request as it came."""


def _customer(customer: Customer | None, key: str) -> str:
    if customer is None or not customer.known:
        return ""
    if key not in _KEYS:
        return customer.more.get(key, "")
    value = getattr(customer, key)
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)
