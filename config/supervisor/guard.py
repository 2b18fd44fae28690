"""Ends process groups when the supervisor that announced them is gone, even after kill -9.

It runs by path and uses only the standard library. It reads lines `+GROUP` and `-GROUP` from a pipe; when the pipe closes, groups that are
still announced get SIGTERM, then SIGKILL.
"""

import os
import signal
import sys
import time
from contextlib import suppress

TERMINATION_SECONDS = 5.0


def read_announced_groups() -> set[int]:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def send_signal(groups: set[int], number: signal.Signals | int) -> set[int]:
    """Send a signal to groups; return those that still have a process."""
    remaining = set()
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            remaining.add(group)
    return remaining


def main() -> None:
    groups = send_signal(read_announced_groups(), signal.SIGTERM)
    deadline = time.monotonic() + TERMINATION_SECONDS
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = send_signal(groups, 0)
    send_signal(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
