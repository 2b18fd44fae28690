"""Lets one ``manage.py up`` at a time run the workers of a folder with its own Valkey.

At its start, it puts the tasks that a killed one left unfinished back into their queues; it would also take those that a running one works
on. The kernel releases the lock when its processes end, even after kill -9.
"""

import fcntl
import os
import time
from pathlib import Path

from config.embedded.server_process import POLL_SECONDS, is_alive

LOCK = Path("run") / "workers.lock"
WAIT_SECONDS = 30.0  # longer than the guard waits for the programs of a killed `up`
NUMBER_BYTES = 20


class WorkersRunningError(Exception):
    """Another process runs the workers of the folder; the message explains to the operator what to do."""


def lock_workers(var: Path) -> int:
    """Take the lock of the workers, after those of a killed process have ended; return its file descriptor.

    Raises:
        WorkersRunningError
    """
    lock = os.open(var / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + WAIT_SECONDS
    while not try_lock(lock):
        holder = int(os.pread(lock, NUMBER_BYTES, 0) or 0)
        if (holder and is_alive(holder)) or time.monotonic() > deadline:
            os.close(lock)
            raise WorkersRunningError(
                f"Perennial already runs its workers in {var} (process {holder}). Stop it first, add --no-worker, or set "
                "PERENNIAL_VAR to another folder."
            )
        time.sleep(POLL_SECONDS)
    os.pwrite(lock, str(os.getpid()).ljust(NUMBER_BYTES).encode(), 0)
    return lock


def try_lock(lock: int) -> bool:
    """Return whether the lock was free and is held now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def find_lock_time(var: Path) -> float | None:
    """Return the timestamp at which a running `up` took the lock; None if nobody holds it."""
    try:
        lock = os.open(var / LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        return None if try_lock(lock) else os.fstat(lock).st_mtime
    finally:
        os.close(lock)
