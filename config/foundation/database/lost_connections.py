"""Repeats writes whose connection was lost, for example because PostgreSQL restarted or another server took over."""

import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

REPEAT_SECONDS = 60.0
PAUSE_SECONDS = 1.0


def write_after_reconnecting(write: Callable[[], object], *, seconds: float = REPEAT_SECONDS) -> None:
    """Run ``write``. If its connection is lost, repeat it on a new one: once immediately, then for up to ``seconds``.

    Use it for the record of how a job ended: without that record, the job seems to run for good. The new session does not hold the session
    locks of the lost one. Errors: those of ``write``; if the connection works or a transaction is open, they are raised immediately.
    """
    started, pause = time.monotonic(), 0.0
    while True:
        try:
            write()
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or is_connected():
                raise
            connection.close()
            if pause and time.monotonic() - started >= seconds:
                raise
        else:
            return
        time.sleep(pause)
        pause = PAUSE_SECONDS


def is_connected() -> bool:
    """Return whether Django's connection is open and the server answers on it."""
    return connection.connection is not None and connection.is_usable()
