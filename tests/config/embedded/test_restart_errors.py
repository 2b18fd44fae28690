"""Servers on a full disk: a restart that fails is an error that the supervisor handles, and one that only reads is not waited for."""

import errno
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from config.embedded.postgres import PostgresServer
from config.embedded.servers import EmbeddedServers, ServerError
from config.embedded.valkey import ValkeyServer


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


@pytest.mark.parametrize(
    ("error", "is_answering"),
    [
        (redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), True),
        (redis.exceptions.BusyLoadingError("Valkey is loading the dataset in memory"), False),
        (redis.AuthenticationError("WRONGPASS invalid username-password pair"), False),
        (None, True),
    ],
)
def test_valkey_that_cannot_write_its_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None, is_answering: bool
) -> None:
    (tmp_path / "run").mkdir()
    server = ValkeyServer(tmp_path, password="", throw_away=True, report=lambda text: None)
    server.configure(6379)

    class Client:
        def __enter__(self) -> "Client":
            return self

        def __exit__(self, *details: object) -> None:
            return None

        def info(self, section: str) -> dict[str, Any]:
            return {"config_file": str(server.conf)}

        def ping(self) -> bool:
            if error is not None:
                raise error
            return True

    monkeypatch.setattr(server, "_connect", Client)
    assert server.is_answering() is is_answering
