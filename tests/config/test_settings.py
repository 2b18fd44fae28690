"""Settings that limit what a request may cost."""

import os
import subprocess
import sys
from pathlib import Path

import config

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
