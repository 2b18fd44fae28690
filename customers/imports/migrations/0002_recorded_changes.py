"""Triggers that record what an import changes, for its undo.

They do so only in a database session whose setting ``perennial.import_run`` has the number of an import.
"""

from django.db import migrations

FUNCTIONS = """
CREATE FUNCTION imports_record_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE run bigint := nullif(current_setting('perennial.import_run', true), '')::bigint;
BEGIN
    IF run IS NOT NULL THEN
        INSERT INTO imports_importchange (run_id, table_name, row_id, operation, after)
        SELECT run, TG_TABLE_NAME, n.id, 'I', jsonb_build_object('$fingerprint', md5((to_jsonb(n) - coalesce(TG_ARGV::text[], '{}'))::text))
        FROM changed n;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION imports_record_inserted_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE run bigint := nullif(current_setting('perennial.import_run', true), '')::bigint;
BEGIN
    IF run IS NOT NULL THEN  -- a created order is deleted with its lines
        INSERT INTO imports_importchange (run_id, table_name, row_id, operation, after)
        SELECT run, TG_TABLE_NAME, n.id, 'I', jsonb_build_object('$fingerprint', md5(to_jsonb(n)::text))
        FROM changed n WHERE NOT EXISTS (
            SELECT 1 FROM imports_importchange c
            WHERE c.run_id = run AND c.table_name = 'orders_order' AND c.row_id = n.order_id AND c.operation = 'I');
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION imports_record_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE run bigint := nullif(current_setting('perennial.import_run', true), '')::bigint;
BEGIN
    IF run IS NOT NULL THEN
        INSERT INTO imports_importchange (run_id, table_name, row_id, operation, before, after)
        SELECT run, TG_TABLE_NAME, n.id, 'U',
               (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(o)) WHERE value IS DISTINCT FROM to_jsonb(n) -> key),
               (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(n)) WHERE value IS DISTINCT FROM to_jsonb(o) -> key)
               || jsonb_build_object('$fingerprint', md5((to_jsonb(n) - coalesce(TG_ARGV::text[], '{}'))::text))
        FROM changed n JOIN changed_before o ON o.id = n.id WHERE to_jsonb(n) IS DISTINCT FROM to_jsonb(o);
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION imports_record_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE run bigint := nullif(current_setting('perennial.import_run', true), '')::bigint;
BEGIN
    IF run IS NOT NULL THEN
        INSERT INTO imports_importchange (run_id, table_name, row_id, operation, before)
        SELECT run, TG_TABLE_NAME, o.id, 'D', to_jsonb(o) FROM changed o;
    END IF;
    RETURN NULL;
END $$;
"""
DROP_FUNCTIONS = """
DROP FUNCTION imports_record_inserted;
DROP FUNCTION imports_record_inserted_lines;
DROP FUNCTION imports_record_updated;
DROP FUNCTION imports_record_deleted;
"""
# table → columns that processing changes by itself, as in customers/imports/undo.py
TABLES = {
    "orders_order": (),
    "orders_orderline": (),
    "feedback_review": ("sentiment", "contradicts"),
    "identity_consent": (),
    "identity_identifier": (),
    "identity_customer": (),
    "catalog_product": ("updated_at",),
}
EVENTS = (
    ("inserted", "INSERT", "NEW TABLE AS changed"),
    ("updated", "UPDATE", "NEW TABLE AS changed OLD TABLE AS changed_before"),
    ("deleted", "DELETE", "OLD TABLE AS changed"),
)


def build_triggers() -> str:
    statements = []
    for table, volatile in TABLES.items():
        for name, event, rows in EVENTS:
            function = f"imports_record_{name}" + (
                "_lines" if (table, name) == ("orders_orderline", "inserted") else ""
            )
            arguments = ", ".join(f"'{column}'" for column in volatile)
            statements.append(
                f"CREATE TRIGGER imports_{name} AFTER {event} ON {table} REFERENCING {rows}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}({arguments});"
            )
    return "\n".join(statements)


DROP_TRIGGERS = "\n".join(
    f"DROP TRIGGER imports_{name} ON {table};" for table in TABLES for name, _event, _rows in EVENTS
)


class Migration(migrations.Migration):
    dependencies = [
        ("imports", "0001_initial"),
        ("catalog", "0003_product_groups"),
        ("identity", "0003_sealed_traits"),
        ("orders", "0001_initial"),
        ("feedback", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        migrations.RunSQL(build_triggers(), DROP_TRIGGERS),
    ]
