"""PostgreSQL and Valkey of a benchmark, embedded in a temporary folder."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.server_process import Report
from config.embedded.servers import EmbeddedServers


@contextmanager
def run_embedded_servers(
    name: str, *, report: Report, folder: Path | None = None, **environment: str
) -> Iterator[EmbeddedServers]:
    """Run both servers and set the environment variables of Django's settings, and others, for this process.

    folder: keeps their data; by default a temporary one.
    """
    with tempfile.TemporaryDirectory(prefix=f"perennial-{name}-") as path:
        folder = folder or Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # PostgreSQL's own user has to enter it
        servers = EmbeddedServers(folder / "var", report=report)
        try:
            addresses = servers.ensure(postgres=True, valkey=True)
            os.environ |= {
                "DATABASE_URL": str(addresses.postgres),
                "VALKEY_URL": str(addresses.valkey),
                "PERENNIAL_VAR": str(folder / "var"),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                **environment,
            }
            yield servers
        finally:
            servers.release()
