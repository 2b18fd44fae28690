"""Checks the SQL of all migrations since the recorded baseline."""

from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db import connection
from django.db.migrations import Migration, RunPython
from django.db.migrations.loader import MigrationLoader

from config.migration_checks.blocking_operations import BlockingOperation, find_blocking_operations

BASELINE = Path(__file__).with_name("baseline.txt")
# Migrations that may contain blocking operations anyway, with the reason.
ALLOWED: dict[str, str] = {
    "identity.0006_consent_ledger": "writes one row of settings",
}


def list_own_migrations(loader: MigrationLoader) -> list[tuple[str, str]]:
    """Return the migrations of this project, (app, name)."""
    own = {config.label for config in apps.get_app_configs() if Path(config.path).is_relative_to(BASELINE.parents[2])}
    site = BASELINE.parents[2] / ".venv"
    own -= {config.label for config in apps.get_app_configs() if Path(config.path).is_relative_to(site)}
    return sorted(key for key in loader.disk_migrations if key[0] in own)


def read_baseline() -> set[str]:
    """Return the migrations that were released before the check existed, "app.name"."""
    return set(BASELINE.read_text().split())


def list_new_migrations(loader: MigrationLoader) -> list[tuple[str, str]]:
    known = read_baseline()
    return [key for key in list_own_migrations(loader) if ".".join(key) not in known]


def find_problems() -> Iterator[str]:
    """Yield one text per blocking operation of a new migration, with its fix."""
    loader = MigrationLoader(connection)
    for key in list_new_migrations(loader):
        name = ".".join(key)
        if name in ALLOWED:
            continue
        for operation in check_migration(loader, key):
            yield f"{name}: {operation}"


def check_migration(loader: MigrationLoader, key: tuple[str, str]) -> list[BlockingOperation]:
    """Return the blocking operations of one migration."""
    migration = loader.get_migration(*key)
    statements = loader.collect_sql([(migration, False)])
    return [*find_blocking_operations(statements), *find_python(migration)]


def find_python(migration: Migration) -> Iterator[BlockingOperation]:
    """Yield Python code that changes rows of large tables inside one transaction, as far as this can be detected."""
    if not migration.atomic:
        return
    for operation in migration.operations:
        if isinstance(operation, RunPython) and operation.atomic is not False:
            yield BlockingOperation(
                "python", migration.app_label, f"RunPython({getattr(operation.code, '__name__', 'function')})"
            )
