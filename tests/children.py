"""Python in a process of its own, on this test's database: to be killed, or to run out of room."""

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
    """Runs a program with Django set up; what it prints can be read line by line, what it reads comes from ``stdin``."""
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + program],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when_it_says(child: subprocess.Popen[str], word: str) -> None:
    """kill -9 once the child has printed the word. Errors: AssertionError when it ends without."""
    assert child.stdout is not None
    said = next((line.strip() for line in iter(child.stdout.readline, "") if line.strip()), "")
    child.kill()
    _out, problems = child.communicate()
    assert said == word, problems
    wait_until(nobody_holds_a_lock, what="the server's notice that the child is gone")


def nobody_holds_a_lock() -> bool:
    """Whether the database's other sessions hold no advisory lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND l.pid <> pg_backend_pid() AND d.datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def database_url() -> str:
    """Of the database that the test writes to, which is not the one the server was started with."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{quote(connection.settings_dict['NAME'])}"))
