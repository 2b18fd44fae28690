"""Counts how many values each key is used for, by reading all of them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from config.encryption_keys.hash_samples import are_hash_keys_right
from config.encryption_keys.models import KeyUse
from config.encryption_keys.ranges import list_ranges
from config.encryption_keys.reencryption import EncryptedTable, get_field_keys, list_encrypted_tables
from config.encryption_keys.tokens import count_keys
from config.foundation.keys.key_columns import HashedColumn, get_model, list_hashed_columns
from config.foundation.keys.key_ids import compute_key_id, get_hash_tag
from customers.identity.models import BlockedIdentifier
from recommendations.serving.models import ErasedIdentifier

UNKNOWN = ""
READ = "SELECT {columns} FROM {table} t WHERE t.{pk} >= %(low)s AND t.{pk} < %(high)s AND ({condition})"
COUNT_HASHES = "SELECT right({column}, 8), count(*) FROM {table} t WHERE {condition} GROUP BY 1"
COUNT_JSON_HASHES = r"""
SELECT right(hash[1], 8), count(*) FROM {table} t, regexp_matches({column}::text, '\m[0-9a-f]{{64}}\M', 'g') AS hash GROUP BY 1
"""


def count_key_uses(*, at: datetime) -> list[KeyUse]:
    """Count the values under each key and replace the stored counts."""
    uses = [use for table in list_encrypted_tables() for use in count_encrypted(table, at)]
    uses += [use for column in list_hashed_columns() for use in count_hashed(column, at)]
    uses += list(count_erased(at))
    if are_hash_keys_right() is False:
        # hashes without a tag were counted for the key without one, which did not make them
        untagged_ids = [compute_key_id(key) for key in settings.HASH_KEYS if not get_hash_tag(key)]
        for use in uses:
            if use.purpose == KeyUse.Purpose.HASH and use.key_id in untagged_ids:
                use.key_id = UNKNOWN
    with transaction.atomic():
        KeyUse.objects.all().delete()
        KeyUse.objects.bulk_create(uses)
    return uses


def read_encrypted(table: EncryptedTable) -> Iterator[list[tuple[str | None, ...]]]:
    """Yield the rows of the encrypted columns of a table, in ranges."""
    columns = sql.SQL(", ").join(sql.SQL("t.{}::text").format(sql.Identifier(c.column)) for c in table.columns)
    statement = sql.SQL(READ).format(**table.parts, columns=columns).as_string(None)
    for low, high in list_ranges(table.model):
        with connection.cursor() as cursor:
            cursor.execute(statement, {"low": low, "high": high})
            rows = cursor.fetchall()
        yield rows


def count_encrypted(table: EncryptedTable, at: datetime) -> Iterator[KeyUse]:
    """Yield how many tokens of each column are under each key."""
    keys, ids = get_field_keys(), [compute_key_id(key) for key in settings.FIELD_KEYS]
    totals: Counter[tuple[str, str]] = Counter()
    for rows in read_encrypted(table):
        for number, column in enumerate(table.columns):
            for used, count in Counter(count_keys([row[number] for row in rows], keys)).items():
                totals[column.column, UNKNOWN if used is None else ids[used]] += count
    for (name, key_id), count in totals.items():
        yield KeyUse(
            purpose=KeyUse.Purpose.FIELD,
            key_id=key_id,
            model=table.model,
            column=name,
            values_count=count,
            counted_at=at,
        )


def count_hash_tags(column: HashedColumn) -> list[tuple[str, int]]:
    """Return how many hashes of a column have each tag, which is any text in hashes without one."""
    statement = sql.SQL(COUNT_JSON_HASHES if column.is_json else COUNT_HASHES).format(
        column=sql.Identifier(column.column),
        table=sql.Identifier(get_model(column.model)._meta.db_table),
        condition=sql.SQL(column.condition or f"t.\"{column.column}\" <> ''"),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(None))
        rows: list[tuple[str, int]] = cursor.fetchall()
    return rows


def count_erased_tags() -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Yield the models of erased identifiers, each with the number of its hashes by tag."""
    for model in (ErasedIdentifier, BlockedIdentifier):
        counts = Counter(model._default_manager.values_list("key_id", flat=True).iterator())
        yield model._meta.label, list(counts.items())


def count_hashed(column: HashedColumn, at: datetime) -> Iterator[KeyUse]:
    """Yield how many hashes of a column are under each key."""
    yield from build_hash_uses(column.model, column.column, count_hash_tags(column), at)


def count_erased(at: datetime) -> Iterator[KeyUse]:
    """Yield how many erased identifiers are blocked under each key."""
    for model, rows in count_erased_tags():
        yield from build_hash_uses(model, "digest", rows, at)


def build_hash_uses(model: str, column: str, rows: list[tuple[str, int]], at: datetime) -> Iterator[KeyUse]:
    """Yield one row per key; hashes without a tag belong to the key that has none."""
    tags = {get_hash_tag(key): compute_key_id(key) for key in settings.HASH_KEYS}
    totals: Counter[str] = Counter()
    for tag, count in rows:
        totals[tags[tag] if tag in tags else tags.get("", UNKNOWN)] += count
    for key_id, count in totals.items():
        yield KeyUse(
            purpose=KeyUse.Purpose.HASH, key_id=key_id, model=model, column=column, values_count=count, counted_at=at
        )
