"""Servers of Valkey for tests that count or close connections, fill the memory or stop the server: the usual one is shared by all workers."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.servers import EmbeddedServers


@contextmanager
def run_valkey() -> Iterator[str]:
    """Run a server of its own; yield its URL."""
    with tempfile.TemporaryDirectory(prefix="perennial-valkey-") as name:
        servers = EmbeddedServers(Path(name) / "var", throw_away=True, report=lambda message: None)
        try:
            url = servers.ensure(postgres=False, valkey=True).valkey
            assert url is not None
            yield url
        finally:
            servers.release()
