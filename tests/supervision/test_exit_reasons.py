"""Exit reasons in words: what operators read of OTP's terms."""

from __future__ import annotations

import pytest

from supervision import SpecError, SupervisorFlags, reasons
from supervision.childspec import check_flags
from supervision.reasons import GAVE_UP, Reason, error, shutdown

FAILED = error("ValueError: no")


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (reasons.NORMAL, "normal"),
        (GAVE_UP, "shutdown: reached_max_restart_intensity"),
        (FAILED, "error: ValueError: no"),
        (
            shutdown(("failed_to_start_child", "web", FAILED)),
            "shutdown: failed_to_start_child web: error: ValueError: no",
        ),
        (
            shutdown(
                ("failed_to_start_child", "top", shutdown(("failed_to_start_child", "web", FAILED)))
            ),
            (
                "shutdown: failed_to_start_child top: shutdown: failed_to_start_child web: "
                "error: ValueError: no"
            ),
        ),
        (error(("start_spec", "missing_id")), "error: start_spec: missing_id"),
        (
            error(("supervisor_data", ("invalid_intensity", -1))),
            "error: supervisor_data: invalid_intensity: -1",
        ),
        (error(("bad_start_spec", ["a", "b"])), "error: bad_start_spec: ['a', 'b']"),
        (error(("bad_return", ("Top", "init", "17"))), "error: bad_return: Top init: 17"),
        (error(("invalid_start", int)), "error: invalid_start: int"),
        (error(()), "error: "),
        (error(b"bytes"), "error: b'bytes'"),
    ],
)
def test_a_reason_is_one_line_of_text(reason, text):
    assert str(reason) == text


def test_a_long_detail_is_cut_short():
    assert len(str(error(("start_spec", ("invalid_start", dict.fromkeys(range(10_000))))))) < 200


def test_a_mistake_in_flags_becomes_a_reason_of_its_shape():
    with pytest.raises(SpecError) as mistake:
        check_flags(SupervisorFlags(period=0))
    assert Reason("error", mistake.value.shape) == error(("supervisor_data", ("invalid_period", 0)))
