"""Opens and clicks on their way to the database: written to Valkey by the pages, stored in bulk by a job."""

import logging
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import msgspec

from config.foundation.valkey import ValkeyDownError, run_command, run_pipeline

logger = logging.getLogger(__name__)

LIST = "sending:tracked"
MAX_ENTRIES = 2_000_000  # about 200 bytes each
MAX_AGENT = 200


@dataclass(frozen=True)
class TrackedEntry:
    """An open or click. source: a hash of address and user agent, which is not stored."""

    kind: str
    delivery_id: int
    at: datetime
    url: str = ""
    user_agent: str = ""
    source: str = ""

    @property
    def key(self) -> str:
        """Return the key of the event: opens, and clicks of one link, count once a minute."""
        url = blake2b(self.url.encode(), digest_size=6).hexdigest() if self.url else ""
        return f"{self.kind}:{self.delivery_id}:{url}:{self.at:%Y%m%d%H%M}"


def compute_source(address: str, user_agent: str) -> str:
    return blake2b(f"{address}\n{user_agent}".encode(), digest_size=9).hexdigest()


def add_entry(entry: TrackedEntry) -> bool:
    """Add an entry to the list in Valkey; return whether it was added."""
    try:
        length = run_command("RPUSH", LIST, msgspec.json.encode(entry))
        if length > MAX_ENTRIES:
            run_command("LTRIM", LIST, -MAX_ENTRIES, -1)
    except ValkeyDownError:
        return False
    return True


def read_entries(limit: int) -> list[TrackedEntry]:
    """Return the oldest entries, which stay in the list until `remove_entries`. Raises ValkeyDownError."""
    return [msgspec.json.decode(row, type=TrackedEntry) for row in run_command("LRANGE", LIST, 0, limit - 1)]


def remove_entries(number: int) -> None:
    """Remove the oldest entries, after they are stored. Raises ValkeyDownError."""
    run_pipeline(lambda pipeline: pipeline.ltrim(LIST, number, -1))
