"""Checks of PostgreSQL and Valkey: version, settings, indexes, partitions, migrations, memory, and the clock."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.embedded.valkey_memory import find_memory_problem
from config.foundation.number_formats import format_count, format_duration
from config.migration_checks.newer_versions import list_newer_migrations
from config.monitoring.doctor.base import Diagnosis, DoctorCheck, report_error, report_ok, report_warning
from config.monitoring.server_state import read_database_state, read_valkey_state

MIN_POSTGRES = 16
MAX_NAMED = 5  # migrations
MAX_CLOCK_SKEW = timedelta(seconds=2)
LONG_TRANSACTION_SECONDS = 3600
PARTITION_DAYS = 7  # how many days ahead partitions must exist
SELECT_INVALID = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT i.indisvalid OR NOT i.indisready ORDER BY c.relname
"""
# the upper bound of the newest partition of each table that is partitioned by time
SELECT_PARTITIONS = """
SELECT parent.relname, max(substring(pg_get_expr(child.relpartbound, child.oid) from $$TO \\('([^']+)'\\)$$)::timestamptz)
FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid JOIN pg_class parent ON parent.oid = inhparent
WHERE parent.relkind = 'p' GROUP BY parent.relname ORDER BY parent.relname
"""


def select_rows(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[tuple[object, ...]] = cursor.fetchall()
    return rows


def check_postgres() -> Iterator[Diagnosis]:
    """Check version, connections, and what slows down every statement."""
    [[number, version, collation, autovacuum]] = select_rows(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
        "pg_encoding_to_char(encoding), current_setting('autovacuum') FROM pg_database WHERE datname = current_database()"
    )
    state = read_database_state()
    if int(str(number)) // 10000 < MIN_POSTGRES:
        yield report_error(
            f"PostgreSQL {version}", _("Install PostgreSQL %(version)d or later.") % {"version": MIN_POSTGRES}
        )
    if collation != "UTF8":
        yield report_error(
            _("the encoding is %(name)s") % {"name": collation}, _("Create the database with ENCODING 'UTF8'.")
        )
    if autovacuum != "on":
        yield report_error(_("autovacuum is off: tables grow without end"), _("Set autovacuum = on."))
    pool = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]  # type: ignore[index]
    if pool > state.max_connections - state.connections:
        yield report_warning(
            _("%(used)s of %(limit)s connections are in use, and one process may take %(pool)s more")
            % {"used": state.connections, "limit": state.max_connections, "pool": pool},
            _("Raise max_connections, or lower DATABASE_POOL."),
        )
    if state.longest_transaction > LONG_TRANSACTION_SECONDS:
        yield report_warning(
            _("a transaction has been open for %(time)s") % {"time": format_duration(state.longest_transaction)},
            _("Find it in pg_stat_activity, and end it with pg_terminate_backend."),
        )
    yield report_ok(
        _("PostgreSQL %(version)s, %(size)s, %(used)s of %(limit)s connections")
        % {
            "version": version,
            "size": filesizeformat(state.size),
            "used": format_count(state.connections),
            "limit": format_count(state.max_connections),
        }
    )


def check_migrations() -> Iterator[Diagnosis]:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _backwards in pending[:MAX_NAMED])
        yield report_error(
            _("%(count)d are not applied: %(names)s") % {"count": len(pending), "names": names},
            "manage.py migrate",
        )
    newer = list_newer_migrations()
    if newer:
        yield report_warning(
            _("a newer version of Perennial has migrated the database: it has %(names)s")
            % {"names": ", ".join(newer[:MAX_NAMED])},
            _("Install that version, or restore the backup from before the upgrade."),
        )
    if not pending and not newer:
        yield report_ok(_("all are applied"))


def check_indexes() -> Iterator[Diagnosis]:
    invalid = [str(name) for (name,) in select_rows(SELECT_INVALID)]
    for name in invalid:
        yield report_warning(
            _("%(name)s is invalid: its creation was interrupted") % {"name": name},
            f"REINDEX INDEX CONCURRENTLY {name};",
        )
    if not invalid:
        yield report_ok(_("all are valid"))


def check_partitions() -> Iterator[Diagnosis]:
    """Find tables without a partition for the coming days: rows of those days could not be written."""
    late = timezone.now() + timedelta(days=PARTITION_DAYS)
    rows = select_rows(SELECT_PARTITIONS)
    for name, until in rows:
        if until is not None and until < late:  # type: ignore[operator]
            yield report_error(
                _("%(table)s has partitions only up to %(day)s") % {"table": name, "day": f"{until:%Y-%m-%d}"},
                _("Run the job “Create event partitions” under Settings › Jobs, and see why it did not run."),
            )
    yield report_ok(_("%(count)d partitioned tables are prepared for the coming days") % {"count": len(rows)})


def check_valkey() -> Iterator[Diagnosis]:
    state = read_valkey_state()
    if problem := find_memory_problem(settings.VALKEY_URL):
        yield report_error(problem, _("Set maxmemory and maxmemory-policy volatile-lru."))
    yield report_ok(
        _("%(used)s of %(limit)s in use, policy %(policy)s, %(evicted)s keys evicted")
        % {
            "used": filesizeformat(state.used),
            "limit": filesizeformat(state.limit) if state.limit else "∞",
            "policy": state.policy,
            "evicted": format_count(state.evicted),
        }
    )


def check_clock() -> Iterator[Diagnosis]:
    before = timezone.now()
    [[database_now]] = select_rows("SELECT clock_timestamp()")
    after = timezone.now()
    skew = abs(database_now - (before + (after - before) / 2))  # type: ignore[operator]
    text = _("the clocks of this machine and PostgreSQL differ by %(seconds)s s") % {
        "seconds": f"{skew.total_seconds():.2f}"
    }
    if skew > MAX_CLOCK_SKEW:
        yield report_error(text, _("Turn on time synchronization (NTP) on both machines."))
    else:
        yield report_ok(text)


DATABASE_CHECKS = (
    DoctorCheck("postgres", gettext_lazy("PostgreSQL"), check_postgres),
    DoctorCheck("migrations", gettext_lazy("Migrations"), check_migrations),
    DoctorCheck("indexes", gettext_lazy("Indexes"), check_indexes),
    DoctorCheck("partitions", gettext_lazy("Partitions"), check_partitions),
    DoctorCheck("valkey", gettext_lazy("Valkey"), check_valkey),
    DoctorCheck("clock", gettext_lazy("Clock"), check_clock),
)
