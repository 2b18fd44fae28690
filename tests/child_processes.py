"""Python programs in child processes on this test's database: to be killed, or to run out of disk space."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from django.db import connection

from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parent.parent
PREAMBLE = "import django; django.setup()\n"


def start_child(program: str, **environment: str) -> subprocess.Popen[str]:
    """Run a program with Django set up; read its output line by line and write to its ``stdin``."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + program],
        cwd=PROJECT,
        env=os.environ
        | {"DATABASE_URL": get_test_database_url(), "DJANGO_SETTINGS_MODULE": "config.settings", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after_output(child: subprocess.Popen[str], word: str) -> None:
    """Kill the child with SIGKILL once it has printed the word. Errors: AssertionError if it ends before."""
    assert child.stdout is not None
    first_line = next((line.strip() for line in iter(child.stdout.readline, "") if line.strip()), "")
    child.kill()
    _out, problems = child.communicate()
    assert first_line == word, problems
    wait_until(has_no_advisory_lock, what="the server to notice that the child is gone")


def has_no_advisory_lock() -> bool:
    """Return whether no other session of the database holds an advisory lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND l.pid <> pg_backend_pid() AND d.datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def get_test_database_url() -> str:
    """Return the URL of the test database, which differs from the one the server was started with."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{quote(connection.settings_dict['NAME'])}"))
