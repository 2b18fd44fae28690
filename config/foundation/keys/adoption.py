"""Renames hashes of an older key to the current one whenever the plain value is available.

With one key there is nothing to do. While a rotation is under way, code that computes the hash of an address also moves every row about this
address to the current key, so that all other code looks up and writes one hash only.
"""

from collections.abc import Callable, Iterable, Sequence

from django.db import connection, transaction
from psycopg import sql

from config.foundation.keys.hash_keys import compute_hash, get_hash_keys
from config.foundation.keys.key_columns import HashedColumn, get_model, list_hashed_columns

MAX_REMEMBERED = 200_000
CHUNK = 5_000

# a row that exists under both keys is the same fact twice, unless customers differ
RENAME = """
UPDATE {table} t SET {column} = m.new FROM unnest(%(old)s::text[], %(new)s::text[]) AS m (old, new)
WHERE t.{column} = m.old {condition} {unless_known}
"""
DELETE_KNOWN = """
DELETE FROM {table} t USING unnest(%(old)s::text[], %(new)s::text[]) AS m (old, new)
WHERE t.{column} = m.old {condition} AND EXISTS (SELECT FROM {table} k WHERE k.{column} = m.new {same})
"""

_remembered: set[tuple[str, str]] = set()
_listeners: list[Callable[[Sequence[tuple[str, str]]], None]] = []


def register_adoption_listener[F: Callable[[Sequence[tuple[str, str]]], None]](listener: F) -> F:
    """Register a function that is called with (old, new) hashes of addresses that appear again; usable as a decorator."""
    _listeners.append(listener)
    return listener


def adopt_hashes(values: Iterable[str]) -> None:
    """Rename the stored hashes of these plain values to the current key."""
    keys = get_hash_keys()
    if len(keys) == 1:
        return
    new_values = [value for value in dict.fromkeys(values) if value and (keys[0], value) not in _remembered]
    for start in range(0, len(new_values), CHUNK):
        part = new_values[start : start + CHUNK]
        pairs = [
            (old, new)
            for value in part
            for new in (compute_hash(value, keys[0]),)
            for old in (compute_hash(value, key) for key in keys[1:])
        ]
        rename_hashes(pairs)
        for listener in _listeners:
            listener(pairs)
        if len(_remembered) > MAX_REMEMBERED:
            _remembered.clear()
        if not connection.in_atomic_block:  # a rollback would undo the renaming
            _remembered.update((keys[0], value) for value in part)


def rename_hashes(pairs: Sequence[tuple[str, str]]) -> int:
    """Rename hashes (old, new) in every column that has an index; return the number of rows."""
    renamed = 0
    parameters = {"old": [old for old, _new in pairs], "new": [new for _old, new in pairs]}
    with transaction.atomic(), connection.cursor() as cursor:
        for column in list_hashed_columns():
            if column.is_indexed and not column.is_json:
                for statement in build_statements(column):
                    cursor.execute(statement, parameters)
                    renamed += cursor.rowcount
    return renamed


def build_statements(column: HashedColumn) -> list[str]:
    """Return the statements that rename the hashes of a column, and delete rows that exist under both keys."""
    table = sql.Identifier(get_model(column.model)._meta.db_table)
    names = {"table": table, "column": sql.Identifier(column.column)}
    condition = sql.SQL(f"AND ({column.condition})" if column.condition else "")
    if column.unique_with is None:
        return [_format(RENAME, **names, condition=condition, unless_known=sql.SQL(""))]
    same = sql.SQL(" ").join(
        sql.SQL("AND k.{name} = t.{name}").format(name=sql.Identifier(name)) for name in column.unique_with
    )
    known = sql.SQL("AND NOT EXISTS (SELECT FROM {table} k WHERE k.{column} = m.new {same})").format(**names, same=same)
    statements = [_format(RENAME, **names, condition=condition, unless_known=known)]
    has_owner = any(field.name == "customer" for field in get_model(column.model)._meta.concrete_fields)
    if not has_owner:
        statements.insert(0, _format(DELETE_KNOWN, **names, condition=condition, same=same))
    return statements


def _format(statement: str, **parts: sql.Composable) -> str:
    return sql.SQL(statement).format(**parts).as_string(None)
