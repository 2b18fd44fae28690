"""Starts PostgreSQL and Valkey from their wheels when no URL is configured, shares them, and stops them with their last user.

All files are under `var/` (or PERENNIAL_VAR): postgres/, valkey/, log/, run/ and secrets/servers.password.
Each process that uses the servers holds a shared lock on run/in-use.lock, which the kernel releases when the process ends, even
after kill -9. The last process to end stops the servers. Servers that a killed process left running are reused by the next process.
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

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.embedded.postgres import PostgresServer
from config.embedded.server_process import POLL_SECONDS, EmbeddedServer, Report, ServerError, write_private_file
from config.embedded.valkey import ValkeyServer
from config.foundation.database.valkey_address import EXPECTED, check_valkey_address, open_valkey
from config.foundation.files.private_files import make_private_folder

__all__ = [
    "EmbeddedServers",
    "ServerError",
    "ServerUrls",
    "build_child_environment",
    "check_address",
    "ensure_servers",
    "get_var_folder",
    "list_ended_servers",
    "list_server_logs",
    "release_servers",
    "restart_servers",
]


@dataclass(frozen=True)
class ServerUrls:
    """The values for DATABASE_URL and VALKEY_URL; None for a server that was not requested."""

    postgres: str | None = None
    valkey: str | None = None


def get_var_folder() -> Path:
    configured = os.environ.get("PERENNIAL_VAR")
    return Path(configured).expanduser().resolve() if configured else Path(__file__).resolve().parents[2] / "var"


def print_to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class EmbeddedServers:
    """The servers of one `var` folder, as used by this process."""

    def __init__(self, var: Path, *, throw_away: bool = False, report: Report = print_to_stderr) -> None:
        self.var = var.expanduser().resolve()
        self.throw_away = throw_away
        self.report = report
        self.used: list[EmbeddedServer] = []
        self._servers: list[EmbeddedServer] = []
        self._in_use: int | None = None
        self._owner_pid = os.getpid()

    def ensure(self, *, postgres: bool, valkey: bool) -> ServerUrls:
        """Start the requested servers that are not running. Raises ServerError with a message for the operator."""
        with self._explain_file_errors():
            return self._ensure(postgres=postgres, valkey=valkey)

    @contextmanager
    def _explain_file_errors(self) -> Iterator[None]:
        """Turn errors of files into a ServerError that names the file and the fix."""
        try:
            yield
        except PermissionError as error:
            raise ServerError(
                f"{error.filename or self.var}: {error.strerror}. Run as the user who owns {self.var}, change its "
                "owner, or set PERENNIAL_VAR to another folder."
            ) from error
        except OSError as error:
            location = error.filename or self.var
            raise ServerError(f"{location}: {error.strerror}. Is the disk full or read-only?") from error

    def release(self) -> None:
        """Stop using the servers, and stop the servers themselves if no other process uses them."""
        # A forked child inherits this object and the lock's file descriptor, but only the parent may release them.
        if self._in_use is None or os.getpid() != self._owner_pid:
            return
        # With the start lock held, no other process can start to use the servers between the check and the stop.
        with self._lock_start():
            try:
                # the exclusive lock succeeds only if no other process holds the shared one
                fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                for server in self._build_servers(self._read_password()):
                    server.stop()
                for server in self.used:
                    server.reap()
            os.close(self._in_use)
            self._in_use = None
            self.used = []

    def _release_at_exit(self) -> None:
        try:
            self.release()
        except OSError as error:
            self.report(f"The servers in {self.var} could not be stopped: {error}.")

    def list_ended(self) -> list[str]:
        """Return the names of the servers in use whose process has ended."""
        return [server.title for server in self.used if server.pid is not None and not server.is_alive(server.pid)]

    def restart_ended(self) -> None:
        """Start the servers in use whose process has ended, on the same port. Errors: ServerError."""
        with self._explain_file_errors(), self._lock_start():
            for server in self.used:
                try:
                    server.ensure_running()
                except psycopg.OperationalError as error:  # it ended again
                    raise ServerError(f"{server.title}: {error}") from error

    def _ensure(self, *, postgres: bool, valkey: bool) -> ServerUrls:
        self._make_folders()
        with self._lock_start():
            self._mark_in_use()
            servers = self._build_servers(self._read_password())
            requested = [server for server, needed in zip(servers, (postgres, valkey), strict=True) if needed]
            for server in requested:
                server.ensure_running()
        self.used = [server for server in servers if server in requested or server in self.used]
        urls = {server.name: server.build_url() for server in requested}
        return ServerUrls(postgres=urls.get("postgres"), valkey=urls.get("valkey"))

    def _build_servers(self, password: str) -> list[EmbeddedServer]:
        if not self._servers:
            kinds = (PostgresServer, ValkeyServer)
            self._servers = [
                kind(self.var, password=password, throw_away=self.throw_away, report=self.report) for kind in kinds
            ]
        return self._servers

    def _make_folders(self) -> None:
        # under root, PostgreSQL runs as its own user and makes the folder traversable for that user
        make_private_folder(self.var)
        for name in ("log", "run", "secrets"):
            (self.var / name).mkdir(mode=0o700, exist_ok=True)

    def _mark_in_use(self) -> None:
        if self._in_use is None:
            self._in_use = os.open(self.var / "run" / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._in_use, fcntl.LOCK_SH)
            atexit.register(self._release_at_exit)

    def _read_password(self) -> str:
        path = self.var / "secrets" / "servers.password"
        if not path.exists():
            write_private_file(path, secrets.token_urlsafe(24))
        return path.read_text().strip()

    @contextmanager
    def _lock_start(self) -> Iterator[None]:
        """Allow one process at a time to start or stop servers."""
        lock = os.open(self.var / "run" / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
        started = time.monotonic()
        is_reported = False
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not is_reported and time.monotonic() - started > 2:
                        self.report("Another Perennial process is starting or stopping the servers. Waiting for it.")
                        is_reported = True
                    time.sleep(POLL_SECONDS)
            yield
        finally:
            os.close(lock)


_servers_by_folder: dict[Path, EmbeddedServers] = {}


def ensure_servers(*, postgres: bool, valkey: bool) -> ServerUrls:
    """Start or share the servers of `get_var_folder()` until this process ends. Raises ServerError."""
    var = get_var_folder()
    servers = _servers_by_folder.setdefault(var, EmbeddedServers(var))
    return servers.ensure(postgres=postgres, valkey=valkey)


def build_child_environment() -> dict[str, str]:
    """Return the environment without the URLs of the servers shared here, for a program that replaces this process with exec.

    With these URLs, that program would treat the servers as external and hold no lock, so another command would stop them at its end.
    """
    own = {server.build_url() for servers in _servers_by_folder.values() for server in servers.used}
    return {name: value for name, value in os.environ.items() if value not in own}


def release_servers() -> None:
    """Stop using the servers now instead of at the end of the process."""
    for servers in _servers_by_folder.values():
        servers.release()


def list_ended_servers() -> list[str]:
    """Return the names of the embedded servers used by this process whose process has ended."""
    return [name for servers in _servers_by_folder.values() for name in servers.list_ended()]


def restart_servers() -> None:
    """Restart those embedded servers used by this process whose own process has ended. Errors: ServerError."""
    for servers in _servers_by_folder.values():
        servers.restart_ended()


def list_server_logs() -> dict[str, Path]:
    """Return the log files of the embedded servers used by this process."""
    return {server.name: server.log for servers in _servers_by_folder.values() for server in servers.used}


def check_address(variable: str, url: str) -> None:
    """Check that the server in an environment variable is reachable. Raises ServerError with a message of one line."""
    problem = _find_connection_problem(variable, url)
    if problem:
        location = url.partition("://")[2].partition("/")[0].rpartition("@")[2] or "the local socket"
        raise ServerError(
            f"{variable}: the server at {location} is not usable ({problem}). "
            f"Start it or correct {variable}. If {variable} is unset, Perennial starts its own server."
        )


def _find_connection_problem(variable: str, url: str) -> str | None:
    scheme = url.partition("://")[0]
    try:
        if scheme in ("postgres", "postgresql"):
            psycopg.connect(url, connect_timeout=5).close()
        elif scheme in ("redis", "rediss", "valkey", "valkeys", "sentinel"):
            with open_valkey(
                check_valkey_address(url), socket_connect_timeout=5, socket_timeout=5, retry=Retry(NoBackoff(), 0)
            ) as client:
                client.ping()
        else:
            expected = "postgresql://user:password@host:port/name"
            if variable != "DATABASE_URL":
                expected = EXPECTED
            raise ServerError(f"{variable} must look like {expected}, but starts with '{scheme or url[:12]}'.")
    except (psycopg.Error, redis.RedisError, ValueError) as error:
        lines = [line.strip(" -\t") for line in str(error).splitlines() if "Multiple connection attempts" not in line]
        return lines[0].removeprefix("connection failed: ") if lines else type(error).__name__
    return None
