"""Limits how long a call to another server takes in all. Standard library only.

A socket time-out only limits each single wait: a server that sends one byte at a time could keep the caller waiting forever. Here, one
thread of the process shuts down the socket of a call that takes too long; the calling thread then gets an error.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

CHECK_SECONDS = 0.5

type FindSocket = Callable[[], socket.socket | None]


class CallLimiter:
    """Watches the calls of this process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._calls: dict[object, tuple[float, FindSocket]] = {}
        self._wake = threading.Event()
        threading.Thread(target=self._watch, name="limit-calls", daemon=True).start()

    @contextmanager
    def limit(self, find_socket: FindSocket, *, seconds: float) -> Iterator[None]:
        call = object()
        self._calls[call] = (time.monotonic() + seconds, find_socket)
        self._wake.set()
        try:
            yield
        finally:
            del self._calls[call]

    def _watch(self) -> None:
        while True:
            if not self._calls:
                self._wake.wait()
                self._wake.clear()
            now = time.monotonic()
            for deadline, find_socket in list(self._calls.values()):
                if now >= deadline:
                    shut_down(find_socket())
            time.sleep(CHECK_SECONDS)


def shut_down(connection: socket.socket | None) -> None:
    """End a connection of another thread, without a TLS shutdown message, which could block."""
    if connection is not None:
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


_limiters: list[CallLimiter] = []


@contextmanager
def limit_call(find_socket: FindSocket, *, seconds: float) -> Iterator[None]:
    """Limit the whole time of a call; the socket may be opened within it. When it is over, the calling thread gets an OSError."""
    if not _limiters or _limiters[0].process != os.getpid():  # a fork does not copy the thread
        _limiters[:] = [CallLimiter()]
    with _limiters[0].limit(find_socket, seconds=seconds):
        yield
