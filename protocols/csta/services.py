"""Every service that is spoken: bytes to records and back."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from protocols.csta import (
    agent_events,
    application_session,
    call_events,
    deflecting,
    errors,
    fields,
    kinds,
    monitoring,
    routeing,
    system_status,
    xml,
)
from protocols.csta.fields import Codec
from protocols.csta.vocabulary import Vocabulary
from protocols.csta.xml import CSTA, DEFAULT_LIMITS, EDITIONS, Edition, XmlError, XmlLimits

CODECS: Final[tuple[Codec, ...]] = (
    *application_session.CODECS,
    *system_status.CODECS,
    *routeing.CODECS,
    *monitoring.CODECS,
    *deflecting.CODECS,
    *call_events.CODECS,
    *agent_events.CODECS,
    *errors.CODECS,
)

EVENTS: Final = frozenset(codec.record for codec in (*call_events.CODECS, *agent_events.CODECS)) | {
    application_session.ApplicationSessionTerminated
}
"""The records that travel with 9999 and get no answer."""

_BY_NAME: Final = {
    (codec.family, name): codec for codec in CODECS for name in (codec.element, *codec.also)
}
_BY_RECORD: Final = {codec.record: codec for codec in CODECS}

_MORE_NAMES: Final = (
    "xmlns",
    "xml",
    "version",
    "encoding",
    "standalone",
    "typeOfNumber",
    "mediaClass",
    "key",
    "type",
    "xmlns:v",
    "v:item",
    "v:key",
    "v:skill",
    "v:token",
    *kinds.NAMES,
    *routeing.MEDIA,
    *routeing.CHARACTERISTICS,
    "!--",
    "amp",
    "lt",
    "gt",
    "quot",
    "apos",
    xml.SESSION,
    xml.VIGIE,
    *(CSTA + edition for edition in EDITIONS),
)


def vocabulary(max_names: int | None = None) -> Vocabulary:
    """Make the vocabulary of a process, which knows what this package knows.

    Args:
        max_names: how many other names it learns; None for the default.
    """
    own = fields.names(CODECS)
    known = {*own, *(f"v:{name}" for name in own), *_MORE_NAMES}
    return Vocabulary(known) if max_names is None else Vocabulary(known, max_names)


VOCABULARY: Final = vocabulary()
"""That of this process: libxml2 has one memory of names for all connections."""


class UnknownServiceError(Exception):
    """A document of CSTA's whose service is not spoken.

    Args:
        service: the name of its root.
        edition: whose namespace it has; None where it is ECMA-354's.
    """

    def __init__(self, service: str, edition: Edition | None) -> None:
        super().__init__(service, edition)
        self.service = service
        self.edition = edition

    @property
    def is_event(self) -> bool:
        """Whether it is an event, which is passed over."""
        return self.service.endswith("Event")


class Read(Struct, frozen=True):
    """A document that was read.

    Attributes:
        service: its record.
        edition: whose namespace it has; None where it is ECMA-354's.
    """

    service: Any
    edition: Edition | None


def decode(
    payload: bytes,
    limits: XmlLimits = DEFAULT_LIMITS,
    known: Vocabulary = VOCABULARY,
) -> Read:
    """Make the record of a document.

    Args:
        payload: the document.
        limits: see ``XmlLimits``.
        known: the names that were read so far.

    Raises:
        XmlError: it is no XML that is read, or its root is in a foreign namespace.
        UnknownServiceError: its root is none of CSTA's that is spoken.
        ServiceRefusedError: its content breaks a rule.
    """
    root = xml.parse(payload, limits, known)
    namespace, name = xml.split(root)
    edition = xml.edition_of(namespace)
    if edition is None and namespace != xml.SESSION:
        raise XmlError("namespace", f"{name}: {_namespaces()} are spoken, not {namespace[:80]!r}")
    codec = _BY_NAME.get(("session" if edition is None else "csta", name))
    if codec is None:
        raise UnknownServiceError(name, edition)
    return Read(fields.read(codec, root), edition)


def encode(service: Struct, edition: Edition = "ed4") -> bytes:
    """Make the document of a record.

    Args:
        service: what to write.
        edition: of ECMA-323, where the service is its.

    Raises:
        KeyError: the record is none of this package's.
    """
    codec = _BY_RECORD[type(service)]
    return xml.serialise(fields.write(codec, service, edition))


def _namespaces() -> str:
    return ", ".join((*(CSTA + edition for edition in sorted(EDITIONS)), xml.SESSION))
