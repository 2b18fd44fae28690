"""Finds the traces of a newer version: migrations of a database or a backup that this version does not have."""

from collections.abc import Iterable

from django.db import connection
from django.db.migrations.loader import MigrationLoader


def find_newer_migrations(applied: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of the applied migrations that this version does not have, such as "flows.0008_queue"."""
    loader = MigrationLoader(None)
    known = set(loader.disk_migrations)
    for migration in loader.replacements.values():
        known.update(migration.replaces)
    return [f"{app}.{name}" for app, name in sorted(set(applied) - known)]


def list_newer_migrations() -> list[str]:
    """Return the names of the migrations of the database that this version does not have."""
    return find_newer_migrations(MigrationLoader(connection).applied_migrations)
