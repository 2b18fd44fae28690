"""Slow statements: logged and counted without their values."""

import logging
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection
from django.test import Client
from django.urls import reverse
from psycopg.sql import SQL, Identifier, Literal

from config.foundation.personal_data.inventory import list_unknown_names
from config.foundation.personal_data.locations import LocationKind
from config.monitoring.slow_statements import (
    KEPT_SECONDS,
    list_own_statements,
    measure_connection,
    normalize_statement,
    note_slow_statement,
)
from tests.makers import NOON


@pytest.mark.parametrize(
    ("sql", "normalized"),
    [
        ("SELECT  *\n FROM a WHERE b = 'ada@shop.example' AND c > 12.5", "SELECT * FROM a WHERE b = ? AND c > ?"),
        ("SELECT 'it''s', E'x', $$ a\nb $$, t1.c2", "SELECT ?, ?, ?, t1.c2"),
        ("SELECT 1 WHERE id IN (%s, %s, %s)", "SELECT ? WHERE id IN (…)"),
        ("SELECT 1 WHERE id IN (1, 2, 3, 4) AND x = %s", "SELECT ? WHERE id IN (…) AND x = %s"),
        ("INSERT INTO a VALUES (%s, DEFAULT, 1), (%s, DEFAULT, 2)", "INSERT INTO a VALUES (…), …"),
        ("SELECT 1 WHERE id IN (%(a_0)s, %(a_1)s, %(a_2)s)", "SELECT ? WHERE id IN (…)"),
    ],
)
def test_a_statement_is_kept_without_its_values(sql: str, normalized: str) -> None:
    assert normalize_statement(sql) == normalized


@pytest.mark.django_db
def test_a_slow_statement_is_logged_and_listed(
    valkey: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture, admin_client: Client
) -> None:
    settings.SLOW_QUERY_SECONDS = 1e-9
    measure_connection(
        sender=None, connection=connection
    )  # a connection that was opened before has the wrapper already
    with caplog.at_level(logging.WARNING), connection.cursor() as cursor:
        cursor.execute("SELECT %s::text, 'secret'", ["ada@shop.example"])
        cursor.execute(SQL("SELECT {} AS {}").format(Literal("secret"), Identifier("composed")))
    settings.SLOW_QUERY_SECONDS = 3600  # a busy machine may take longer than a second for a statement of the page
    assert "SELECT %s::text, ?" in caplog.text
    assert 'SELECT ? AS "composed"' in caplog.text
    assert "secret" not in caplog.text
    assert "ada@" not in caplog.text
    note_slow_statement("SELECT pg_sleep(7)", seconds=7.0)
    note_slow_statement("SELECT pg_sleep(9)", seconds=9.0)
    [first, *others] = list_own_statements(limit=10)
    assert (first.statement, first.calls, first.total, first.longest) == ("SELECT pg_sleep(?)", 2, 16.0, 9.0)
    assert [other.calls for other in others] == [1, 1]
    page = admin_client.get(reverse("monitoring:slow_statements"))
    assert [row["statement"] for row in page.context["rows"]] == [
        first.statement,
        *(other.statement for other in others),
    ]


def test_only_the_statements_of_the_last_seven_days_count(valkey: redis.Redis) -> None:
    valkey.zadd("slow-statements", {"0123456789abcdef": 1e6})  # as earlier versions counted, without end
    note_slow_statement("SELECT pg_sleep(900)", seconds=900.0, at=NOON - timedelta(days=7))
    note_slow_statement("SELECT 1 FROM removed", seconds=900.0, at=NOON - timedelta(days=7))
    note_slow_statement("SELECT pg_sleep(3)", seconds=3.0, at=NOON - timedelta(days=6))
    note_slow_statement("SELECT pg_sleep(2)", seconds=2.0, at=NOON)
    note_slow_statement("SELECT 1 FROM added", seconds=4.0, at=NOON)
    rows = [(row.statement, row.calls, row.total, row.longest) for row in list_own_statements(limit=10, at=NOON)]
    assert rows == [("SELECT pg_sleep(?)", 2, 5.0, 3.0), ("SELECT ? FROM added", 1, 4.0, 4.0)]
    assert [row.total for row in list_own_statements(limit=1, at=NOON)] == [5.0]
    assert list_own_statements(limit=10, at=NOON + timedelta(days=7)) == []
    keys = [key.decode() for key in valkey.scan_iter("slow-statements*")]
    assert "slow-statements" not in keys
    assert all(0 < valkey.ttl(key) <= KEPT_SECONDS for key in keys)
    assert list_unknown_names(LocationKind.KEY, keys) == []


def test_a_wait_for_the_lock_of_another_job_is_no_slow_statement(
    valkey: redis.Redis, settings: Any, caplog: pytest.LogCaptureFixture, db: None
) -> None:
    settings.SLOW_QUERY_SECONDS = 1e-9
    measure_connection(sender=None, connection=connection)
    with caplog.at_level(logging.INFO, logger="config.monitoring.slow_statements"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [1])
    assert "for a lock of another job" in caplog.text
    assert "Slow statement" not in caplog.text
