"""A server that cannot be restarted yet is an error that the supervisor handles, so that it tries again."""

import errno
import os
from pathlib import Path

import psycopg
import pytest

from config.embedded.postgres import PostgresServer
from config.embedded.servers import EmbeddedServers, ServerError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device. Is the disk full or read-only?"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "Read-only file system. Is the disk full or read-only?"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "Run as the user who owns"),
        (psycopg.OperationalError("server closed the connection unexpectedly"), "PostgreSQL: server closed"),
    ],
)
def test_restart_that_fails_is_a_server_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str
) -> None:
    def fail(server: PostgresServer) -> None:
        raise error

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(PostgresServer, "ensure_running", fail)
    servers = EmbeddedServers(tmp_path)
    servers.used = [PostgresServer(tmp_path, password="", throw_away=True, report=lambda text: None)]
    with pytest.raises(ServerError, match=text):
        servers.restart_ended()
