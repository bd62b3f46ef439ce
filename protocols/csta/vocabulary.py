"""How many names a process may learn from its peers' XML.

libxml2 keeps the name of every element, attribute, entity and namespace that it has ever read, for
as long as the process lives (measured: 135 MB of invented names grew it by 190 MB, for good). What
this package knows is harmless, and so are the extensions of any real switch; names without end are
not. So names are looked at before libxml2 sees them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAMES = 10_000
"""Names that a process learns; those of this package do not count."""

MAX_NAME_BYTES = 128

# Each finds more than there is (a text may look like an attribute) and misses nothing. They take
# time in proportion to the text, whatever it is: possessive, each start bound to what precedes.
_tags = re.compile(rb"<[/?]?+([^\s<>/!?=\"']++)")
_attributes = re.compile(rb"[\s\"']([^\s<>/=\"'&;]++)\s*+=\s*+[\"']")
# Only behind white space or a value: else each `xmlns` of a long name is looked at to its end.
_namespaces = re.compile(rb"[\s\"']xmlns[^\s=<>\"']*+\s*+=\s*+(?:\"([^\"<]*+)\"|'([^'<]*+)')")
_entities = re.compile(rb"&([^\s;&<#]++)")


class Vocabulary:
    """The names that a process has read; one for all connections, for libxml2 has one memory.

    Args:
        known: names that need not be learnt.
        max_names: how many others may be.

    Attributes:
        max_names: the same, to be changed for a process.
    """

    def __init__(self, known: Iterable[str] = (), max_names: int = MAX_NAMES) -> None:
        self._known = frozenset(name.encode() for name in known)
        self._learnt: set[bytes] = set()
        self.max_names = max_names

    def __len__(self) -> int:
        """How many names were learnt."""
        return len(self._learnt)

    def learn(self, document: bytes) -> str | None:
        """Take note of the names in a document, all or none.

        Args:
            document: XML in an encoding that extends ASCII, well-formed or not.

        Returns:
            None; or the rule that it breaks, and then it must not be parsed.
        """
        new = names(document) - self._known - self._learnt
        if not new:
            return None
        longest = max(map(len, new))
        if longest > MAX_NAME_BYTES:
            return f"a name of {longest} bytes: at most {MAX_NAME_BYTES} are allowed"
        if len(self._learnt) + len(new) > self.max_names:
            return f"{self.max_names} names that are not CSTA's have been read: no more are"
        self._learnt |= new
        return None


def names(document: bytes) -> set[bytes]:
    """Every name in a document, prefixes included, and every namespace; rather too many."""
    found = {*_tags.findall(document), *_attributes.findall(document)}
    found.update(_entities.findall(document))
    for double, single in _namespaces.findall(document):
        found.add(double or single)
    return found
