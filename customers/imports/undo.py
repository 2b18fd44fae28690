"""Records the rows that an import changes, and undoes the import while no later data depends on them."""

# ruff: noqa: S608 — the names in the statements are those of our tables and columns, values are parameters

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from catalog.models import Product, ProductSource
from customers.identity.consent.append_only import allow_ledger_changes
from customers.imports.models import ImportChange, ImportedEvents, ImportRun, ImportState
from customers.orders.signals import orders_changed

PURGE_CHUNK = 5_000
# the setting of the database session that makes the triggers record changes
SESSION_SETTING = "perennial.import_run"
FINGERPRINT = "$fingerprint"
# in the order in which created rows are deleted: rows that refer to others first
TRACKED_MODELS = (
    "orders.OrderLine",
    "orders.Order",
    "feedback.Review",
    "identity.Consent",
    "identity.Identifier",
    "identity.Customer",
    "catalog.Product",
)
# columns that processing changes automatically; a change of these does not count as a later change
VOLATILE_COLUMNS = {
    "catalog_product": ("updated_at",),
    "feedback_review": ("sentiment", "contradicts"),
}
# model → models whose rows make it impossible to delete what they refer to; other rows that refer to it are derived and deleted too
DEPENDENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "identity.Customer": (
        ("orders.Order", "customer"),
        ("feedback.Review", "customer"),
        ("feedback.SurveyAnswer", "customer"),
        ("identity.Consent", "customer"),
        ("identity.Identifier", "customer"),
    ),
    "catalog.Product": (("orders.OrderLine", "product"), ("feedback.Review", "product")),
}


class UndoBlockedError(Exception):
    """Later data depends on what the import wrote."""


@dataclass
class UndoResult:
    """The number of rows per table; ``kept`` are created rows that later data needs."""

    deleted: dict[str, int] = field(default_factory=dict)
    restored: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)


@contextmanager
def record_changes(run: ImportRun) -> Iterator[None]:
    """Record every tracked row that this database session changes during the block."""
    set_recorded_run(str(run.pk))
    try:
        yield
    finally:
        if connection.connection is not None and not connection.needs_rollback:
            set_recorded_run("")


def set_recorded_run(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, false)", [SESSION_SETTING, value])


def count_changes(run: ImportRun, table: str) -> tuple[int, int]:
    """Return how many rows of a table the import created, and how many others it updated."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new)
            FROM (SELECT bool_or(operation = 'I') AS is_new FROM imports_importchange
                  WHERE run_id = %s AND table_name = %s GROUP BY row_id) AS rows
            """,
            [run.pk, table],
        )
        created, updated = cursor.fetchone()
    return created, updated


def undo_changes(*, run: ImportRun, main_table: str, is_forced: bool = False) -> UndoResult:
    """Put back what an import changed, in one transaction.

    Created rows that later data needs are kept, except for those of the main table, which make the undo impossible.

    Args:
        is_forced: for an import that was cancelled: rows of the main table are kept like the others.

    Raises:
        UndoBlockedError: later data depends on rows of the main table.
    """
    result = UndoResult()
    tables = {apps.get_model(label)._meta.db_table: apps.get_model(label) for label in TRACKED_MODELS}
    with transaction.atomic(), connection.cursor() as cursor, allow_ledger_changes():
        collect_changes(cursor, run)
        ordered = find_customers_of_orders(cursor)
        if not is_forced and main_table in tables:
            check_main_rows(cursor, tables[main_table])
        for table, model in tables.items():
            result.restored[table] = restore_updated_rows(cursor, model)
        for table, model in tables.items():
            result.deleted[table], result.kept[table] = delete_created_rows(cursor, model)
        for table, model in reversed(tables.items()):
            result.restored[table] += insert_deleted_rows(cursor, model)
        if ordered := ordered | find_customers_of_orders(cursor):
            orders_changed.send(sender=None, customer_ids=sorted(ordered))
        if (
            main_table == Product._meta.db_table
        ):  # later imports of the source must not deactivate what this one contained
            ProductSource.objects.filter(feed_import=run.record_id).delete()
        ImportChange.objects.filter(run=run).delete()
        ImportedEvents.objects.filter(run=run).delete()
    return result


def collect_changes(cursor: Any, run: ImportRun) -> None:
    """Sum up the changes of each row in the temporary table ``undone``: what it was before, what the import left."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.undone")
    cursor.execute(
        """
        CREATE TEMPORARY TABLE undone ON COMMIT DROP AS
        SELECT table_name, row_id, bool_or(operation = 'I') AS is_created,
               (array_agg(operation ORDER BY id DESC))[1] = 'D' AS is_deleted,
               CASE count(*) WHEN 1 THEN (array_agg(before))[1] ELSE (SELECT jsonb_object_agg(key, value) FROM (
                   SELECT DISTINCT ON (key) key, value FROM imports_importchange i, jsonb_each(i.before)
                   WHERE i.run_id = c.run_id AND i.table_name = c.table_name AND i.row_id = c.row_id
                   ORDER BY key, i.id) AS firsts) END AS before,
               CASE count(*) WHEN 1 THEN (array_agg(after))[1] ELSE (SELECT jsonb_object_agg(key, value) FROM (
                   SELECT DISTINCT ON (key) key, value FROM imports_importchange i, jsonb_each(i.after)
                   WHERE i.run_id = c.run_id AND i.table_name = c.table_name AND i.row_id = c.row_id
                   ORDER BY key, i.id DESC) AS lasts) END AS after
        FROM imports_importchange c WHERE run_id = %s GROUP BY run_id, table_name, row_id
        """,
        [run.pk],
    )
    cursor.execute("CREATE INDEX ON undone (table_name, row_id)")
    cursor.execute("ANALYZE undone")


def find_customers_of_orders(cursor: Any) -> set[int]:
    """Return the customers of the orders that the import created or changed, as the orders are now."""
    cursor.execute(
        """
        SELECT DISTINCT customer_id FROM orders_order WHERE customer_id IS NOT NULL AND id IN (
            SELECT row_id FROM undone WHERE table_name = 'orders_order'
            UNION SELECT (before ->> 'order_id')::bigint FROM undone WHERE table_name = 'orders_orderline' AND is_deleted
            UNION SELECT l.order_id FROM undone u JOIN orders_orderline l ON l.id = u.row_id WHERE u.table_name = 'orders_orderline')
        """
    )
    return {customer_id for (customer_id,) in cursor.fetchall()}


def build_changed_condition(table: str) -> str:
    """Return the SQL condition that a row ``t`` differs from what the import left, ``u.after``."""
    volatile = VOLATILE_COLUMNS.get(table, ())
    text = f"(to_jsonb(t) - ARRAY[{', '.join(map(repr, volatile))}]::text[])"
    ignored = ", ".join(map(repr, (FINGERPRINT, *volatile)))
    return f"""
        CASE WHEN u.is_created THEN md5({text}::text) IS DISTINCT FROM u.after ->> '{FINGERPRINT}'
             ELSE NOT to_jsonb(t) @> (u.after - ARRAY[{ignored}]) END
    """


def check_main_rows(cursor: Any, model: type[models.Model]) -> None:
    """Raise UndoBlockedError if rows of a table were changed since, or if later rows refer to them."""
    table = model._meta.db_table
    cursor.execute(
        f"""
        SELECT count(*) FROM undone u JOIN {table} t ON t.id = u.row_id
        WHERE u.table_name = %s AND NOT u.is_deleted
          AND ({build_changed_condition(table)} OR (u.is_created AND {build_dependent_condition(model)}))
        """,
        [table],
    )
    (n_changed,) = cursor.fetchone()
    if n_changed:
        raise UndoBlockedError(
            _(
                "This import can no longer be undone: %(count)d of its %(rows)s were changed or used by later data. "
                "Correct them with another import."
            )
            % {"count": n_changed, "rows": str(model._meta.verbose_name_plural)}
        )


def build_dependent_condition(model: type[models.Model]) -> str:
    """Return the SQL condition that a row ``t`` is referred to by a row that the import did not create."""
    conditions = []
    for label, name in DEPENDENTS.get(model._meta.label, ()):
        other = apps.get_model(label)
        column = other._meta.get_field(name).column
        conditions.append(
            f"""EXISTS (SELECT 1 FROM {other._meta.db_table} d WHERE d.{column} = t.id AND NOT EXISTS (
                SELECT 1 FROM undone o WHERE o.table_name = '{other._meta.db_table}' AND o.row_id = d.id AND o.is_created))"""
        )
    return f"({' OR '.join(conditions)})" if conditions else "false"


def restore_updated_rows(cursor: Any, model: type[models.Model]) -> int:
    """Write back the columns that the import changed and that nobody has changed since.

    The time of the last change becomes the present, because serving and search find changed products by it.
    """
    table = model._meta.db_table
    fields = [item for item in model._meta.concrete_fields if not item.primary_key]
    columns = [str(item.column) for item in fields]
    values = ["clock_timestamp()" if getattr(item, "auto_now", False) else f"r.{item.column}" for item in fields]
    cursor.execute(
        f"""
        UPDATE {table} t SET ({", ".join(columns)}) = ROW({", ".join(values)})
        FROM undone u
        JOIN {table} o ON o.id = u.row_id
        CROSS JOIN LATERAL jsonb_populate_record(o, (
            SELECT coalesce(jsonb_object_agg(key, value), '{{}}') FROM jsonb_each(u.before)
            WHERE to_jsonb(o) -> key IS NOT DISTINCT FROM u.after -> key)) AS r
        WHERE u.table_name = %s AND NOT u.is_created AND NOT u.is_deleted AND t.id = u.row_id
        """,
        [table],
    )
    return cursor.rowcount


def delete_created_rows(cursor: Any, model: type[models.Model]) -> tuple[int, int]:
    """Delete the rows that the import created and that nothing later needs; return how many, and how many are kept."""
    table = model._meta.db_table
    if table == "orders_orderline":  # lines of created orders are not recorded one by one
        cursor.execute(
            """
            DELETE FROM orders_orderline t USING undone u
            WHERE u.table_name = 'orders_order' AND u.is_created AND t.order_id = u.row_id
            """
        )
    cursor.execute("DROP TABLE IF EXISTS pg_temp.doomed")
    cursor.execute(
        f"""
        CREATE TEMPORARY TABLE doomed ON COMMIT DROP AS
        SELECT t.id FROM undone u JOIN {table} t ON t.id = u.row_id
        WHERE u.table_name = %s AND u.is_created
          AND NOT {build_changed_condition(table)} AND NOT {build_dependent_condition(model)}
        """,
        [table],
    )
    cursor.execute(
        f"SELECT count(*) FROM undone u JOIN {table} t ON t.id = u.row_id WHERE u.table_name = %s AND u.is_created",
        [table],
    )
    (total,) = cursor.fetchone()
    delete_referring_rows(cursor, model, "SELECT id FROM doomed")
    cursor.execute(f"DELETE FROM {table} WHERE id IN (SELECT id FROM doomed)")
    deleted = cursor.rowcount
    return deleted, total - deleted


def delete_referring_rows(cursor: Any, model: type[models.Model], ids: str) -> None:
    """Delete the derived rows that refer to the rows of a query, or empty their references, as Django would."""
    for relation in model._meta.related_objects:
        other = relation.related_model
        column = relation.field.column
        if not other._meta.managed or other._meta.proxy or not getattr(relation.field, "db_constraint", True):
            continue
        table, key = other._meta.db_table, other._meta.pk
        if relation.on_delete is models.CASCADE:
            if key is not None and not isinstance(key, models.CompositePrimaryKey):
                delete_referring_rows(cursor, other, f"SELECT {key.column} FROM {table} WHERE {column} IN ({ids})")
            cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({ids})")
        elif relation.on_delete is models.SET_NULL:
            cursor.execute(f"UPDATE {table} SET {column} = NULL WHERE {column} IN ({ids})")


def insert_deleted_rows(cursor: Any, model: type[models.Model]) -> int:
    """Insert the rows that the import deleted, unless the rows that they refer to are gone."""
    table = model._meta.db_table
    cursor.execute(
        f"""
        INSERT INTO {table} SELECT r.* FROM undone u CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, u.before) AS r
        WHERE u.table_name = %s AND u.is_deleted AND NOT u.is_created ON CONFLICT DO NOTHING
        """,
        [table],
    )
    return cursor.rowcount


def forget_customer(customer_id: int, **kwargs: Any) -> None:
    """Delete what imports changed of an erased customer."""
    ImportChange.objects.filter(
        Q(table_name="identity_customer", row_id=customer_id) | Q(before__customer_id=customer_id)
    ).delete()


def purge_changes(*, at: datetime, finished_before: datetime | None = None) -> int:
    """Delete the changes of imports that can no longer be undone, in chunks; return their number.

    Imports that finished before ``finished_before`` cannot be undone from now on.
    """
    if finished_before is not None:
        late = ImportRun.objects.filter(finished_at__lt=finished_before, undo_until__gt=at)
        late.exclude(state=ImportState.UNDOING).update(undo_until=at)
    over = ImportRun.objects.filter(undo_until__lte=at).exclude(state=ImportState.UNDOING)
    ImportedEvents.objects.filter(run__in=over.values("pk")).delete()
    deleted = 0
    while ids := list(
        ImportChange.objects.filter(run__in=over.values("pk")).values_list("pk", flat=True)[:PURGE_CHUNK]
    ):
        deleted += ImportChange.objects.filter(pk__in=ids).delete()[0]
    return deleted
