"""A collector with its own servers: Granian with two workers, and calls that are retried as SDKs do."""

import base64
import gzip
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis
from psycopg import sql

from config import settings as project_settings
from config.embedded.server_process import EmbeddedServer
from config.embedded.servers import EmbeddedServers
from tests.migrated_servers import copy_migrated_servers
from tests.ports import reserve_port
from tests.waiting import DEADLINE_SECONDS, wait_until

PROJECT = Path(project_settings.__file__).resolve().parents[1]


@dataclass(frozen=True)
class CollectorResponse:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class CollectorServer:
    """PostgreSQL, Valkey and a web server in one folder, which a test can stop, kill and restart."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        copy_migrated_servers(folder / "var")
        self.servers = EmbeddedServers(folder / "var", report=lambda message: None)
        addresses = self.servers.ensure(postgres=True, valkey=True)
        assert addresses.postgres is not None
        assert addresses.valkey is not None
        self.database, self.valkey_url = addresses.postgres, addresses.valkey
        self.env = os.environ | {
            "DATABASE_URL": self.database,
            "VALKEY_URL": self.valkey_url,
            "PERENNIAL_VAR": str(folder / "var"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_STATEMENT_TIMEOUT": "300",
            **environment,
        }
        self.port = reserve_port()
        self.web: subprocess.Popen[bytes] | None = None
        self.start_web()

    def run_python(self, *arguments: str) -> str:
        process = subprocess.run(
            [sys.executable, *arguments], cwd=PROJECT, env=self.env, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout.strip()

    def make_source(self, key: str) -> str:
        """Create a source and return its write key; by SQL, because a process with Django takes seconds to start."""
        from django.db import connection

        from customers.events.models import Source
        from customers.events.sources.write_keys import hash_key

        plain = f"wk_{secrets.token_urlsafe(32)}"
        source = Source(key=key, name=key, kind=Source.Kind.SERVER, write_key_hash=hash_key(plain))
        fields = [field for field in Source._meta.concrete_fields if not field.primary_key]
        values = [field.get_db_prep_save(field.pre_save(source, add=True), connection) for field in fields]
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(Source._meta.db_table),
            sql.SQL(", ").join(sql.Identifier(field.column) for field in fields),
            sql.SQL(", ").join(sql.Placeholder() for _field in fields),
        )
        with psycopg.connect(self.database) as target:
            target.execute(statement, values)
        return plain

    def start_web(self) -> None:
        command = [sys.executable, "-m", "config.web_server", "--port", str(self.port), "config.wsgi:application"]
        with (self.folder / "web.log").open("ab") as log:
            self.web = subprocess.Popen(command, cwd=PROJECT, env=self.env, stdout=log, stderr=log)
        wait_until(self.is_live, what="the web server")

    def is_live(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health/live")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def kill_web(self) -> None:
        """Kill all processes of the web server with SIGKILL."""
        assert self.web is not None
        family = [psutil.Process(self.web.pid), *psutil.Process(self.web.pid).children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):  # its parent was killed before, so it may have ended by itself
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=300)
        self.web.wait()
        self.web = None

    def measure_web_megabytes(self) -> float:
        assert self.web is not None
        children = psutil.Process(self.web.pid).children(recursive=True)
        return sum(process.memory_info().rss for process in children) / 1e6

    def find_server(self, name: str) -> EmbeddedServer:
        return next(find_server for find_server in self.servers.used if find_server.name == name)

    def query_value(self, query: str, *parameters: Any) -> Any:
        with psycopg.connect(self.database) as connection:
            row = connection.execute(query, parameters).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def count_stored(self, source: str) -> tuple[int, int, int]:
        """Return the numbers of events, distinct message ids and waiting events of a source."""
        return self.query_value(
            "SELECT count(*), count(DISTINCT message_id), count(w.event_id) FROM events_event e"
            " LEFT JOIN events_outbox w ON w.event_id = e.id"
            " WHERE source_id = (SELECT id FROM events_source WHERE key = %s)",
            source,
        )

    def connect_to_valkey(self) -> redis.Redis:
        return redis.Redis.from_url(self.valkey_url)

    def post(
        self, key: str, body: Any, *, path: str = "/v1/batch", packed: bool = False, timeout: float = DEADLINE_SECONDS
    ) -> CollectorResponse:
        """Send one call. Raises OSError or HTTPException if there is no complete response."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        token = base64.b64encode(f"{key}:".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(
                "POST", path, gzip.compress(data) if packed else data, {"Authorization": f"Basic {token}"}
            )
            response = connection.getresponse()
            return CollectorResponse(response.status, dict(response.getheaders()), json.loads(response.read()))
        finally:
            connection.close()

    def deliver(
        self, key: str, body: Any, *, report_status: Callable[[int | None], object] = lambda status: None
    ) -> CollectorResponse:
        """Send until the response is 200, as SDKs do; ``report_status`` is called with every other status, None for a lost connection."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            assert time.monotonic() < deadline, "no response 200 in time"
            try:
                response = self.post(key, body)
            except (OSError, http.client.HTTPException):
                report_status(None)
                time.sleep(0.1)
                continue
            if response.status == 200:
                return response
            assert response.status == 503, response
            assert (
                0 < int(response.headers["retry-after" if "retry-after" in response.headers else "Retry-After"]) <= 300
            )
            report_status(response.status)
            time.sleep(0.2)

    def close(self) -> None:
        if self.web is not None:
            self.kill_web()
        self.servers.release()


@contextmanager
def run_collector(**environment: str) -> Iterator[CollectorServer]:
    """Run a collector in a folder that PostgreSQL's own user can read, which pytest's folders are not during startup."""
    with tempfile.TemporaryDirectory(prefix="perennial-collecting-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = CollectorServer(folder, **environment)
        try:
            yield server
        finally:
            server.close()
