"""Renames the stored hashes of a part to the first hash key, as far as the plain values are known."""

import re
from collections.abc import Sequence

from django.db import connection
from psycopg import sql

from config.encryption_keys.reencryption import PartResult
from config.foundation.keys.key_columns import HashedColumn, get_model

HASH = re.compile(r"\b[0-9a-f]{64}\b")
# An index look-up per row: a join of another kind would read the whole translation for every part.
USE_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
RENAME = """
WITH locked AS (
    SELECT t.{pk}, m.new_hash FROM {table} t JOIN encryption_keys_hashtranslation m ON m.old_hash = t.{column}
    WHERE t.{pk} >= %(low)s AND t.{pk} < %(high)s AND {condition} FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE {table} t SET {column} = m.new_hash FROM locked m WHERE t.{pk} = m.{pk} {unless_known}
"""
DELETE_KNOWN = """
DELETE FROM {table} t USING encryption_keys_hashtranslation m
WHERE t.{pk} >= %(low)s AND t.{pk} < %(high)s AND m.old_hash = t.{column} AND {condition}
  AND EXISTS (SELECT FROM {table} k WHERE k.{column} = m.new_hash {same})
"""
COUNT_LEFT = """
SELECT count(*), count(m.old_hash) FROM {table} t LEFT JOIN encryption_keys_hashtranslation m ON m.old_hash = t.{column}
WHERE t.{pk} >= %(low)s AND t.{pk} < %(high)s AND {condition}
"""
READ_JSON = """
SELECT t.{pk}, t.{column}::text FROM {table} t WHERE t.{pk} >= %(low)s AND t.{pk} < %(high)s AND t.{column} IS NOT NULL
ORDER BY t.{pk} FOR NO KEY UPDATE SKIP LOCKED
"""
WRITE_JSON = """
UPDATE {table} t SET {column} = r.value::jsonb FROM unnest(%(pks)s::bigint[], %(values)s::text[]) AS r ({pk}, value)
WHERE t.{pk} = r.{pk}
"""
FIND_NEW = "SELECT old_hash, new_hash FROM encryption_keys_hashtranslation WHERE old_hash = ANY(%s)"


def rehash_part(column: HashedColumn, low: int, high: int) -> PartResult:
    """Rename the hashes of a range, inside the caller's transaction."""
    if column.is_json:
        return rehash_json(column, low, high)
    statements, names = build_statements(column)
    parameters = {"low": low, "high": high}
    count = sql.SQL(COUNT_LEFT).format(**names).as_string(None)
    with connection.cursor() as cursor:
        cursor.execute(USE_INDEX)
        cursor.execute(statements[0], parameters)
        changed = cursor.rowcount
        cursor.execute(count, parameters)
        rows, left = cursor.fetchone()
        if left and len(statements) > 1:
            cursor.execute(statements[1], parameters)
            left, changed = left - cursor.rowcount, changed + cursor.rowcount
    # the remaining rows belong to a different customer than the new hash, or were locked; only locked rows are worth another round
    return PartResult(rows, changed, left == 0 or changed == 0)


def build_statements(column: HashedColumn) -> tuple[list[str], dict[str, sql.Composable]]:
    """Return the statements that rename the hashes of a column, and the names in them."""
    meta = get_model(column.model)._meta
    names: dict[str, sql.Composable] = {
        "table": sql.Identifier(meta.db_table),
        "pk": sql.Identifier(str(meta.pk.column)),
        "column": sql.Identifier(column.column),
        "condition": sql.SQL(column.condition or f"t.\"{column.column}\" <> ''"),
    }
    if column.unique_with is None:
        return [sql.SQL(RENAME).format(**names, unless_known=sql.SQL("")).as_string(None)], names
    same = list(column.unique_with)
    compared = sql.SQL(" ").join(sql.SQL("AND k.{name} = t.{name}").format(name=sql.Identifier(name)) for name in same)
    has_owner = any(field.column == "customer_id" for field in meta.concrete_fields)
    owned = sql.SQL("{} AND k.customer_id = t.customer_id").format(compared) if has_owner else compared
    known = sql.SQL("AND NOT EXISTS (SELECT FROM {table} k WHERE k.{column} = m.new_hash {same})").format(
        table=names["table"], column=names["column"], same=compared
    )
    return [
        sql.SQL(RENAME).format(**names, unless_known=known).as_string(None),
        sql.SQL(DELETE_KNOWN).format(**names, same=owned).as_string(None),
    ], names


def rehash_json(column: HashedColumn, low: int, high: int) -> PartResult:
    """Rename the hashes inside JSON values."""
    meta = get_model(column.model)._meta
    names = {
        "table": sql.Identifier(meta.db_table),
        "pk": sql.Identifier(str(meta.pk.column)),
        "column": sql.Identifier(column.column),
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(READ_JSON).format(**names).as_string(None), {"low": low, "high": high})
        rows = cursor.fetchall()
        found = {text for _pk, value in rows for text in HASH.findall(value)}
        if not found:
            return PartResult(len(rows), 0, True)
        cursor.execute(FIND_NEW, [list(found)])
        changed = replace_hashes(rows, dict(cursor.fetchall()))
        if changed:
            cursor.execute(
                sql.SQL(WRITE_JSON).format(**names).as_string(None),
                {"pks": [pk for pk, _value in changed], "values": [value for _pk, value in changed]},
            )
    return PartResult(len(rows), len(changed), True)


def replace_hashes(rows: Sequence[tuple[int, str]], new: dict[str, str]) -> list[tuple[int, str]]:
    """Return the rows with a hash that has a new form, with the new value."""
    replaced = ((pk, value, HASH.sub(lambda match: new.get(match[0], match[0]), value)) for pk, value in rows)
    return [(pk, after) for pk, before, after in replaced if after != before]
