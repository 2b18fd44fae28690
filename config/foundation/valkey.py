"""The one connection pool to Valkey of this process, with short patience: everything kept there can be done without."""

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.retry import Retry

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.5
PAUSE_TIMEOUTS = 2  # after a failure nobody waits for Valkey again for so many times as long


class ValkeyDownError(Exception):
    """Valkey did not answer in time; whoever asked has to do without."""


class LuaScript:
    """A Lua script that is sent by its hash: the text goes over only to a server that does not know it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class _Own(threading.local):
    """A connection of this thread and the process that opened it."""

    connection: ConnectionInterface | None = None
    process = 0


class ValkeyClient:
    """Sends pipelines and commands in one round trip each; after a failure it refuses at once until the pause is over."""

    def __init__(self, url: str, patience: float = TIMEOUT_SECONDS) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=patience,
            socket_connect_timeout=patience,
            retry=Retry(NoBackoff(), 1),  # a pooled connection may be older than the server's last restart
        )
        self._own = _Own()
        self._pause = PAUSE_TIMEOUTS * patience
        self._down_until = 0.0

    def run(self, fill: Callable[[Any], object]) -> list[Any]:
        """The answers to the commands that ``fill`` puts into the pipeline it is given.

        Raises:
            ValkeyDownError: Valkey can't be reached, or answered with an error.
        """
        pipeline = self._client.pipeline(transaction=False)
        fill(pipeline)
        return self._ask(pipeline.execute)

    def call(self, *command: str | int | bytes) -> Any:
        """The answer to one command, with less effort than a pipeline takes; raises as ``run`` does."""
        return self._ask(self._client.execute_command, *command)

    def script(self, script: LuaScript, *arguments: str | int | bytes) -> Any:
        """The answer of a script without keys; raises as ``run`` does."""
        return self._ask(self._run_script, script, *arguments)

    def _run_script(self, script: LuaScript, *arguments: str | int | bytes) -> Any:
        try:
            return self._at_once("EVALSHA", script.sha, 0, *arguments)
        except redis.exceptions.NoScriptError:
            return self._at_once("EVAL", script.text, 0, *arguments)

    def _at_once(self, *command: str | int | bytes) -> Any:
        """The answer to one command on this thread's own connection, without the pool's work, which takes longer than the command.

        A connection that was open before may be older than the server's last restart: then a new one is tried.
        """
        own, connection = self._own, self._own.connection
        if connection is None or own.process != os.getpid():
            # not by the pool, which counts what it has made and never learns that a thread has ended with its connection
            pool = self._client.connection_pool
            connection = pool.connection_class(**pool.connection_kwargs)
            own.connection, own.process = connection, os.getpid()
        opened = connection.is_connected
        try:
            connection.send_command(*command, check_health=False)
            return connection.read_response()
        except redis.ConnectionError:
            connection.disconnect()
            if not opened:
                raise
            return self._at_once(*command)
        except redis.TimeoutError:
            connection.disconnect()  # the answer may still come, and must not be taken for that of the next command
            raise

    def _ask[T](self, ask: Callable[..., T], *arguments: Any) -> T:
        if time.monotonic() < self._down_until:
            raise ValkeyDownError("Valkey failed a moment ago.")
        try:
            return ask(*arguments)
        except redis.RedisError as error:
            self._down_until = time.monotonic() + self._pause
            logger.warning("Valkey does not answer (%s): doing without for %.1f s", error, self._pause)
            raise ValkeyDownError(str(error)) from error


@lru_cache(maxsize=8)
def get_client(url: str, patience: float = TIMEOUT_SECONDS) -> ValkeyClient:
    return ValkeyClient(url, patience)


def run_pipeline(fill: Callable[[Any], object]) -> list[Any]:
    """Runs commands on the Valkey named by the settings, in one round trip."""
    return get_client(settings.VALKEY_URL).run(fill)


def run_command(*command: str | int | bytes) -> Any:
    """Runs one command likewise."""
    return get_client(settings.VALKEY_URL).call(*command)


def run_script(script: LuaScript, *arguments: str | int | bytes, patience: float = TIMEOUT_SECONDS) -> Any:
    """Runs a script likewise; whoever can't wait long says how long, and has connections of its own."""
    return get_client(settings.VALKEY_URL, patience).script(script, *arguments)
