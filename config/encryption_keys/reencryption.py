"""Encrypts the rows of a part with the first key, and notes the hashes of their addresses under the first hash key."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings
from django.db import connection
from psycopg import sql

from config.encryption_keys.tokens import reencrypt_values
from config.foundation.keys.fernet_batches import FernetKey, decode_token, decrypt_tokens, find_key, open_key
from config.foundation.keys.hash_keys import compute_hash, get_hash_keys
from config.foundation.keys.key_columns import EncryptedColumn, get_model, list_encrypted_columns, list_hashed_columns
from customers.identity.personal_data.hashing import normalize_email, normalize_phone
from customers.identity.personal_data.sealed_traits import unseal_traits
from customers.identity.personal_data.wechat_ids import get_wechat_kind, list_wechat_ids, normalize_wechat_id

# a locked row is left for the next round, which prevents deadlocks with other programs
READ = """
SELECT t.{pk}, {columns} FROM {table} t WHERE t.{pk} >= %(low)s AND t.{pk} < %(high)s AND ({condition})
ORDER BY t.{pk} FOR NO KEY UPDATE SKIP LOCKED
"""
COUNT = "SELECT count(*) FROM {table} t WHERE t.{pk} >= %(low)s AND t.{pk} < %(high)s AND ({condition})"
WRITE = """
UPDATE {table} t SET {assignments} FROM unnest(%(pks)s::bigint[], {arrays}) AS r ({pk}, {columns}) WHERE t.{pk} = r.{pk}
"""
WRITE_TRANSLATIONS = """
INSERT INTO encryption_keys_hashtranslation (old_hash, new_hash) SELECT * FROM unnest(%s::text[], %s::text[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class PartResult:
    """What happened to the rows of a part. is_complete: whether no row was locked by another program."""

    rows: int
    changed: int
    is_complete: bool


@dataclass(frozen=True)
class EncryptedTable:
    """The encrypted columns of one model, and its SQL."""

    model: str
    columns: tuple[EncryptedColumn, ...]
    plain: dict[str, Callable[[str], str]] = field(default_factory=dict)

    @cached_property
    def parts(self) -> dict[str, sql.Composable]:
        meta = get_model(self.model)._meta
        names = [column.column for column in self.columns]
        casts = {column.column: "jsonb" if column.is_json else "text" for column in self.columns}
        condition = " OR ".join(column.condition or f't."{column.column}" IS NOT NULL' for column in self.columns)
        return {
            "table": sql.Identifier(meta.db_table),
            "pk": sql.Identifier(str(meta.pk.column)),
            "condition": sql.SQL(condition),
            "assignments": sql.SQL(", ").join(
                sql.SQL("{name} = r.{name}::" + casts[name]).format(name=sql.Identifier(name)) for name in names
            ),
            "arrays": sql.SQL(", ").join(sql.SQL(f"%(v{number})s::text[]") for number in range(len(names))),
        }

    def format(self, statement: str) -> str:
        """Return a statement with the names of this table."""
        alias = "t." if statement is READ else ""
        cast = "::text" if statement is READ else ""
        columns = sql.SQL(", ").join(
            sql.SQL(f"{alias}{{}}{cast}").format(sql.Identifier(column.column)) for column in self.columns
        )
        return sql.SQL(statement).format(**self.parts, columns=columns).as_string(None)


def list_encrypted_tables() -> list[EncryptedTable]:
    """Return the tables with encrypted columns."""
    by_model: dict[str, list[EncryptedColumn]] = {}
    for column in list_encrypted_columns():
        by_model.setdefault(column.model, []).append(column)
    return [EncryptedTable(model, tuple(columns), find_plain(model)) for model, columns in by_model.items()]


def find_plain(model: str) -> dict[str, Callable[[str], str]]:
    """Return the encrypted columns whose values are hashed elsewhere, each with the form in which it is hashed."""
    if model == "identity.Customer":
        return {"email": normalize_email, "phone": normalize_phone}
    return {column.plain: str for column in list_hashed_columns() if column.model == model and column.plain}


def get_field_keys() -> list[FernetKey]:
    return [open_key(key) for key in settings.FIELD_KEYS]


def reencrypt_part(table: EncryptedTable, low: int, high: int, keys: Sequence[FernetKey]) -> PartResult:
    """Encrypt the rows of a range with the first key, inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(table.format(READ), {"low": low, "high": high})
        rows = cursor.fetchall()
        cursor.execute(table.format(COUNT), {"low": low, "high": high})
        total = cursor.fetchone()[0]
        changed = write_changed(cursor, table, rows, keys)
        if len(get_hash_keys()) > 1:
            write_translations(cursor, table, rows, keys)
    return PartResult(total, changed, total <= len(rows))


def write_changed(cursor, table: EncryptedTable, rows, keys: Sequence[FernetKey]) -> int:  # type: ignore[no-untyped-def]
    """Write the rows that have tokens of older keys; return their number."""
    if len(keys) == 1:
        return 0
    before = [[row[number + 1] for row in rows] for number in range(len(table.columns))]
    after = [reencrypt_values(values, keys)[0] for values in before]
    changed = [
        position
        for position in range(len(rows))
        if any(new[position] is not old[position] for new, old in zip(after, before, strict=True))
    ]
    if changed:
        parameters = {f"v{number}": [values[row] for row in changed] for number, values in enumerate(after)}
        cursor.execute(table.format(WRITE), {"pks": [rows[position][0] for position in changed], **parameters})
    return len(changed)


def write_translations(cursor, table: EncryptedTable, rows, keys: Sequence[FernetKey]) -> None:  # type: ignore[no-untyped-def]
    """Note the new hash for every older hash of the addresses in these rows."""
    hash_keys = get_hash_keys()
    pairs: dict[str, str] = {}
    for number, column in enumerate(table.columns):
        values = [row[number + 1] for row in rows if row[number + 1]]
        if (normalize := table.plain.get(column.column)) is not None:
            normals = [normalize(text) for text in decrypt_values(values, keys)]
        elif (table.model, column.column) == ("identity.Customer", "traits"):
            normals = list_sealed_wechat_ids(values)
        else:
            continue
        for normal in normals:
            new = compute_hash(normal, hash_keys[0])
            pairs.update((compute_hash(normal, key), new) for key in hash_keys[1:])
    if pairs:
        cursor.execute(WRITE_TRANSLATIONS, [list(pairs), list(pairs.values())])


def list_sealed_wechat_ids(values: Sequence[str]) -> list[str]:
    """Return the openids and unionids in traits as they are stored, in the form in which they are hashed."""
    texts: list[str] = []
    for value in values:
        traits = {name: text for name, text in json.loads(value).items() if get_wechat_kind(name)}
        texts += [normalize_wechat_id(text) for _kind, text in list_wechat_ids(unseal_traits(traits))]
    return texts


def decrypt_values(tokens: Sequence[str], keys: Sequence[FernetKey]) -> list[str]:
    """Return the texts of the tokens that can be decrypted."""
    decoded = [data for data in map(decode_token, tokens) if data]
    numbers = [find_key(data, keys) for data in decoded]
    texts: list[str] = []
    for number, key in enumerate(keys):
        own = [data for data, used in zip(decoded, numbers, strict=True) if used == number]
        texts += [text.decode() for text in decrypt_tokens(own, key)]
    return texts
