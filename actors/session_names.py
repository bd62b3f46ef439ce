"""The names that the session of a call is known by; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.call_names import call_name, once_name, ucid_name, xref_name
from actors.dialogues import are_applications

if TYPE_CHECKING:
    from actors.session_data import Session


def lasting_names(data: Session) -> list[tuple[str, str]]:
    """The names that a session has whatever becomes of its dialogues.

    Args:
        data: of the session.
    """
    names = [call_name(data.call)]
    if data.names:
        names += map(call_name, data.names)
    if data.once:
        names += [once_name(once.key.key) for once in data.once]
    if data.traced is not None:
        names.append(ucid_name(data.traced))
    return names


def names_of(data: Session) -> list[tuple[str, str]]:
    """All names that a session is known by.

    Args:
        data: of the session.
    """
    names = lasting_names(data)
    for xref, dialogue in data.dialogues:
        if not (dialogue.askers and are_applications(dialogue.askers)):
            names.append(xref_name(xref))
    return names
