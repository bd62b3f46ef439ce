"""How devices and connections are written in XML (ECMA-269 clause 12.3)."""

from __future__ import annotations

from protocols.csta.fields import Kind, ValueRefusedError
from protocols.csta.kinds import MAX_NAME_CHARS, NAME, below, item, list_of, only
from protocols.csta.values import ConnectionID, ConnectionListItem, Device, DeviceHistoryItem
from protocols.csta.xml import Element, add


def _device(element: Element) -> Device | None:
    number = NAME.read(element)
    if number is None:
        return None
    type_of_number = element.get("typeOfNumber")
    if type_of_number is not None and len(type_of_number) > MAX_NAME_CHARS:
        raise ValueRefusedError(f"typeOfNumber has more than {MAX_NAME_CHARS} characters")
    return Device(number, type_of_number or None)


def _write_device(parent: Element, tag: str, value: Device) -> None:
    element = add(parent, tag, value.number)
    if value.type_of_number is not None:
        element.set("typeOfNumber", value.type_of_number)


DEVICE = Kind(_device, _write_device)
"""DeviceID: a number."""


def _read_extended(element: Element) -> Device | None:
    found = below(element)
    identifier = only(found, "deviceIdentifier")
    if identifier is not None:
        return _device(identifier)
    if "restricted" in found:
        return Device(status="restricted")
    if "notKnown" in found:
        return Device(status="notKnown")
    return _device(element)


def _write_extended(parent: Element, tag: str, value: Device) -> None:
    if value.status == "known":
        _write_device(add(parent, tag), "deviceIdentifier", value)
    else:
        add(add(parent, tag), value.status)


EXTENDED = Kind(_read_extended, _write_extended)
"""ExtendedDeviceID: a number, or why there is none. A number right away is read as well."""


def _read_connection(element: Element) -> ConnectionID | None:
    found = below(element)
    call, device = only(found, "callID"), only(found, "deviceID")
    connection = ConnectionID(
        None if call is None else NAME.read(call),
        None if device is None else NAME.read(device),
    )
    return None if connection == ConnectionID() else connection


def _write_connection(parent: Element, tag: str, value: ConnectionID) -> None:
    element = add(parent, tag)
    if value.call is not None:
        add(element, "callID", value.call)
    if value.device is not None:
        add(element, "deviceID", value.device)


CONNECTION = Kind(_read_connection, _write_connection)


def _read_history(element: Element) -> DeviceHistoryItem:
    found = below(element)
    return DeviceHistoryItem(
        item(found, "olddeviceID", DEVICE),
        item(found, "eventCause", NAME),
        item(found, "oldConnectionID", CONNECTION),
    )


def _write_history(parent: Element, tag: str, value: DeviceHistoryItem) -> None:
    element = add(parent, tag)
    if value.old_device is not None:
        _write_device(element, "olddeviceID", value.old_device)
    if value.event_cause is not None:
        add(element, "eventCause", value.event_cause)
    if value.old_connection is not None:
        _write_connection(element, "oldConnectionID", value.old_connection)


HISTORY = list_of("deviceHistoryListItem", Kind(_read_history, _write_history))


def _read_listed(element: Element) -> ConnectionListItem:
    found = below(element)
    new, old = item(found, "newConnection", CONNECTION), item(found, "oldConnection", CONNECTION)
    return ConnectionListItem(new, old)


def _write_listed(parent: Element, tag: str, value: ConnectionListItem) -> None:
    element = add(parent, tag)
    if value.new is not None:
        _write_connection(element, "newConnection", value.new)
    if value.old is not None:
        _write_connection(element, "oldConnection", value.old)


CONNECTIONS = list_of("connectionListItem", Kind(_read_listed, _write_listed))
