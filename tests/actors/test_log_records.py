"""Records in OpenTelemetry's shape, from `logging` and from the node's reports."""

import json
import logging
import sys

import pytest

from actors import log_records
from actors.log_records import from_logging, from_report, line
from supervision import Report

RESOURCE = {"service.name": "vigie", "service.version": "0.1.0"}


def logged(level=logging.WARNING, text="%s of %s", args=("7", "8"), exc_info=None):
    record = logging.LogRecord("a.b", level, "/x/y.py", 12, text, args, exc_info, "handle")
    record.created = 1_750_000_000.123456
    return json.loads(line(from_logging(record, RESOURCE)))


def reported(kind, **data):
    report = Report(kind, "node/callSup/router", 1_750_000_000.5, data)
    return json.loads(line(from_report(report, RESOURCE)))


def test_a_record_of_logging_has_the_names_of_the_log_data_model():
    record = logged()
    assert record.pop("Attributes") | {"thread.name": ""} == {
        "code.file.path": "/x/y.py",
        "code.line.number": 12,
        "code.function.name": "handle",
        "thread.name": "",
    }
    assert record == {
        "Timestamp": "1750000000123456000",
        "SeverityText": "WARN",
        "SeverityNumber": 13,
        "Body": "7 of 8",
        "Resource": RESOURCE,
        "InstrumentationScope": {"Name": "a.b"},
    }


@pytest.mark.parametrize(
    ("level", "severity"),
    [(5, 1), (10, 5), (15, 5), (20, 9), (30, 13), (40, 17), (45, 17), (50, 21)],
)
def test_levels_become_the_severities_of_the_model(level, severity):
    assert logged(level)["SeverityNumber"] == severity


def test_an_exception_is_told_with_its_type_message_and_stack():
    try:
        {}["number"]
    except KeyError:
        attributes = logged(exc_info=sys.exc_info())["Attributes"]
    assert attributes["exception.type"] == "KeyError"
    assert attributes["exception.message"] == "'number'"
    assert attributes["exception.stacktrace"].startswith("Traceback")


@pytest.mark.parametrize(
    ("kind", "data", "severity"),
    [
        ("crash", {"reason": "error: boom"}, "ERROR"),
        ("supervisor", {"context": "child_terminated", "child": "x"}, "ERROR"),
        ("supervisor", {"context": "restarted", "child": "x"}, "INFO"),
        ("supervisor", {"context": "shutdown", "child": "x"}, "FATAL"),
        ("supervisor", {"context": "escalation", "child": "x"}, "FATAL"),
        ("supervisor", {"context": "crash_loop", "child": "x"}, "ERROR"),
        ("supervisor", {"context": "crash_loop_over", "child": "x"}, "INFO"),
        ("hold", {"seconds": 0.2}, "WARN"),
        ("overflow", {}, "WARN"),
        ("unexpected", {"message": "Foo"}, "WARN"),
        ("progress", {}, "DEBUG"),
    ],
)
def test_reports_are_as_severe_as_what_they_tell(kind, data, severity):
    assert reported(kind, **data)["SeverityText"] == severity


def test_a_crash_report_keeps_its_particulars_under_the_conventional_names():
    record = reported("crash", reason="error: boom", traceback="Traceback ...", mailbox=3)
    assert record["Body"] == "crash: node/callSup/router: error: boom"
    assert record["Attributes"] == {
        "vigie.report": "crash",
        "vigie.path": "node/callSup/router",
        "exception.message": "error: boom",
        "exception.stacktrace": "Traceback ...",
        "vigie.mailbox": 3,
    }


def test_values_that_json_does_not_know_are_told_as_text():
    assert reported("unexpected", what=object)["Attributes"]["vigie.what"] == "<class 'object'>"


def test_what_a_caller_puts_into_a_text_stays_in_one_line():
    encoded = line(from_report(Report("unexpected", "x", 0.0, {"a": 'b\n{"Body":"forged"}\r'}), {}))
    assert encoded.count(b"\n") == 1
    assert encoded.endswith(b"\n")


def test_an_enormous_record_is_cut_and_says_so():
    encoded = line(from_report(Report("crash", "x", 0.0, {"traceback": "y" * 1_000_000}), {}))
    assert len(encoded) <= log_records.MAX_LINE_BYTES
    assert json.loads(encoded)["Attributes"]["vigie.log.cut_bytes"] > 1_000_000
