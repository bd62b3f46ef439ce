"""The text of a crash: that of the traceback module, at a fraction of the time."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref

import pytest

from supervision import crash_text
from supervision.crash_text import traceback_text


class Refused(Exception):  # noqa: N818 - as users name theirs
    pass


def raising(failure):
    def fail():
        raise failure

    return fail


refuse = raising(Refused("first"))


def caught(crash):
    try:
        crash()
    except BaseException as failure:  # noqa: BLE001 - any kind is a case
        return failure


def with_a_note():
    failure = Refused("no")
    failure.add_note("ask again")
    raise failure


def from_another():
    try:
        refuse()
    except Refused as failure:
        raise ValueError("then") from failure


def while_handling():
    try:
        refuse()
    except Refused:
        raise ValueError("then")  # noqa: B904 - the case


def from_none():
    try:
        refuse()
    except Refused:
        raise ValueError("then") from None


def recursive(left=10):
    return recursive(left - 1) if left else 1 / 0


CRASHES = {
    "plain": raising(Refused("no")),
    "without a text": raising(Refused()),
    "of two lines": raising(Refused("no\nnever")),
    "builtin": raising(KeyError("k")),
    "of the system": raising(OSError(2, "gone")),
    "cancelled": raising(asyncio.CancelledError()),
    "exit": raising(SystemExit(3)),
    "group": raising(ExceptionGroup("two", [Refused("a"), Refused("b")])),
    "with a note": with_a_note,
    "from another": from_another,
    "while handling another": while_handling,
    "from none": from_none,
    "recursive": recursive,
    "with a hint": lambda: [].apend(1),
    "unknown name": lambda: asynci,  # noqa: F821 - the case
    "of a text": lambda: eval("1 +"),
    "in a text": lambda: exec("1 / 0"),
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_the_text_is_that_of_the_traceback_module_the_first_time_and_later(crash):
    for _ in range(3):
        failure = caught(crash)
        assert traceback_text(failure) == "".join(traceback.format_exception(failure))


def test_an_exception_that_was_never_raised_is_its_last_line():
    assert traceback_text(Refused("no")) == f"{__name__}.Refused: no\n"


def test_what_is_remembered_of_places_is_bounded(monkeypatch):
    monkeypatch.setattr(crash_text, "PLACES_KEPT", 4)
    for number in range(20):
        code = compile("\n" * number + "1 / 0", "<generated>", "exec")
        assert f"line {number + 1}" in traceback_text(caught(lambda: exec(code)))  # noqa: B023
    assert len(crash_text._places) <= 4


def test_nothing_of_the_frames_is_kept_alive():
    class Held:
        pass

    def crash():
        held = Held()
        watched.append(weakref.ref(held))
        raise Refused

    watched = []
    assert traceback_text(caught(crash))
    gc.collect()
    assert watched[0]() is None
