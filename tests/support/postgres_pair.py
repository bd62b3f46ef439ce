"""Two PostgreSQL servers, the second a streaming replica of the first, promoted at will."""

from __future__ import annotations

from urllib.parse import quote

from postgres_server import PostgresServer

STREAMING = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}


class Primary(PostgresServer):
    """A server that others can be replicas of."""

    def __init__(self) -> None:
        super().__init__(**STREAMING)

    @property
    def directory(self) -> str:
        """Where its socket is."""
        return str(self._directory)


class Replica(PostgresServer):
    """A streaming replica.

    Args:
        primary: Runs.
    """

    def __init__(self, primary: Primary) -> None:
        self._primary = primary
        super().__init__(**STREAMING)

    @property
    def directory(self) -> str:
        """Where its socket is."""
        return str(self._directory)

    def _make(self) -> None:
        source = f"host={self._primary.directory} user=tests dbname=postgres"
        words = ["-D", "data", "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        self._do("pg_basebackup", *words)

    def promote(self) -> None:
        """Make it a primary, and wait until it is one."""
        self.run("SELECT pg_promote()")


def pair_dsn(*servers: Primary | Replica) -> str:
    """How clients connect to all of them."""
    places = ",".join(quote(server.directory, safe="") for server in servers)
    return f"postgresql:///postgres?user=tests&host={places}"
