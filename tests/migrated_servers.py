"""A folder with servers of its own, whose database is migrated already."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

from config.embedded.servers import EmbeddedServers
from tests.child_processes import PROJECT


def copy_migrated_servers(var: Path) -> None:
    """Make the folder of stopped servers with a migrated database; the migrations run once per test run.

    Args:
        var: folder that does not exist yet.
    """
    prepared = Path(os.environ["PERENNIAL_VAR"]) / "migrated"
    prepared.mkdir(mode=0o711, exist_ok=True)
    with (prepared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (prepared / "complete").exists():
            make_migrated_servers(prepared / "var")
            (prepared / "complete").touch()
    var.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(prepared / "var"), str(var)], check=True)


def make_migrated_servers(var: Path) -> None:
    servers = EmbeddedServers(var, report=lambda message: None)
    try:
        database = servers.ensure(postgres=True, valkey=False).postgres
        environment = os.environ | {"DATABASE_URL": str(database), "DJANGO_SETTINGS_MODULE": "config.settings"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=PROJECT, env=environment, check=True)
    finally:
        servers.release()
