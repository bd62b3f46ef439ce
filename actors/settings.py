"""Typed settings from TOML and the environment, with every mistake told at once.

A schema is a `msgspec.Struct` whose fields carry their bounds as `msgspec.Meta`. `read` walks the
schema and the document side by side, so that an operator sees all that is wrong in one go: unknown
keys with the nearest known one, values with the rule that they break, relations between keys.
Nothing here knows what the settings are about.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.inspect import (
    BoolType,
    FloatType,
    IntType,
    LiteralType,
    Metadata,
    Type,
    type_info,
)
from msgspec.structs import fields

T = TypeVar("T", bound=Struct)

Kind: TypeAlias = Any
"""The annotation of a field."""

MASK = "***"
"""What stands for the value of a key whose `Meta.extra` says `{"secret": True}`."""


class Mistake(Struct, frozen=True):
    """One thing that is wrong with the settings.

    Attributes:
        key: Dotted key, such as `cti.hb.interval_ms`; empty when it is the whole document.
        rule: What the key or its value must be.
        value: The refused value as it was written, masked when secret; None when it is missing.
        source: The environment variable the value came from; empty when it is the document's.
    """

    key: str
    rule: str
    value: str | None = None
    source: str = ""

    def __str__(self) -> str:
        """Say the mistake in one line, as the command line prints it."""
        origin = f"{self.source}: " if self.source else ""
        found = "" if self.value is None else f" (found {self.value})"
        return f"{origin}{self.key}: {self.rule}{found}" if self.key else f"{self.rule}{found}"


class Relation(Struct, frozen=True):
    """A rule between several keys.

    Attributes:
        keys: Dotted keys; their values are the arguments of `holds`. A mistake names the first.
        holds: Whether the values agree.
        rule: What is said when they do not.
    """

    keys: tuple[str, ...]
    holds: Callable[..., bool]
    rule: str


class Override(Struct, frozen=True):
    """One value given by the environment.

    Attributes:
        name: The variable's whole name.
        text: Its value, yet to be read as the key's type.
    """

    name: str
    text: str


def overrides(environ: Mapping[str, str], prefix: str) -> dict[tuple[str, ...], Override]:
    """Pick the variables that override settings.

    Args:
        environ: The environment.
        prefix: What such names start with, such as `VIGIE_`; `PREFIX` and parts, parted by `__`,
            make an override. Other names are left alone.

    Returns:
        The overrides by the parts of their names.
    """
    found = {}
    for name, text in environ.items():
        parts = tuple(name.removeprefix(prefix).split("__"))
        if name.startswith(prefix) and all(parts):
            found[parts] = Override(name, text)
    return found


def read(
    schema: type[T],
    document: Mapping[str, Any],
    given: Mapping[tuple[str, ...], Override] = types.MappingProxyType({}),
    relations: Iterable[Relation] = (),
) -> tuple[T, list[Mistake]]:
    """Read settings and tell every mistake in them.

    Args:
        schema: The record to make; each of its fields must have a default.
        document: The parsed TOML document.
        given: Values of the environment, which win over the document's; what they hide must be
            right as well. A name of one part that is no key of the schema is somebody else's.
        relations: Rules between keys; one is skipped when a key of it is wrong by itself.

    Returns:
        The record, with defaults where a value was refused, and the mistakes, by key.
    """
    reader = _Reader()
    tree = _copied(document)
    for parts, override in given.items():
        if len(parts) > 1 or parts[0].lower() in _field_names(schema):
            reader.override(schema, tree, parts, override)
    settings = reader.record(schema, tree, "")
    assert isinstance(settings, schema)
    mistakes = [
        *reader.mistakes,
        *_unrelated(settings, relations, reader.mistakes),
        *_hidden(schema, document, reader.mistakes),
    ]
    return settings, sorted(mistakes, key=lambda mistake: (mistake.key, mistake.source))


def _hidden(
    schema: type[Struct], document: Mapping[str, Any], known: list[Mistake]
) -> list[Mistake]:
    """Mistakes of the document in values that the environment overrides.

    What the document leaves out is none: the environment may be where it is meant to come from.
    """
    alone = _Reader()
    alone.record(schema, document, "")
    return [
        mistake for mistake in alone.mistakes if mistake.value is not None and mistake not in known
    ]


def value_at(settings: Any, key: str) -> Any:
    """Return the value of a dotted key in a record.

    Args:
        settings: The record.
        key: The key; each part names a field or an entry of a table.

    Raises:
        AttributeError: The key names no field.
        KeyError: The key names no entry.
    """
    for part in key.split("."):
        settings = settings[part] if isinstance(settings, dict) else getattr(settings, part)
    return settings


class _Absent:
    """The type of the one value that stands for "refused"."""


_ABSENT = _Absent()

_MISPLACED = {True: "is a table: set its keys one by one", False: "is no table"}


class _Reader:
    """Walks a schema and a document, gathering mistakes."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def override(
        self, schema: type[Struct], tree: dict[str, Any], parts: tuple[str, ...], given: Override
    ) -> None:
        """Put one value of the environment into the tree, or note why not."""
        kind: Kind = schema
        key = name = ""
        for depth, part in enumerate(parts):
            if depth:
                tree = _subtree(tree, name)
            known = _field_names(kind)
            name, kind = _step(kind, tree, part)
            key = _under(key, name)
            if kind is None:
                self._refuse(key, _unknown(name, known), given)
                return
            if _is_table(kind) is (depth == len(parts) - 1):
                self._refuse(key, _MISPLACED[_is_table(kind)], given)
                return
        tree[name] = given

    def record(self, schema: type[Struct], table: object, key: str) -> Struct | _Absent:
        """Make a record of a table, with defaults for what is missing or refused."""
        if not isinstance(table, dict):
            return self._refuse(key, "must be a table", table)
        known = {field.name: field for field in fields(schema)}
        values = {}
        whole = True
        for name, value in table.items():
            if name not in known:
                self._refuse(_under(key, name), _unknown(name, known), value)
                continue
            read = self.value(known[name].type, value, _under(key, name))
            whole = whole and (read is not _ABSENT or not known[name].required)
            if read is not _ABSENT:
                values[name] = read
        for name, field in known.items():
            if field.required and name not in table:
                self.mistakes.append(Mistake(_under(key, name), "is required"))
                whole = False
        return schema(**values) if whole else _ABSENT

    def value(self, kind: Kind, value: object, key: str) -> object:
        """Read one value as an annotation says."""
        bare = _bare(kind)
        if _is_record(bare):
            return self.record(bare, value, key)
        if _origin(bare) is dict:
            return self._table(get_args(bare), value, key)
        if _origin(bare) is tuple:
            return self._list(get_args(bare)[0], value, key)
        return self._leaf(kind, value, key)

    def _table(self, kinds: tuple[Any, ...], table: object, key: str) -> object:
        if not isinstance(table, dict):
            return self._refuse(key, "must be a table", table)
        entries = {}
        for name, value in table.items():
            entry = self.value(kinds[1], value, _under(key, name))
            named = self._leaf(kinds[0], name, _under(key, name))
            if entry is not _ABSENT and named is not _ABSENT:
                entries[name] = entry
        return entries

    def _list(self, kind: Kind, items: object, key: str) -> object:
        if isinstance(items, Override):
            texts = [text.strip() for text in items.text.split(",") if text.strip()]
            items = [Override(items.name, text) for text in texts]
        if not isinstance(items, list):
            return self._refuse(key, "must be a list", items)
        values = [self.value(kind, item, f"{key}[{index}]") for index, item in enumerate(items)]
        return tuple(value for value in values if value is not _ABSENT)

    def _leaf(self, kind: Kind, value: object, key: str) -> object:
        text = isinstance(value, Override)
        plain = value.text if isinstance(value, Override) else value
        try:
            return msgspec.convert(plain, kind, strict=not text)
        except msgspec.ValidationError:
            rule, secret = rule_of(type_info(kind))
            return self._refuse(key, f"must be {rule}", value, secret=secret)

    def _refuse(self, key: str, rule: str, value: object, *, secret: bool = False) -> _Absent:
        source = value.name if isinstance(value, Override) else ""
        shown = value.text if isinstance(value, Override) else value
        text = MASK if secret else _shown(shown)
        self.mistakes.append(Mistake(key, rule, text, source))
        return _ABSENT


def rule_of(info: Type) -> tuple[str, bool]:
    """Say in words what a type demands.

    Args:
        info: The type, as msgspec sees it.

    Returns:
        The rule, to follow "must be", and whether values of it are secret.
    """
    if isinstance(info, Metadata):
        rule, _ = rule_of(info.type)
        said = (info.extra_json_schema or {}).get("description", rule)
        return said, bool((info.extra or {}).get("secret", False))
    return _RULES.get(type(info), _text_rule)(info), False


def _text_rule(info: Any) -> str:
    longest = getattr(info, "max_length", None)
    return "text" if longest is None else f"text of at most {longest} characters"


_RULES: dict[type[Type], Callable[[Any], str]] = {
    BoolType: lambda _: "true or false",
    IntType: lambda info: f"an integer{_range(info)}",
    FloatType: lambda info: f"a number{_range(info)}",
    LiteralType: lambda info: f"one of {', '.join(map(str, info.values))}",
}


def _range(info: IntType | FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f" from {info.ge} to {info.le}"
    bounds = (
        ("above", info.gt),
        ("of at least", info.ge),
        ("below", info.lt),
        ("at most", info.le),
    )
    said = [f"{word} {bound}" for word, bound in bounds if bound is not None]
    return f" {' and '.join(said)}" if said else ""


def _unrelated(
    settings: Struct, relations: Iterable[Relation], mistakes: list[Mistake]
) -> list[Mistake]:
    wrong = {mistake.key for mistake in mistakes}
    broken = []
    for relation in relations:
        if any(_touches(bad, key) for bad in wrong for key in relation.keys):
            continue
        values = [value_at(settings, key) for key in relation.keys]
        if not relation.holds(*values):
            broken.append(Mistake(relation.keys[0], relation.rule, _shown(values[0])))
    return broken


def _touches(wrong: str, key: str) -> bool:
    return wrong == key or key.startswith(f"{wrong}.") or wrong.startswith((f"{key}.", f"{key}["))


def _step(kind: Kind, tree: Mapping[str, Any], part: str) -> tuple[str, Kind]:
    """Return the key that a part of a variable's name means, and its annotation or None."""
    if _origin(kind) is dict:
        written = {_folded(name): name for name in tree}
        return written.get(_folded(part), part), _bare(get_args(kind)[1])
    name = part.lower()
    annotation = {field.name: field.type for field in fields(kind)}.get(name)
    return name, _bare(annotation)


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_")


def _subtree(tree: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the table of a name, made when missing; one that is no table is left to be refused."""
    table = tree.setdefault(name, {})
    return table if isinstance(table, dict) else {}


def _is_table(kind: Kind) -> bool:
    return _origin(kind) is dict or _is_record(kind)


def _origin(kind: Kind) -> object:
    return get_origin(kind)


def _bare(kind: Kind) -> Kind:
    return get_args(kind)[0] if _origin(kind) is Annotated else kind


def _field_names(kind: Kind) -> list[str]:
    return [field.name for field in fields(kind)] if _is_record(kind) else []


def _is_record(kind: Kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _unknown(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"is not a known key; did you mean {nearest[0]}?" if nearest else "is not a known key"


def _shown(value: object) -> str:
    return json.dumps(value, default=str)


def _under(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(v) if isinstance(v, dict) else v for name, v in table.items()}
