"""The process's client of Valkey, with short timeouts: the application works without everything stored there."""

import hashlib
import logging
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import hiredis
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.foundation.database.valkey_address import open_valkey
from config.foundation.test_mode import may_write_to_valkey

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.5
READ_BYTES = 65_536
_INCOMPLETE = object()
NOT_IN_TEST_MODE = "A request with a test key only reads from Valkey:"
READ_COMMANDS = frozenset(
    (
        *(
            "EXISTS",
            "GET",
            "HGET",
            "HGETALL",
            "HLEN",
            "HMGET",
            "LLEN",
            "LRANGE",
            "MGET",
            "PTTL",
            "SCAN",
            "SCARD",
            "SISMEMBER",
        ),
        *(
            "SMEMBERS",
            "STRLEN",
            "TTL",
            "TYPE",
            "XINFO",
            "XLEN",
            "XRANGE",
            "XREVRANGE",
            "ZCARD",
            "ZRANGE",
            "ZREVRANGE",
            "ZSCORE",
        ),
    )
)
PAUSE_TIMEOUTS = 2  # after a failure, no call waits for Valkey during this number of timeouts


class ValkeyDownError(Exception):
    """Valkey did not respond in time; the caller continues without it."""


def require_reads(commands: Iterable[Any]) -> None:
    """Refuse commands that write, in test mode. Errors: ValkeyDownError, so that callers continue without Valkey."""
    if writes := {str(command).upper() for command in commands} - READ_COMMANDS:
        raise ValkeyDownError(f"{NOT_IN_TEST_MODE} {', '.join(sorted(writes))}")


class LuaScript:
    """A Lua script that is called by its hash; the text is sent only to a server that does not have it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class _ConnectionOwner:
    """Closes a connection as soon as its thread has ended: the garbage collector may finalize the socket before the connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __del__(self) -> None:
        # at the end of the process, when modules are gone already, contextlib is too
        try:  # noqa: SIM105
            self._connection.disconnect()
        except Exception:  # noqa: BLE001, S110
            pass


class _ThreadConnection(threading.local):
    """This thread's connection, the reader of its replies, and the process that opened it."""

    connection: Any = None  # redis.Connection, whose socket has no public name
    owner: _ConnectionOwner | None = None
    reader: Any = None
    process = 0


class ValkeyClient:
    """Sends pipelines and commands in one round trip each; after a failure, all calls fail immediately during a pause."""

    def __init__(self, url: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._client = open_valkey(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 1),  # a pooled connection may date from before a restart of the server
        )
        self._thread_connection = _ThreadConnection()
        self._timeout = timeout
        self._pause = PAUSE_TIMEOUTS * timeout
        self._down_until = 0.0

    def run(self, fill: Callable[[Any], object]) -> list[Any]:
        """Return the replies to the commands that ``fill`` adds to a pipeline.

        Raises:
            ValkeyDownError: Valkey is not reachable or replied with an error.
        """
        pipeline = self._client.pipeline(transaction=False)
        fill(pipeline)
        if not may_write_to_valkey():
            require_reads(arguments[0] for arguments, _options in pipeline.command_stack)
        return self._guard(pipeline.execute)

    def call(self, *command: str | int | bytes) -> Any:
        """Return the reply to one command, with less overhead than a pipeline. Raises the errors of `run`."""
        if not may_write_to_valkey():
            require_reads([command[0]])
        return self._guard(self._client.execute_command, *command)

    def run_script(self, script: LuaScript, *arguments: str | int | bytes) -> Any:
        """Return the reply of a script without keys. Raises the errors of `run`."""
        return self._guard(self._run_script if may_write_to_valkey() else self._run_reading_script, script, *arguments)

    def _run_reading_script(self, script: LuaScript, *arguments: str | int | bytes) -> Any:
        """Run a script as read-only, which Valkey itself enforces."""
        try:
            return self._client.execute_command("EVAL_RO", script.text, 0, *arguments)
        except redis.ResponseError as error:
            raise ValkeyDownError(f"{NOT_IN_TEST_MODE} {error}") from error

    def _run_script(self, script: LuaScript, *arguments: str | int | bytes) -> Any:
        try:
            return self._execute_on_thread("EVALSHA", script.sha, 0, *arguments)
        except redis.exceptions.NoScriptError:
            return self._execute_on_thread("EVAL", script.text, 0, *arguments)

    def _execute_on_thread(self, *command: str | int | bytes) -> Any:
        """Return the reply to one command on this thread's connection; the pool would take longer than the command itself.

        A connection that was open before may date from before a restart of the server: then a new one is opened.
        """
        local = self._thread_connection
        opened = local.process == os.getpid() and local.connection is not None and local.connection.is_connected
        try:
            sock, reader = self._open_on_thread()
            try:
                sock.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]  # the stub allows one argument only
                while (reply := reader.gets()) is _INCOMPLETE:
                    received = sock.recv(READ_BYTES)
                    if not received:
                        raise redis.ConnectionError("Valkey closed the connection")
                    reader.feed(received)
            except (BlockingIOError, ssl.SSLWantReadError) as error:
                # how the system reports the end of the socket's own time limit
                raise redis.TimeoutError("Timeout reading from socket") from error
            except OSError as error:
                raise redis.ConnectionError(str(error)) from error
        except redis.ConnectionError:
            self._close_on_thread()
            if not opened:
                raise
            return self._execute_on_thread(*command)
        except BaseException:
            self._close_on_thread()  # a late reply must not be read as the reply to the next command
            raise
        if isinstance(reply, Exception):
            if isinstance(reply, redis.exceptions.ReadOnlyError):
                self._close_on_thread()  # a primary that has become a replica: the next call asks the sentinels
            raise reply
        return reply

    def _open_on_thread(self) -> tuple[socket.socket, Any]:
        """Return this thread's socket and reader.

        The client opens it and logs in. The system enforces the time limit: Python would wait for the socket before every call, which
        takes a second system call and hands the GIL to another thread once more.
        """
        local = self._thread_connection
        connection = local.connection
        if connection is None or local.process != os.getpid():
            # Not from the pool: it counts its connections and does not notice when a thread ends with one of them.
            pool = self._client.connection_pool
            connection = local.connection = pool.connection_class(**pool.connection_kwargs)
            local.owner, local.process = _ConnectionOwner(connection), os.getpid()
        if not connection.is_connected:
            connection.connect()
            sock: socket.socket = connection._sock
            limit = struct.pack("ll", int(self._timeout), int(self._timeout % 1 * 1e6))
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, limit)
            sock.settimeout(None)
            local.reader = hiredis.Reader(
                protocolError=redis.InvalidResponse, replyError=_make_reply_error, notEnoughData=_INCOMPLETE
            )
        return connection._sock, local.reader

    def _close_on_thread(self) -> None:
        if self._thread_connection.connection is not None:
            self._thread_connection.connection.disconnect()

    def _guard[T](self, execute: Callable[..., T], *arguments: Any) -> T:
        if time.monotonic() < self._down_until:
            raise ValkeyDownError("Valkey failed recently; calls are paused.")
        try:
            return execute(*arguments)
        except redis.RedisError as error:
            self._down_until = time.monotonic() + self._pause
            logger.warning("Valkey does not respond (%s); continuing without it for %.1f s", error, self._pause)
            raise ValkeyDownError(str(error)) from error


def _make_reply_error(text: str) -> redis.ResponseError:
    """Return the exception of an error that Valkey replied with."""
    if text.startswith("NOSCRIPT"):
        return redis.exceptions.NoScriptError(text)
    return redis.exceptions.ReadOnlyError(text) if text.startswith("READONLY") else redis.ResponseError(text)


@lru_cache(maxsize=8)
def get_client(url: str, timeout: float = TIMEOUT_SECONDS) -> ValkeyClient:
    return ValkeyClient(url, timeout)


def run_pipeline(fill: Callable[[Any], object]) -> list[Any]:
    """Run commands on the configured Valkey server in one round trip."""
    return get_client(settings.VALKEY_URL).run(fill)


def run_command(*command: str | int | bytes) -> Any:
    """Run one command on the configured Valkey server."""
    return get_client(settings.VALKEY_URL).call(*command)


def run_script(script: LuaScript, *arguments: str | int | bytes, timeout: float = TIMEOUT_SECONDS) -> Any:
    """Run a script on the configured Valkey server; each ``timeout`` has its own connections."""
    return get_client(settings.VALKEY_URL, timeout).run_script(script, *arguments)
