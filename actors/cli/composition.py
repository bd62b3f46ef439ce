"""From a configuration to what the anchor guards: the node and its PostgreSQL."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from actors.cli import rooms
from supervision.anchor import postgres
from supervision.anchor.binaries import find_binaries
from supervision.anchor.messages import ExitCode
from supervision.anchor.spec import (
    AnchorSpec,
    ListenerSpec,
    ProgramSpec,
    RestartPolicy,
    UpgradeSpec,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.config import AnchorConfig, Config, ReleaseConfig

NAME = "vigie"
"""The database and the role of the embedded server."""

NODE_SHARE = 0.6
"""Of the time to stop, what the node gets; the rest is PostgreSQL's."""

CACHES = (Path("/var/cache/vigie"), Path(tempfile.gettempdir()) / "vigie-cache")
"""Where root may keep a copy of PostgreSQL's programs that its unprivileged user can execute."""


def anchor_spec(
    config: Config, data: Path, file: Path | None, environ: Mapping[str, str]
) -> AnchorSpec:
    """Compose what a node consists of.

    Args:
        config: The configuration.
        data: The data directory, absolute.
        file: The configuration's file, absolute; None is the one that ships.
        environ: The environment, as ``os.environ``.

    Returns:
        What the anchor guards: PostgreSQL, unless ``database.dsn`` names another, and the node.

    Raises:
        BinariesMissing: There is no PostgreSQL to embed.
    """
    server = None if config.database.dsn else _server(config, data, environ)
    programs = [] if server is None else [_postgres(config.anchor, server)]
    names = tuple(listener.name for listener in _listeners(config))
    programs.append(_node(config.anchor, data, file, server, names))
    # Each program finds the rooms of its own release, whichever release the anchor is of.
    path = {"PYTHONPATH": rooms.python_path(environ)}
    return AnchorSpec(
        directory=str(data),
        programs=tuple(replace(program, env={**program.env, **path}) for program in programs),
        listeners=_listeners(config),
        relays={"api": "node"},
        labels={"version": _version(), "config": str(file or "as shipped")},
        start_timeout_s=config.anchor.start_timeout_s,
        upgrade=_upgrade(config.release, file),
    )


def _listeners(config: Config) -> tuple[ListenerSpec, ...]:
    """The sockets that the anchor binds for the node."""
    mail = config.channels.mail
    always = (
        ListenerSpec("http", config.http.host, config.http.port),
        ListenerSpec("cti", config.cti.host, config.cti.port),
    )
    return (*always, ListenerSpec("mail", mail.host, mail.port)) if mail.enabled else always


def _upgrade(release: ReleaseConfig, file: Path | None) -> UpgradeSpec:
    return UpgradeSpec(
        program="node",
        config="" if file is None else str(file),
        compose_timeout_s=release.spawn_timeout_s,
        check_timeout_s=release.check_timeout_s,
        spawn_timeout_s=release.spawn_timeout_s,
        precopy_timeout_s=release.precopy_timeout_s,
        drain_timeout_s=release.drain_timeout_s,
        freeze_timeout_s=release.freeze_timeout_s,
        switch_timeout_s=release.switch_timeout_s,
        permanent_timeout_s=release.permanent_timeout_s,
        probation_s=release.probation_s,
        keep=release.keep,
    )


def _node(
    anchor: AnchorConfig,
    data: Path,
    file: Path | None,
    server: postgres.ServerSpec | None,
    listeners: tuple[str, ...],
) -> ProgramSpec:
    words = [f"--data={data}"] if file is None else [f"--data={data}", f"--config={file}"]
    # The working directory is the data's: -P keeps what lies there from shadowing modules.
    return ProgramSpec(
        name="node",
        argv=(sys.executable, "-P", "-m", "actors.node", *words),
        env={} if server is None else {"VIGIE_DATABASE__DSN": postgres.dsn(server, data)},
        listeners=listeners,
        awaited=True,
        ready_timeout_s=anchor.start_timeout_s,
        hang_timeout_s=anchor.hang_timeout_s,
        stop_timeout_s=anchor.stop_timeout_s * NODE_SHARE,
        restart=_restart(anchor),
        final_exit_codes=(ExitCode.USAGE,),
        restart_prevent_exit_codes=(ExitCode.DATA_ERROR,),
    )


def _postgres(anchor: AnchorConfig, server: postgres.ServerSpec) -> ProgramSpec:
    stop_timeout_s = anchor.stop_timeout_s * (1 - NODE_SHARE)
    return postgres.program(server, stop_timeout_s=stop_timeout_s, restart=_restart(anchor))


def _server(config: Config, data: Path, environ: Mapping[str, str]) -> postgres.ServerSpec:
    return postgres.ServerSpec(
        directory=data / "postgres",
        binaries=find_binaries(environ),
        role=NAME,
        database=NAME,
        max_connections=config.postgres.max_connections,
        shared_buffers_mb=config.postgres.shared_buffers_mb,
        caches=CACHES,
    )


def _restart(anchor: AnchorConfig) -> RestartPolicy:
    return RestartPolicy(anchor.restart_min_s, anchor.restart_max_s, anchor.restart_reset_s)


def _version() -> str:
    try:
        return version("vigie")
    except PackageNotFoundError:  # the rooms are used where they lie
        return "not installed"
