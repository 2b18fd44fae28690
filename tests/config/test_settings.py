"""Settings that limit what a request may cost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

import config
from config.settings import read_database

PROGRAM = """
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SHOW statement_timeout")
    print(cursor.fetchone()[0])
"""


def run_program(**environment: str) -> str:
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environment}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(config.__file__).parents[1],
        env=variables,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_statements_of_the_web_server_end_after_the_timeout_and_others_do_not() -> None:
    assert run_program(DATABASE_STATEMENT_TIMEOUT="15") == "15s"
    assert run_program(DATABASE_STATEMENT_TIMEOUT="") == "0"


def test_a_database_may_have_several_servers_of_which_the_writable_one_is_used() -> None:
    database = read_database("postgresql://shop:p%40ss@db1:5433,db2,[::1]:5434/perennial")
    assert (database["HOST"], database["PORT"]) == ("db1,db2,::1", "5433,5432,5434")
    assert database["OPTIONS"]["target_session_attrs"] == "read-write"  # type: ignore[index]
    assert database["CONN_HEALTH_CHECKS"] is True
    single = read_database("postgresql://shop@db1/perennial")
    assert (single["HOST"], single["PORT"], single["CONN_HEALTH_CHECKS"]) == ("db1", 5432, False)
    for url in ("postgresql://shop@db1:port/x", "postgresql://shop@db1,:1/x", "mysql://db1/x", "postgresql://db1"):
        with pytest.raises(ImproperlyConfigured, match="DATABASE_URL is invalid"):
            read_database(url)
