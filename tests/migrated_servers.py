"""A folder with servers of its own, whose database is migrated already; made once for each state of the code.

``python -m tests.migrated_servers`` makes it before the tests start. Without it, the tests that need one make it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path

from config.embedded.postgres import PostgresServer
from config.embedded.servers import EmbeddedServers
from config.embedded.valkey import ValkeyServer
from tests.ports import reserve_port

PROJECT = Path(__file__).resolve().parents[1]
CACHE = PROJECT / ".pytest_cache" / "migrated"
APPS = ("catalog", "config", "customers", "recommendations")


@cache
def compute_state() -> str:
    """Return a hash of all code that can influence a new database: migrations, models, libraries, and the day, for partitions."""
    state = blake2b(f"{sys.version} {datetime.now(UTC):%Y-%m-%d}".encode(), digest_size=16)
    files = [PROJECT / "requirements" / "dev.txt"]
    files += sorted(path for app in APPS for path in (PROJECT / app).rglob("*.py"))
    for path in files:
        state.update(str(path.relative_to(PROJECT)).encode() + path.read_bytes())
    return state.hexdigest()


def find_migrated_servers() -> Path | None:
    """Return the folder that was made for this state of the code."""
    folder = CACHE / compute_state()
    return folder if folder.exists() else None


def copy_migrated_servers(var: Path) -> None:
    """Make the folder of stopped servers with a migrated database; the migrations run once per state of the code.

    Args:
        var: folder that does not exist yet.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepared = find_migrated_servers() or make_migrated_servers()
        var.parent.mkdir(parents=True, exist_ok=True)
        # before another process, which started on the next day, replaces the folder
        subprocess.run(["cp", "-a", str(prepared), str(var)], check=True)
    password = (var / "secrets" / "servers.password").read_text().strip()
    for kind in (PostgresServer, ValkeyServer):
        # a port that no other copy gets while this one is stopped: all have the same password
        kind(var, password=password, throw_away=False, report=lambda message: None).configure(reserve_port())


def make_migrated_servers() -> Path:
    """Run all migrations in new servers, and keep their folder instead of earlier ones."""
    with tempfile.TemporaryDirectory(prefix="perennial-migrated-") as name:
        var = Path(name) / "var"
        servers = EmbeddedServers(var, report=lambda message: None)
        try:
            addresses = servers.ensure(postgres=True, valkey=True)
            environment = os.environ | {
                "DATABASE_URL": str(addresses.postgres),
                "VALKEY_URL": str(addresses.valkey),
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "PERENNIAL_VAR": os.environ.get("PERENNIAL_VAR", name),
            }
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v", "0"], cwd=PROJECT, env=environment, check=True
            )
        finally:
            servers.release()
        shutil.rmtree(var / "valkey", ignore_errors=True)
        for earlier in CACHE.iterdir():
            if earlier.is_dir():
                shutil.rmtree(earlier)
        draft = CACHE / "draft"
        subprocess.run(["cp", "-a", str(var), str(draft)], check=True)
    return draft.rename(CACHE / compute_state())


if __name__ == "__main__":
    CACHE.mkdir(parents=True, exist_ok=True)
    if find_migrated_servers() is None:
        make_migrated_servers()
