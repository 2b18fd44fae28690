"""Limits of what clients may hold: connections, unfinished request bodies, and the size of a body by its path."""

from dataclasses import dataclass

from customers.events.collector.envelope import MAX_BATCH_BYTES

COLLECTOR_PATHS = ("/v1/", "/beacon/v1/", "/api/s/", "/mp/collect", "/sa")
BACK_OFFICE_PATH = "/admin/"
MAX_BODY_BYTES = 32 * 2**20  # a thousand items of the REST API, each with a vector
MAX_UPLOAD_BYTES = 512 * 2**20  # files of the back office; the import commands read larger ones
MAX_ANONYMOUS_BYTES = 2**20  # forms of the back office without a session, such as the log-in page
SESSION_COOKIE = "sessionid="


@dataclass(frozen=True)
class ClientLimits:
    """Limits of one web process.

    Attributes:
        connections_per_address: open connections of one address.
        body_seconds: time in which a body must arrive, plus a second per ``bytes_per_second`` of its length; of a long body, only of what arrived.
        bodies_per_address: unfinished bodies of one address that are older than ``slow_seconds``.
        unfinished: unfinished bodies of all addresses.
        unfinished_bytes: what unfinished bodies may occupy together, in memory and on disk.
    """

    connections_per_address: int = 512
    body_seconds: float = 15.0
    bytes_per_second: int = 16_384
    bodies_per_address: int = 32
    slow_seconds: float = 1.0
    unfinished: int = 1024
    unfinished_bytes: int = 2**30


def find_max_bytes(path: str, cookie: str = "") -> int:
    """Return how long a body sent to this path may be. Only the application knows whether the session of the cookie exists."""
    if path.startswith(COLLECTOR_PATHS):
        return MAX_BATCH_BYTES
    if path.startswith(BACK_OFFICE_PATH):
        return MAX_UPLOAD_BYTES if SESSION_COOKIE in cookie else MAX_ANONYMOUS_BYTES
    return MAX_BODY_BYTES
