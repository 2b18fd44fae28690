"""The data of an earlier version, made by its own code, keeps its counts, money and answers when the current code migrates it."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from config.embedded.postgres import find_binaries
from tests.child_processes import PROJECT, start_child
from tests.upgrade.make_fixture import ENVIRONMENT, PROFILE, TOTALS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

FOLDER = Path(__file__).parent
ANSWERS = """
import json
from datetime import UTC, datetime
from customers.identity.models import Customer, Identifier
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
names = dict(Identifier.objects.filter(kind="user_id").values_list("customer_id", "value"))
def read():
    rows = CustomerProfile.objects.values("customer_id", *PROFILE)
    return {names[row["customer_id"]]: {name: str(row[name]) for name in PROFILE} for row in rows if row["customer_id"] in names}
stored = read()
end = datetime(2026, 11, 20, 12, tzinfo=UTC)
refresh_profiles(as_of=end, started_at=end)
emails = {names[customer.pk]: customer.email for customer in Customer.objects.filter(pk__in=names)}
print(json.dumps({"stored": stored, "computed": read(), "emails": emails}))
"""


@pytest.fixture
def upgraded() -> Iterator[dict[str, str]]:
    """Load the earlier data into a database of its own and migrate it; yield the environment of programs that use it."""
    server, name = os.environ["DATABASE_URL"], f"upgrade_{os.getpid()}"
    url = server.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    environment = os.environ | {**ENVIRONMENT, "DATABASE_URL": url}
    try:
        load = [str(find_binaries() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "--dbname", url]
        subprocess.run(
            load, input=gzip.decompress((FOLDER / "data.sql.gz").read_bytes()), check=True, stdout=subprocess.DEVNULL
        )
        run_python(environment, "manage.py", "migrate", "-v", "0")
        yield environment
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run_python(environment: dict[str, str], *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_an_upgrade_keeps_counts_money_profiles_and_readable_addresses(upgraded: dict[str, str]) -> None:
    expected: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())
    with psycopg.connect(upgraded["DATABASE_URL"]) as connection:
        totals = {}
        for name, statement in TOTALS.items():
            row = connection.execute(statement.encode()).fetchone()
            assert row is not None
            totals[name] = row[0]
    assert totals == expected["totals"]
    child = start_child(
        ANSWERS.replace("PROFILE", repr(PROFILE)), **{name: upgraded[name] for name in (*ENVIRONMENT, "DATABASE_URL")}
    )
    output, problems = child.communicate()
    assert child.returncode == 0, problems
    answers = json.loads(output.splitlines()[-1])
    assert answers["stored"] == expected["profiles"]
    for user, profile in expected["profiles"].items():
        assert answers["computed"][user]["orders"] == profile["orders"]
        assert answers["computed"][user]["revenue"] == profile["revenue"]
        assert answers["emails"][user] == f"{user}@shop.example"
