"""Starts PostgreSQL and Valkey from their wheels when no address is given, shares them, stops them with their last user.

Everything lies under `var/` (or PERENNIAL_VAR): postgres/, valkey/, log/, run/ and secrets/servers.password.
Each process that uses the servers holds a shared lock on run/in-use.lock, which the kernel drops however the process
ends; whoever ends last stops the servers. Servers left behind by a kill -9 are reused by the next process.
"""

import atexit
import fcntl
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.embedded.postgres import PostgresServer
from config.embedded.server_process import POLL, EmbeddedServer, Say, ServerError, write_private
from config.embedded.valkey import ValkeyServer

__all__ = [
    "Addresses",
    "EmbeddedServers",
    "ServerError",
    "check_address",
    "ended_servers",
    "ensure_servers",
    "own_environment",
    "release",
    "server_logs",
    "var_folder",
]


@dataclass(frozen=True)
class Addresses:
    """What DATABASE_URL and VALKEY_URL should be; None for a server that was not asked for."""

    postgres: str | None = None
    valkey: str | None = None


def var_folder() -> Path:
    given = os.environ.get("PERENNIAL_VAR")
    return Path(given).expanduser().resolve() if given else Path(__file__).resolve().parents[2] / "var"


def say_on_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class EmbeddedServers:
    """The servers of one `var` folder, as one process sees them."""

    def __init__(self, var: Path, *, throw_away: bool = False, say: Say = say_on_stderr) -> None:
        self.var = var.expanduser().resolve()
        self.throw_away = throw_away
        self.say = say
        self.used: list[EmbeddedServer] = []
        self._servers: list[EmbeddedServer] = []
        self._in_use: int | None = None
        self._owner_pid = os.getpid()

    def ensure(self, *, postgres: bool, valkey: bool) -> Addresses:
        """Starts what does not run yet. Errors: ServerError with a message for the operator."""
        try:
            return self._ensure(postgres=postgres, valkey=valkey)
        except PermissionError as error:
            raise ServerError(
                f"{error.filename or self.var}: {error.strerror}. Run as the user who owns {self.var}, change its "
                "owner, or name another folder in PERENNIAL_VAR."
            ) from error
        except OSError as error:
            place = error.filename or self.var
            raise ServerError(f"{place}: {error.strerror}. Is the disk full or read-only?") from error

    def release(self) -> None:
        """Stops using the servers; stops the servers themselves when nobody else uses them."""
        if self._in_use is None or os.getpid() != self._owner_pid:
            return
        with self._exclusively():
            try:
                fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                for server in self._all(self._password()):
                    server.stop()
            os.close(self._in_use)
            self._in_use = None
            self.used = []

    def _release_at_exit(self) -> None:
        try:
            self.release()
        except OSError as error:
            self.say(f"The servers in {self.var} could not be stopped: {error}.")

    def ended(self) -> list[str]:
        """Names of the servers in use whose process is gone."""
        return [server.title for server in self.used if server.pid is not None and not server.is_alive(server.pid)]

    def _ensure(self, *, postgres: bool, valkey: bool) -> Addresses:
        self._make_folders()
        with self._exclusively():
            self._enter()
            servers = self._all(self._password())
            wanted = [server for server, needed in zip(servers, (postgres, valkey), strict=True) if needed]
            for server in wanted:
                server.ensure_running()
        self.used = [server for server in servers if server in wanted or server in self.used]
        urls = {server.name: server.url() for server in wanted}
        return Addresses(postgres=urls.get("postgres"), valkey=urls.get("valkey"))

    def _all(self, password: str) -> list[EmbeddedServer]:
        if not self._servers:
            kinds = (PostgresServer, ValkeyServer)
            self._servers = [
                kind(self.var, password=password, throw_away=self.throw_away, say=self.say) for kind in kinds
            ]
        return self._servers

    def _make_folders(self) -> None:
        self.var.mkdir(mode=0o711, parents=True, exist_ok=True)
        for name in ("log", "run", "secrets"):
            (self.var / name).mkdir(mode=0o700, exist_ok=True)

    def _enter(self) -> None:
        if self._in_use is None:
            self._in_use = os.open(self.var / "run" / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._in_use, fcntl.LOCK_SH)
            atexit.register(self._release_at_exit)

    def _password(self) -> str:
        path = self.var / "secrets" / "servers.password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text().strip()

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """One process at a time starts or stops servers."""
        lock = os.open(self.var / "run" / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        started = time.monotonic()
        said = False
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not said and time.monotonic() - started > 2:
                        self.say("Another Perennial process is starting or stopping the servers: waiting for it.")
                        said = True
                    time.sleep(POLL)
            yield
        finally:
            os.close(lock)


_joined: dict[Path, EmbeddedServers] = {}


def ensure_servers(*, postgres: bool, valkey: bool) -> Addresses:
    """Starts, or joins, the servers of `var_folder()` until this process ends. Errors: ServerError."""
    var = var_folder()
    servers = _joined.setdefault(var, EmbeddedServers(var))
    return servers.ensure(postgres=postgres, valkey=valkey)


def own_environment() -> dict[str, str]:
    """The environment without the addresses of the servers joined here: a program that takes this one's place joins them itself.

    It would take an address for one that a person named, hold no lock, and lose the servers to the next command that ends.
    """
    own = {server.url() for servers in _joined.values() for server in servers.used}
    return {name: value for name, value in os.environ.items() if value not in own}


def release() -> None:
    """Ends the use of the servers now rather than at the end of the process."""
    for servers in _joined.values():
        servers.release()


def ended_servers() -> list[str]:
    """Names of the embedded servers this process uses whose process is gone."""
    return [name for servers in _joined.values() for name in servers.ended()]


def server_logs() -> dict[str, Path]:
    """Where the embedded servers of this process write."""
    return {server.name: server.log for servers in _joined.values() for server in servers.used}


def check_address(variable: str, url: str) -> None:
    """Asks the server that an environment variable names for a sign of life. Errors: ServerError in one line."""
    problem = _connection_problem(variable, url)
    if problem:
        place = urlsplit(url).netloc.rpartition("@")[2] or "the local socket"
        raise ServerError(
            f"{variable}: the server at {place} cannot be used ({problem}). "
            f"Start it or correct {variable}; without {variable}, Perennial starts its own server."
        )


def _connection_problem(variable: str, url: str) -> str | None:
    scheme = urlsplit(url).scheme
    try:
        if scheme in ("postgres", "postgresql"):
            psycopg.connect(url, connect_timeout=5).close()
        elif scheme in ("redis", "rediss", "valkey", "valkeys"):
            url = url.replace("valkey", "redis", 1) if scheme.startswith("valkey") else url
            with redis.Redis.from_url(
                url, socket_connect_timeout=5, socket_timeout=5, retry=Retry(NoBackoff(), 0)
            ) as client:
                client.ping()
        else:
            expected = "postgresql://user:password@host:port/name"
            if variable != "DATABASE_URL":
                expected = "redis://:password@host:port/0"
            raise ServerError(f"{variable} should look like {expected}; it begins with '{scheme or url[:12]}'.")
    except (psycopg.Error, redis.RedisError, ValueError) as error:
        lines = [line.strip(" -\t") for line in str(error).splitlines() if "Multiple connection attempts" not in line]
        return lines[0].removeprefix("connection failed: ") if lines else type(error).__name__
    return None
