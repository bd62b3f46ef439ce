"""The node's configuration: one frozen record per section of `etc/vigie.toml`.

A name ends in its unit (`_ms`, `_s`, `_bytes`, `_mb`); one without is a count. The meaning of each
key is written beside it in `etc/vigie.toml`, which ships every key with its default. A value may be
overridden by an environment variable, `VIGIE_SECTION__KEY` (`VIGIE_CTI__HB__INTERVAL_MS=500`,
`VIGIE_RP__SALES__TARGET=7001`, lists with commas).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from actors.channels_config import ChannelsConfig
from actors.config_csta import CstaSection
from actors.config_relations import RELATIONS
from actors.config_values import (
    Application,
    Bytes,
    Count,
    Dsn,
    Host,
    Milliseconds,
    Port,
    ProbeWord,
    RouteType,
    RoutingPointName,
    Seconds,
    SendField,
    Share,
    Target,
)
from actors.customers_config import CustomersConfig
from actors.etc_files import etc_file
from actors.journey_config import JourneyConfig
from actors.reference_config import ReferenceConfig, calendar_mistakes
from actors.routing_config import rules_mistakes
from actors.settings import Mistake, overrides, read

__all__ = ["Config", "ConfigInvalid", "Mistake", "RoutingPoint", "load"]

PREFIX = "VIGIE_"


class HttpConfig(Struct, frozen=True, kw_only=True):
    """`[http]`: the HTTP server of operators and IVR applications."""

    host: Host = "127.0.0.1"
    port: Port = 8080
    metrics_public: bool = False
    max_connections: Count = 2_000
    max_headers: Annotated[int, Meta(ge=8, le=1_000)] = 64
    max_header_bytes: Annotated[int, Meta(ge=1_024, le=65_536)] = 8_190
    max_body_bytes: Bytes = 1_048_576
    idle_timeout_s: Seconds = 60.0
    request_timeout_s: Seconds = 10.0
    write_timeout_s: Seconds = 10.0
    events_buffer: Count = 1_000
    max_event_streams: Count = 64
    soap_max_depth: Annotated[int, Meta(ge=8, le=256)] = 32
    soap_max_elements: Annotated[int, Meta(ge=64, le=1_000_000)] = 4_000
    soap_max_attributes: Annotated[int, Meta(ge=8, le=1_000)] = 64


class HeartbeatConfig(Struct, frozen=True, kw_only=True):
    """`[cti.hb]`: heartbeats of a CTI link, told to the peer in the answer to its `hello`."""

    interval_ms: Milliseconds = 300
    timeout_ms: Milliseconds = 200
    retry_ms: Milliseconds = 100
    limit: Count = 10


class CtiConfig(Struct, frozen=True, kw_only=True):
    """`[cti]`: the links of CTI peers."""

    host: Host = "127.0.0.1"
    port: Port = 7300
    handshake_timeout_ms: Milliseconds = 2_000
    max_frame_bytes: Annotated[int, Meta(ge=1_024, le=16_777_216)] = 65_535
    window: Count = 1_000
    held_frames: Count = 100_000
    max_frames_per_s: Count = 20_000
    max_links: Count = 256
    write_buffer_bytes: Bytes = 4_194_304
    min_reply_ms: Milliseconds = 20
    resume_s: Seconds = 300.0
    max_link_sessions: Count = 1_000
    max_agents: Count = 10_000
    replay_frames: Count = 10_000
    replay_bytes: Bytes = 4_194_304
    hb: HeartbeatConfig = HeartbeatConfig()


class RoutingConfig(Struct, frozen=True, kw_only=True):
    """`[routing]`: deadlines of an answer to a route request, and what holds for every point."""

    late_timeout_ms: Milliseconds = 200
    default_answer_ms: Milliseconds = 250
    request_timeout_ms: Milliseconds = 300
    abandon_timeout_ms: Milliseconds = 5_000
    max_tries: Annotated[int, Meta(ge=1, le=1_000)] = 16
    max_routings: Annotated[int, Meta(ge=1, le=1_000)] = 64
    max_rp_routings: Annotated[int, Meta(ge=1, le=1_000)] = 16
    queue_poll_ms: Milliseconds = 1_000
    on_loop: Literal["default", "reject"] = "default"
    default_target: Target = "7000"
    region: Annotated[
        str, Meta(pattern=r"^[A-Z]{2}\Z", description="two capital letters of ISO 3166-1")
    ] = "FR"
    rules: str = ""


class RoutingPoint(Struct, frozen=True, kw_only=True):
    """`[rp.NAME]`: one routing point."""

    target: Target
    rtype: RouteType = "default"
    label: Annotated[str, Meta(max_length=128)] = ""
    alternates: tuple[Target, ...] = ()


class IvrConfig(Struct, frozen=True, kw_only=True):
    """`[ivr]`: what IVR applications are sent that `sendIVRList` has no list for."""

    send_list: dict[Application, tuple[SendField, ...]] = field(
        default_factory=lambda: {"default": ("session", "call", "ani", "dnis", "lang", "rp")}
    )


class SessionsConfig(Struct, frozen=True, kw_only=True):
    """`[sessions]`: the bounds of call sessions."""

    linger_s: Seconds = 60.0
    max_open: Count = 300_000
    max_user_data_bytes: Bytes = 16_384
    orphan_grace_s: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    idle_expiry_s: Annotated[float, Meta(ge=1, le=604_800)] = 14_400.0
    max_journey: Count = 256
    max_step_data_bytes: Bytes = 4_096
    max_dialogues: Count = 32


class JournalConfig(Struct, frozen=True, kw_only=True):
    """`[journal]`: what survives a crash, `DATA/journal/`."""

    mode: Literal["durable", "off"] = "durable"
    gather_ms: Annotated[float, Meta(ge=0, le=5)] = 5.0
    gather_busy_ms: Annotated[float, Meta(ge=0, le=50)] = 12.0
    commit_rows: Annotated[int, Meta(ge=1, le=100_000)] = 5_000
    commit_mb: Annotated[int, Meta(ge=1, le=256)] = 16
    queue_limit: Count = 200_000
    retry_s: Seconds = 0.5
    stall_ms: Milliseconds = 1_000
    wal_max_mb: Annotated[int, Meta(ge=1, le=65_536)] = 64
    min_free_mb: Annotated[int, Meta(ge=1, le=1_048_576)] = 256
    on_stall: Literal["answer", "refuse"] = "answer"
    outbox_limit: Count = 1_000_000
    on_outbox_full: Literal["drop", "refuse"] = "drop"
    refused_limit: Count = 1_000


class OverloadConfig(Struct, frozen=True, kw_only=True):
    """`[overload]`: when requests are refused so that the others are answered in time."""

    new_after_ms: Milliseconds = 30
    all_after_ms: Milliseconds = 100
    new_above_journal_load: Annotated[float, Meta(gt=0, le=1)] = 0.5
    all_above_journal_load: Annotated[float, Meta(gt=0, le=1)] = 0.9
    recover_s: Seconds = 2.0
    max_memory_mb: Annotated[int, Meta(ge=0, le=1_048_576)] = 0


class DatabaseConfig(Struct, frozen=True, kw_only=True):
    """`[database]`: PostgreSQL, the store of record."""

    dsn: Dsn = ""
    connections: Annotated[int, Meta(ge=1, le=256)] = 4
    max_connections: Annotated[int, Meta(ge=1, le=256)] = 32
    probe_ms: Annotated[int, Meta(ge=50, le=60_000)] = 500
    breaker_failures: Annotated[int, Meta(ge=1, le=1_000)] = 5
    breaker_open_ms: Milliseconds = 1_000
    queue_limit: Count = 10_000
    query_timeout_ms: Milliseconds = 120
    connect_timeout_s: Seconds = 5.0
    reconnect_min_s: Seconds = 0.1
    reconnect_max_s: Seconds = 10.0
    migrate_timeout_s: Seconds = 60.0
    store_batch: Annotated[int, Meta(ge=1, le=10_000)] = 200
    store_interval_ms: Milliseconds = 200
    store_timeout_ms: Milliseconds = 5_000
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] = 90


class PostgresConfig(Struct, frozen=True, kw_only=True):
    """`[postgres]`: the embedded server, run by the anchor while `database.dsn` is empty."""

    max_connections: Annotated[int, Meta(ge=4, le=1_000)] = 32
    shared_buffers_mb: Annotated[int, Meta(ge=1, le=65_536)] = 64


class LogsConfig(Struct, frozen=True, kw_only=True):
    """`[logs]`: trace files, JSON lines in `DATA/traces/`."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    max_bytes: Annotated[int, Meta(ge=65_536, le=10_737_418_240)] = 67_108_864
    keep: Annotated[int, Meta(ge=1, le=1_000)] = 10
    queue_limit: Count = 50_000


class SchedulerConfig(Struct, frozen=True, kw_only=True):
    """`[scheduler]`: how the actors of a node share its loop."""

    turn_budget_ms: Annotated[float, Meta(ge=0.1, le=1_000)] = 5.0
    batch: Annotated[int, Meta(ge=1, le=100_000)] = 64
    hold_limit_ms: Annotated[float, Meta(ge=1, le=60_000)] = 50.0


class SupervisionConfig(Struct, frozen=True, kw_only=True):
    """`[supervision]`: restart intensity of the tree's supervisors."""

    intensity: Annotated[int, Meta(ge=0, le=1_000_000)] = 10
    period_s: Seconds = 10.0
    pool_intensity_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.05


class IntrospectionConfig(Struct, frozen=True, kw_only=True):
    """`[introspection]`: how much operators may watch, keep and go through."""

    trace_messages: Count = 10_000
    trace_s: Seconds = 3_600.0
    traces: Annotated[int, Meta(ge=1, le=100)] = 8
    traced_actors: Annotated[int, Meta(ge=1, le=100_000)] = 100
    watched_actors: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    probes: Annotated[int, Meta(ge=1, le=1_000)] = 16
    log_events: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    log_file_bytes: Bytes = 1_048_576
    top_rows: Annotated[int, Meta(ge=1, le=10_000)] = 100
    window_s: Seconds = 60.0


class AnchorConfig(Struct, frozen=True, kw_only=True):
    """`[anchor]`: how the anchor starts, watches and stops its programs."""

    start_timeout_s: Seconds = 60.0
    stop_timeout_s: Seconds = 20.0
    hang_timeout_s: Seconds = 10.0
    restart_min_s: Seconds = 0.2
    restart_max_s: Seconds = 30.0
    restart_reset_s: Seconds = 60.0


class ProbationConfig(Struct, frozen=True, kw_only=True):
    """`[release.probation]`: what a new version may not do before it is permanent."""

    sample_s: Annotated[float, Meta(ge=0.1, le=60)] = 1.0
    window_s: Annotated[float, Meta(ge=1, le=600)] = 30.0
    settle_s: Annotated[float, Meta(ge=0, le=600)] = 3.0
    min_requests: Count = 100
    max_crashes: Annotated[int, Meta(ge=0, le=1_000_000)] = 20
    max_failed_share: Share = 0.01
    max_late_share: Share = 0.02
    max_refused_share: Share = 0.1
    max_p99_ms: Annotated[int, Meta(ge=1, le=1_000)] = 250
    probe_every_s: Seconds = 10.0
    probe_timeout_s: Seconds = 5.0
    probe_failures: Annotated[int, Meta(ge=1, le=1_000)] = 3
    probes: dict[Application, tuple[ProbeWord, ...]] = {}


class ReleaseConfig(Struct, frozen=True, kw_only=True):
    """`[release]`: how a new version is installed, takes over and proves itself."""

    require_signature: bool = False
    trusted_keys: tuple[str, ...] = ()
    keep: Annotated[int, Meta(ge=1, le=100)] = 5
    check_timeout_s: Seconds = 60.0
    check_states: Count = 5_000
    spawn_timeout_s: Seconds = 30.0
    precopy_timeout_s: Seconds = 120.0
    drain_timeout_s: Seconds = 1.0
    quiet_ms: Milliseconds = 150
    freeze_timeout_s: Seconds = 2.0
    switch_timeout_s: Seconds = 5.0
    permanent_timeout_s: Seconds = 60.0
    stragglers: Literal["redeliver", "wait", "restart"] = "redeliver"
    probation_s: Seconds = 300.0
    probation: ProbationConfig = ProbationConfig()


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration of a node."""

    http: HttpConfig = HttpConfig()
    cti: CtiConfig = CtiConfig()
    csta: CstaSection = field(default_factory=CstaSection)
    routing: RoutingConfig = RoutingConfig()
    rp: dict[RoutingPointName, RoutingPoint] = field(default_factory=dict)
    ivr: IvrConfig = field(default_factory=IvrConfig)
    sessions: SessionsConfig = SessionsConfig()
    journey: JourneyConfig = JourneyConfig()
    journal: JournalConfig = JournalConfig()
    overload: OverloadConfig = OverloadConfig()
    database: DatabaseConfig = DatabaseConfig()
    customers: CustomersConfig = CustomersConfig()
    postgres: PostgresConfig = PostgresConfig()
    logs: LogsConfig = LogsConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    supervision: SupervisionConfig = SupervisionConfig()
    introspection: IntrospectionConfig = IntrospectionConfig()
    anchor: AnchorConfig = AnchorConfig()
    release: ReleaseConfig = ReleaseConfig()
    reference: ReferenceConfig = ReferenceConfig()
    channels: ChannelsConfig = ChannelsConfig()


class ConfigInvalid(Exception):  # noqa: N818 named for what it says of the configuration
    """The configuration has mistakes.

    Attributes:
        mistakes: All of them, by key; never empty.
    """

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the configuration.

    Args:
        path: A TOML file; None reads the `vigie.toml` that ships.
        environ: The environment, whose `VIGIE_SECTION__KEY` variables win over the file.

    Returns:
        The configuration, whole and valid.

    Raises:
        ConfigInvalid: With every mistake that was found.
    """
    document = _document(etc_file("vigie.toml") if path is None else path)
    config, mistakes = read(Config, document, overrides(environ, PREFIX), RELATIONS)
    mistakes = mistakes or calendar_mistakes(config.reference)
    if mistakes := mistakes or rules_mistakes(config.routing.rules):
        raise ConfigInvalid(mistakes)
    return config


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigInvalid([Mistake("", f"{path} cannot be read: {error.strerror}")]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid([Mistake("", f"{path} is not TOML: {error}")]) from error
