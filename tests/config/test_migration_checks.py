"""Migrations do not block a running shop: refused operations, and migrations that step back from locks."""

import threading
from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from config.migration_checks.applying import LockedTableError, apply_with_retries
from config.migration_checks.blocking_operations import find_blocking_operations
from config.migration_checks.checking import ALLOWED, check_migration, find_problems, list_own_migrations, read_baseline
from customers.events.collector.event_store import record_events
from customers.events.models import Event
from tests.child_processes import get_test_database_url
from tests.customers.events.client import build_rows
from tests.makers import make_source

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)  # an index is created concurrently outside a transaction only
def test_no_migration_since_the_baseline_blocks_a_large_table() -> None:
    problems = list(find_problems())
    assert not problems, "\n".join(["Migrations that block, or that the last release cannot live with:", *problems])


@pytest.mark.django_db
def test_the_baseline_names_migrations_that_exist_and_the_check_reads_their_sql() -> None:
    loader = MigrationLoader(connection)
    own = list_own_migrations(loader)
    assert {"events", "identity", "retention"} <= {app for app, _name in own}
    assert read_baseline() <= {".".join(key) for key in own}
    assert set(ALLOWED) <= {".".join(key) for key in own}
    assert check_migration(loader, ("identity", "0001_initial")) == []  # new tables are empty


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("index", 'CREATE INDEX "x" ON "orders_order" ("placed_at")'),
        ("index", 'CREATE UNIQUE INDEX "x" ON "events_event_2026_11" ("id")'),
        ("type", 'ALTER TABLE "identity_customer" ALTER COLUMN "country" TYPE varchar(200) USING "country"::varchar(200)'),
        ("not_null", 'ALTER TABLE "identity_customer" ALTER COLUMN "country" SET NOT NULL'),
        ("no_default", 'ALTER TABLE "orders_order" ADD COLUMN "a" integer NOT NULL'),
        ("constraint", 'ALTER TABLE "orders_order" ADD CONSTRAINT "c" CHECK ("total" >= 0)'),
        ("constraint", 'ALTER TABLE "orders_order" ADD CONSTRAINT "c" FOREIGN KEY ("a") REFERENCES "b" ("id")'),
        ("unique", 'ALTER TABLE "orders_order" ADD CONSTRAINT "c" UNIQUE ("a")'),
        ("removal", 'ALTER TABLE "orders_order" DROP COLUMN "coupon" CASCADE'),
        ("removal", 'ALTER TABLE "orders_order" RENAME COLUMN "coupon" TO "code"'),
        ("removal", 'DROP TABLE "sending_delivery" CASCADE'),
        ("rows", "UPDATE identity_customer SET country = upper(country)"),
    ],
)  # fmt: skip
def test_blocking_operations_are_refused(kind: str, statement: str) -> None:
    [operation] = find_blocking_operations([statement])
    assert operation.kind == kind
    assert "\n    " in str(operation)


@pytest.mark.parametrize(
    "statements",
    [
        ['CREATE INDEX CONCURRENTLY "x" ON "orders_order" ("placed_at")'],
        ['CREATE INDEX "x" ON "shop_shopsettings" ("name")'],
        ['CREATE TABLE "orders_order" ("id" bigint)', 'CREATE INDEX "x" ON "orders_order" ("id")'],
        ['ALTER TABLE "orders_order" ADD COLUMN "a" integer NULL'],
        ["ALTER TABLE \"orders_order\" ADD COLUMN \"a\" integer DEFAULT 0 NOT NULL"],
        ['ALTER TABLE "orders_order" ADD CONSTRAINT "c" CHECK ("total" >= 0) NOT VALID'],
        ['ALTER TABLE "orders_order" VALIDATE CONSTRAINT "c"'],
        ["-- UPDATE identity_customer"],
    ],
)  # fmt: skip
def test_harmless_operations_are_accepted(statements: list[str]) -> None:
    assert find_blocking_operations(statements) == []


def test_a_default_that_is_dropped_again_is_refused() -> None:
    """The form of Django's AddField without db_default: programs of the last release could not insert rows any more."""
    statements = [
        'ALTER TABLE "orders_order" ADD COLUMN "a" integer DEFAULT 0 NOT NULL',
        'ALTER TABLE "orders_order" ALTER COLUMN "a" DROP DEFAULT',
    ]
    assert [operation.kind for operation in find_blocking_operations(statements)] == ["no_default"]


@pytest.mark.acceptance
@pytest.mark.django_db(transaction=True)
def test_a_migration_behind_a_long_transaction_does_not_block_the_collector() -> None:
    source = make_source()
    reports: list[str] = []
    reader = psycopg.connect(get_test_database_url())
    reader.execute("SELECT count(*) FROM events_event")  # keeps its lock until the transaction ends

    def migrate() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events_event ADD COLUMN probe integer")

    def collect(text: str) -> None:
        """Store an event while the migration has stepped back; end the long transaction after the second one."""
        reports.append(text)
        thread = threading.Thread(target=store, args=(len(reports),))
        thread.start()
        thread.join()
        if len(reports) == 2:
            reader.rollback()

    def store(number: int) -> None:
        record_events(rows=build_rows(f"m{number}", source_id=source.pk, at=NOON))
        connection.close()

    try:
        apply_with_retries(migrate, report=collect, lock_seconds=0.2, pause_seconds=0)
        assert Event.objects.count() == len(reports) == 2
        reader.execute("SELECT count(*) FROM events_event")
        with pytest.raises(LockedTableError, match="End the transaction of process"):
            apply_with_retries(migrate, lock_seconds=0.1, pause_seconds=0, attempts=2)
    finally:
        reader.close()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE events_event DROP COLUMN IF EXISTS probe")
