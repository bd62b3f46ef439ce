"""What holds between several keys of the configuration; `actors.config` checks it."""

from __future__ import annotations

from pathlib import Path

import phonenumbers

from actors.settings import Relation

__all__ = ["RELATIONS"]


def _below(lesser: float, greater: float) -> bool:
    return lesser < greater


def _at_most(lesser: float, greater: float) -> bool:
    return lesser <= greater


def _not_both(first: tuple[str, int], second: tuple[str, int]) -> bool:
    return first != second or first[1] == 0


MOST_SECRETS = 2
"""Of a source of social media: the one that is being replaced, and the next."""

RELATIONS = (
    Relation(
        ("routing.late_timeout_ms", "routing.default_answer_ms"),
        _below,
        "must be below routing.default_answer_ms",
    ),
    Relation(
        ("routing.default_answer_ms", "routing.request_timeout_ms"),
        _below,
        "must be below routing.request_timeout_ms",
    ),
    Relation(
        ("routing.request_timeout_ms", "routing.abandon_timeout_ms"),
        _at_most,
        "must be at most routing.abandon_timeout_ms",
    ),
    Relation(
        ("cti.min_reply_ms", "routing.request_timeout_ms"),
        _at_most,
        "must be at most routing.request_timeout_ms",
    ),
    Relation(
        ("journal.gather_ms", "journal.gather_busy_ms"),
        _at_most,
        "must be at most journal.gather_busy_ms",
    ),
    Relation(
        ("cti.window", "cti.held_frames"),
        _at_most,
        "must be at most cti.held_frames",
    ),
    Relation(
        ("cti.max_frame_bytes", "cti.write_buffer_bytes"),
        _at_most,
        "must be at most cti.write_buffer_bytes",
    ),
    Relation(
        ("csta.max_message_bytes", "cti.write_buffer_bytes"),
        _at_most,
        "must be at most cti.write_buffer_bytes",
    ),
    Relation(
        ("csta.min_session_s", "csta.session_s"),
        _at_most,
        "must be at most csta.session_s",
    ),
    Relation(
        ("csta.session_s", "csta.max_session_s"),
        _at_most,
        "must be at most csta.max_session_s",
    ),
    Relation(
        ("overload.new_after_ms", "overload.all_after_ms"),
        _at_most,
        "must be at most overload.all_after_ms",
    ),
    Relation(
        ("overload.new_above_journal_load", "overload.all_above_journal_load"),
        _at_most,
        "must be at most overload.all_above_journal_load",
    ),
    *(
        Relation(
            ("channels.mail.port", f"{other}.port", "channels.mail.host", f"{other}.host"),
            lambda mail, port, mail_host, host: _not_both((mail_host, mail), (host, port)),
            f"must differ from {other}.port on the same host (0 takes a free one)",
        )
        for other in ("http", "cti")
    ),
    *(
        Relation(
            (f"channels.{who}", f"channels.{channel}.enabled"),
            lambda found, enabled: bool(found) or not enabled,
            f"must have one at least where channels.{channel}.enabled is true",
        )
        for channel, who in (
            ("mail", "mail.recipients"),
            ("chat", "chat.origins"),
            ("social", "social.sources"),
        )
    ),
    Relation(
        ("channels.social.sources",),
        lambda sources: all(
            1 <= len(source.secrets) <= MOST_SECRETS for source in sources.values()
        ),
        "must each have one or two secrets",
    ),
    Relation(
        ("channels.chat.ticket_s", "channels.chat.token_s"),
        _at_most,
        "must be at most channels.chat.token_s",
    ),
    Relation(
        ("database.connections", "database.max_connections"),
        _at_most,
        "must be at most database.max_connections",
    ),
    Relation(
        ("database.reconnect_min_s", "database.reconnect_max_s"),
        _at_most,
        "must be at most database.reconnect_max_s",
    ),
    Relation(
        ("database.store_batch", "journal.outbox_limit"),
        _at_most,
        "must be at most journal.outbox_limit",
    ),
    Relation(
        ("customers.query", "customers.table"),
        lambda query, table: not (query and table),
        "must be empty where customers.table is set",
    ),
    Relation(
        ("customers.query",),
        lambda query: not query or "$1" in query,
        "must have the parameter $1, the number",
    ),
    Relation(
        ("anchor.restart_min_s", "anchor.restart_max_s"),
        _at_most,
        "must be at most anchor.restart_max_s",
    ),
    Relation(
        ("release.probation.sample_s", "release.probation.window_s"),
        _at_most,
        "must be at most release.probation.window_s",
    ),
    Relation(
        ("release.probation.probes",),
        lambda probes: all(words and Path(words[0]).is_absolute() for words in probes.values()),
        "must each be a program's absolute path and its arguments",
    ),
    Relation(
        ("cti.port", "http.port", "cti.host", "http.host"),
        lambda cti, http, cti_host, http_host: _not_both((cti_host, cti), (http_host, http)),
        "must differ from http.port on the same host (0 takes a free one)",
    ),
    Relation(
        ("database.connections", "postgres.max_connections", "database.dsn"),
        lambda used, offered, dsn: bool(dsn) or used < offered,
        "must be below postgres.max_connections while the server is embedded",
    ),
    *(
        Relation(
            (key,),
            lambda path: not path or Path(path).is_absolute(),
            "must be an absolute path, or empty for what ships",
        )
        for key in ("reference.directory", "reference.calendars")
    ),
    Relation(
        ("routing.rules",),
        lambda path: not path or Path(path).is_absolute(),
        "must be an absolute path, or empty for no rules",
    ),
    Relation(
        ("routing.region",),
        lambda region: region in phonenumbers.SUPPORTED_REGIONS,
        "must be a region whose numbering plan is known",
    ),
    Relation(
        ("ivr.send_list",),
        lambda lists: "default" in lists,
        "must have a list named default",
    ),
)
