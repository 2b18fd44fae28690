"""Web processes behind a real PgBouncer in transaction mode, with one session for all of them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from tests.child_processes import PROJECT, get_test_database_url
from tests.ports import reserve_port
from tests.waiting import wait_until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed (Debian: pgbouncer)"),
]
LOCK = "the lock of a test"
# Holds a lock of the session over several transactions, reads with an iterator, and then waits for a line.
WEB = f"""
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
os.environ["PERENNIAL_PROCESS"] = "web"
import django
django.setup()
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from config.foundation.database.advisory_locks import exclusive_lock
with exclusive_lock({LOCK!r}), exclusive_lock({LOCK!r}):
    with connection.cursor() as cursor:
        cursor.execute("SELECT inet_server_port(), current_setting('statement_timeout')")
    assert len(list(Permission.objects.iterator(chunk_size=2))) == Permission.objects.count() > 2
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,)
    print("held", flush=True)
    input()
print("done", flush=True)
"""


@pytest.fixture
def pooler(transactional_db: None) -> Iterator[str]:
    parts, port = urlsplit(get_test_database_url()), reserve_port()
    password = unquote(parts.password or "")
    with tempfile.TemporaryDirectory(prefix="perennial-pooler-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        users, conf = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text(f'"{parts.username}" "{password}"\n')
        conf.write_text(
            f"[databases]\nshop = host={parts.hostname} port={parts.port} dbname={parts.path.strip('/')}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\n"
            f"auth_file = {users}\npool_mode = transaction\ndefault_pool_size = 1\nmax_prepared_statements = 0\n"
        )
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([str(PGBOUNCER), *user, str(conf)], stdout=log, stderr=log)
        url = f"postgresql://{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}/shop"
        wait_until(lambda: answers(url), what=f"PgBouncer: {(folder / 'log').read_text()}")
        yield url
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_lock_of_the_session_is_held_by_a_session_of_its_own(pooler: str) -> None:
    environment = os.environ | {
        "DATABASE_URL": get_test_database_url(),
        "DATABASE_POOLER_URL": pooler,
        "DATABASE_STATEMENT_TIMEOUT": "20",
    }
    with subprocess.Popen(
        [sys.executable, "-c", WEB],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as web:
        assert web.stdout is not None
        assert web.stdout.readline() == "held\n", web.communicate()[1]
        with pytest.raises(AlreadyRunningError), exclusive_lock(LOCK):
            pass
        # the one session of the pooler holds nothing, and serves others meanwhile
        with psycopg.connect(pooler, prepare_threshold=None) as other:
            row = other.execute(
                "SELECT pg_backend_pid(), count(*) FROM pg_locks WHERE locktype = 'advisory'"
            ).fetchone()
            assert row is not None
            held = other.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s", [row[0]])
            assert held.fetchone() == (0,)
        output, errors = web.communicate("\n", timeout=120)
        assert output == "done\n", errors
    with exclusive_lock(LOCK):
        pass
