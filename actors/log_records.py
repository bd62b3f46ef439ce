"""Log records in the shape of OpenTelemetry's log data model, one JSON object a line.

Timestamps are nanoseconds since the epoch as decimal strings, as in the model's own example and in
OTLP's JSON: they are too large for the numbers of most JSON readers. Names of attributes follow
OpenTelemetry's semantic conventions where they have one, else they begin with `vigie.`.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from supervision import Report

SeverityText: TypeAlias = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]

SEVERITY_NUMBER: dict[SeverityText, int] = {
    "TRACE": 1,
    "DEBUG": 5,
    "INFO": 9,
    "WARN": 13,
    "ERROR": 17,
    "FATAL": 21,
}
LEVEL_SEVERITY: dict[Level, SeverityText] = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARN",
    "error": "ERROR",
}
_SUPERVISOR_SEVERITY: dict[str, SeverityText] = {
    "auto_shutdown": "WARN",
    "crash_loop_over": "INFO",
    "escalation": "FATAL",
    "restarted": "INFO",
    "shutdown": "FATAL",
    "starts_with": "INFO",
}
_REPORT_SEVERITY: dict[str, SeverityText] = {
    "crash": "ERROR",
    "supervisor": "ERROR",
    "hold": "WARN",
    "overflow": "WARN",
    "unexpected": "WARN",
    "degraded": "WARN",
    "recovered": "INFO",
    "renewed": "WARN",
    "unsaved": "ERROR",
    "unclosed": "ERROR",
    "progress": "DEBUG",
    "probe": "WARN",
    "trace": "DEBUG",
}
_ALARM_SEVERITY: dict[str, SeverityText] = {
    "critical": "FATAL",
    "major": "ERROR",
    "minor": "WARN",
    "warning": "WARN",
}
_SAID = {"alarm": ("name", "state", "text")}
"""What of a report's data its body says, where it is not the usual."""
_RENAMED = {"reason": "exception.message", "traceback": "exception.stacktrace"}

MAX_LINE_BYTES = 131_072
"""A longer line is cut: its attributes are left out, its body is shortened."""
MAX_BODY_CHARS = 8_192

_encoder = msgspec.json.Encoder(enc_hook=str)


class LogRecord(Struct, frozen=True, kw_only=True, rename="pascal", omit_defaults=True):
    """One record (OpenTelemetry, Logs Data Model).

    Attributes:
        timestamp: Nanoseconds since the epoch, in decimal.
        severity_text: The level's name; `severity_number` is its number, 1 to 24.
        body: The message, for people.
        attributes: Particulars of this record.
        resource: What it comes from: the same for all records of a process.
        instrumentation_scope: The logger, as `{"Name": ...}`.
    """

    timestamp: str
    severity_text: SeverityText
    severity_number: int
    body: str
    attributes: dict[str, Any] = {}
    resource: dict[str, Any] = {}
    instrumentation_scope: dict[str, str] = {}


def from_logging(record: logging.LogRecord, resource: dict[str, Any]) -> LogRecord:
    """Translate a record of the standard library's `logging`.

    Args:
        record: Its message and arguments are put together here.
        resource: What the process is.

    Raises:
        Exception: Whatever the formatting of its arguments raises.
    """
    attributes: dict[str, Any] = {
        "code.file.path": record.pathname,
        "code.line.number": record.lineno,
        "code.function.name": record.funcName,
        "thread.name": record.threadName,
    }
    if record.exc_info and (error := record.exc_info[1]) is not None:
        attributes["exception.type"] = type(error).__qualname__
        attributes["exception.message"] = str(error)
        attributes["exception.stacktrace"] = "".join(traceback.format_exception(error))
    return _record(
        record.created,
        severity_of(record.levelno),
        record.getMessage(),
        attributes,
        resource,
        {"Name": record.name},
    )


def from_report(report: Report, resource: dict[str, Any]) -> LogRecord:
    """Translate a report of the node.

    Args:
        report: A crash, a supervisor's report, a handler that held the loop, ...
        resource: What the process is.
    """
    attributes = {"vigie.report": report.kind, "vigie.path": report.path}
    for key, value in report.data.items():
        attributes[_RENAMED.get(key, f"vigie.{key}")] = value
    keys = _SAID.get(report.kind, ("context", "child", "reason"))
    said = [str(report.data[key]) for key in keys if report.data.get(key)]
    body = f"{report.kind}: {': '.join([report.path, *said])}"
    return _record(report.at, report_severity(report), body, attributes, resource, {})


def dropped(count: int, at: float, resource: dict[str, Any]) -> LogRecord:
    """Tell in the file itself that records are missing from it.

    Args:
        count: How many.
        at: When there was room again, seconds since the epoch.
        resource: What the process is.
    """
    body = f"{count} records were dropped here: the disk was slower than the node"
    return _record(at, "WARN", body, {"vigie.log.dropped": count}, resource, {})


def line(record: LogRecord) -> bytes:
    """Return the record as a line of JSON, with its newline, of at most `MAX_LINE_BYTES`."""
    encoded = _encoder.encode(record)
    if len(encoded) >= MAX_LINE_BYTES:
        encoded = _encoder.encode(
            msgspec.structs.replace(
                record,
                body=record.body[:MAX_BODY_CHARS],
                attributes={"vigie.log.cut_bytes": len(encoded)},
            )
        )
    return encoded + b"\n"


def severity_of(levelno: int) -> SeverityText:
    """Return the severity of a level of `logging`."""
    if levelno >= logging.CRITICAL:
        return "FATAL"
    if levelno >= logging.ERROR:
        return "ERROR"
    if levelno >= logging.WARNING:
        return "WARN"
    if levelno >= logging.INFO:
        return "INFO"
    return "DEBUG" if levelno >= logging.DEBUG else "TRACE"


def report_severity(report: Report) -> SeverityText:
    """Return the severity of a report: a supervisor that gives up is worse than one that heals."""
    if report.kind == "supervisor":
        return _SUPERVISOR_SEVERITY.get(str(report.data.get("context")), "ERROR")
    if report.kind == "alarm":
        raised = report.data.get("state") == "raised"
        return _ALARM_SEVERITY.get(str(report.data.get("severity")), "ERROR") if raised else "INFO"
    return _REPORT_SEVERITY.get(report.kind, "INFO")


def _record(  # noqa: PLR0917 - private, and every part of a record is named by its position here
    at: float,
    severity: SeverityText,
    body: str,
    attributes: dict[str, Any],
    resource: dict[str, Any],
    scope: dict[str, str],
) -> LogRecord:
    return LogRecord(
        timestamp=str(round(at * 1e6) * 1000),
        severity_text=severity,
        severity_number=SEVERITY_NUMBER[severity],
        body=body,
        attributes=attributes,
        resource=resource,
        instrumentation_scope=scope,
    )
