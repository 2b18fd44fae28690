"""Close connections of an address that has too many, so that one address cannot use up the connections of a process.

Granian accepts connections itself and does not report whose they are, so this module looks at the open sockets of the process.
"""

import os
import socket
import stat
from collections import Counter
from contextlib import suppress
from pathlib import Path

from config.web_server.addresses import find_network

OPEN_FILES = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")


def close_excess_connections(*, port: int, per_address: int) -> int:
    """Close connections to this port beyond the number per address; return how many."""
    numbers = [int(name) for name in os.listdir(OPEN_FILES)]
    if len(numbers) <= per_address:
        return 0
    counts: Counter[str] = Counter()
    closed = 0
    for number in numbers:
        try:
            connection = copy_socket(number)
        except OSError:  # closed by now
            continue
        if connection is None:
            continue
        with connection:
            address = find_client(connection, port)
            if address is None:
                continue
            network = find_network(address)
            counts[network] += 1
            if counts[network] > per_address:
                with suppress(OSError):  # the client is gone
                    connection.shutdown(socket.SHUT_RDWR)  # Granian notices, and closes it
                closed += 1
    return closed


def copy_socket(number: int) -> socket.socket | None:
    """Return a socket with its own file number, so that nobody reuses it meanwhile. Errors: OSError."""
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return None
    copy = os.dup(number)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def find_client(connection: socket.socket, port: int) -> str | None:
    """Return the address of the client of a connection to this port; None for any other socket."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        address: str = connection.getpeername()[0]
        return address if connection.getsockname()[1] == port else None
    except OSError:  # a listening socket, or the client is gone
        return None
