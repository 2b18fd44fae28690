"""Ends database calls whose server does not answer at all.

PostgreSQL enforces ``statement_timeout`` itself, which a frozen server cannot do: a client would wait until the server continues.
One thread of the process looks at the connections in use, and shuts down the socket of one that has waited too long. The waiting
call then fails with OperationalError, as after any lost connection.
"""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.pq import TransactionStatus

CHECK_SECONDS = 1.0
EXTRA_SECONDS = 5.0  # beyond the statement timeout, in which the server can report it
LAST_DATA_SENT, LAST_DATA_RECEIVED = 44, 52  # offsets of these times in struct tcp_info of linux/tcp.h, in milliseconds
TCP_INFO_BYTES = 56

type Connection = psycopg.Connection[tuple[object, ...]]
type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
type FindConnection = Callable[[], Connection | None]


class WaitLimiter:
    """Watches the connections that blocks of code use."""

    def __init__(self) -> None:
        self._blocks: dict[object, tuple[float, FindConnection]] = {}
        self._thread = threading.Thread(target=self._check_until_stopped, name="limit-database-wait", daemon=True)
        self._stopped = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    @contextmanager
    def limit(self, find_connection: FindConnection, *, seconds: float) -> Iterator[None]:
        """Limit how long the connection may wait for the server inside the block."""
        block = object()
        self._blocks[block] = (seconds, find_connection)
        try:
            yield
        finally:
            del self._blocks[block]

    def check(self) -> int:
        """Shut down the connections that have waited too long; return how many."""
        closed = 0
        for seconds, find_connection in list(self._blocks.values()):
            connection = find_connection()
            if connection is None or connection.closed:
                continue
            with suppress(OSError, psycopg.Error):  # closed meanwhile
                closed += _close_if_waiting(connection, seconds)
        return closed

    def _check_until_stopped(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            self.check()


@contextmanager
def limit_database_wait(find_connection: FindConnection | None = None) -> Iterator[None]:
    """Limit how long a connection, by default Django's of this thread, waits for the server.

    The limit is somewhat longer than the statement timeout; without a statement timeout, there is no limit.
    """
    timeout = settings.DATABASE_STATEMENT_TIMEOUT
    if not timeout:
        yield
        return
    if find_connection is None:
        wrapper = connections["default"]  # other threads have their own

        def find_connection() -> Connection | None:
            return wrapper.connection

    with get_limiter().limit(find_connection, seconds=timeout + EXTRA_SECONDS):
        yield


def limit_waits(application: Application) -> Application:
    """Return a WSGI application whose database calls do not wait longer than the limit."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with limit_database_wait():
            return application(environ, start_response)

    return serve


@lru_cache(maxsize=1)
def get_limiter() -> WaitLimiter:
    """Return the limiter of this process, whose thread runs from the first use."""
    limiter = WaitLimiter()
    limiter.start()
    return limiter


def stop_limiter() -> None:
    """Stop the thread before a fork, which does not copy it; the next use starts another one."""
    if get_limiter.cache_info().currsize:
        get_limiter().stop()
        get_limiter.cache_clear()


def _close_if_waiting(connection: Connection, seconds: float) -> bool:
    """Shut the socket down if a statement has waited too long. Errors: OSError, psycopg.Error."""
    if connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
        return False
    # a copy of the file number, because the waiting thread may close its own at any moment
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as copy:
        if _measure_silence(copy) <= seconds:
            return False
        copy.shutdown(socket.SHUT_RDWR)
    return True


def _measure_silence(connection: socket.socket) -> float:
    """Return the seconds since anything was sent or received; 0 where the system does not report it."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6) or not hasattr(socket, "TCP_INFO"):
        return 0.0
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    return min(struct.unpack_from("I", info, offset)[0] for offset in (LAST_DATA_SENT, LAST_DATA_RECEIVED)) / 1000
