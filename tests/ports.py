"""Ports for the servers of tests."""

import os
import socket
from itertools import count

FIRST = 20_000  # below the ports that systems give to outgoing connections, so that none of these takes a chosen port
PER_WORKER, WORKERS = 1_000, 12
_numbers = count(os.getpid())


def reserve_port() -> int:
    """Return a free port that no other worker of this run chooses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    while True:
        port = FIRST + worker * PER_WORKER + next(_numbers) % PER_WORKER
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
