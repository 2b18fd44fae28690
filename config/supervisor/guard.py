"""Ends process groups when the supervisor that announced them is gone, even by kill -9. Standard library only: run by path.

It reads lines `+GROUP` and `-GROUP` from a pipe; when the pipe closes, what is still announced gets SIGTERM, then SIGKILL.
"""

import os
import signal
import sys
import time
from contextlib import suppress

LIMIT = 5.0


def announced_groups() -> set[int]:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def send(groups: set[int], number: signal.Signals | int) -> set[int]:
    """Returns the groups that still have a member."""
    left = set()
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            left.add(group)
    return left


def main() -> None:
    groups = send(announced_groups(), signal.SIGTERM)
    deadline = time.monotonic() + LIMIT
    while groups and time.monotonic() < deadline:
        time.sleep(0.05)
        groups = send(groups, 0)
    send(groups, signal.SIGKILL)


if __name__ == "__main__":
    main()
