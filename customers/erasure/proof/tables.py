"""Searches all columns of the database: texts for what identifies people, numbers of customers, and encrypted values decrypted.

The columns come from the catalog of PostgreSQL, not from the models, so that a table that no model knows is searched too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from psycopg import sql

from config.foundation.personal_data.person import Finding, Person, list_customer_ids, list_identifier_values
from config.foundation.personal_data.text_matcher import TextMatcher
from customers.identity.personal_data.encrypted_field import UnreadableFieldError, decrypt

# the table that keeps what identifies the people until the proof
OWN_TABLES = ("erasure_erasedperson",)
# keyed hashes that must stay, with the reason, which the report names
KEPT_COLUMNS = {("sending_suppression", "value_hash"): "keyed hash of an address that must not receive messages"}
LIST_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname, a.attnum
"""
TEXT_TYPES = ("text", "character varying", "character", "json", "jsonb", "inet", "uuid", "citext", "xml", "tsvector")
NUMBER_TYPES = ("bigint", "integer", "smallint")
CUSTOMER_NAME = re.compile(
    r"(^|_)(customer_ids?|from_id|to_id|kept_id|merged_id|recipient_ids|redeemer_ids|held_out_ids)$"
)
TOKEN = re.compile(rb"gAAAAA[A-Za-z0-9_=-]{60,}")
FETCHED_ROWS = 2000
SEPARATOR = "\x1f"


@dataclass(frozen=True)
class SearchedTable:
    """The columns of one table that are searched."""

    name: str
    texts: tuple[str, ...]
    bytes: tuple[str, ...]
    numbers: tuple[str, ...]
    arrays: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.texts, *self.bytes, *self.numbers, *self.arrays)


def list_tables() -> list[SearchedTable]:
    """Return every table with the columns that can hold something about a person."""
    with connection.cursor() as cursor:
        cursor.execute(LIST_COLUMNS)
        rows = cursor.fetchall()
    tables: dict[str, dict[str, list[str]]] = {}
    for table, column, kind in rows:
        groups = tables.setdefault(table, {"texts": [], "bytes": [], "numbers": [], "arrays": []})
        if (table, column) in KEPT_COLUMNS:
            continue
        if kind in TEXT_TYPES or kind.removesuffix("[]") in TEXT_TYPES:
            groups["texts"].append(column)
        elif kind == "bytea":
            groups["bytes"].append(column)
        elif kind.removesuffix("[]") in NUMBER_TYPES and is_customer_number(table, column):
            groups["arrays" if kind.endswith("[]") else "numbers"].append(column)
    return [
        SearchedTable(name, *(tuple(groups[key]) for key in ("texts", "bytes", "numbers", "arrays")))
        for name, groups in tables.items()
        if name not in OWN_TABLES
    ]


def is_customer_number(table: str, column: str) -> bool:
    """Return whether a column of numbers holds numbers of customers."""
    return bool(CUSTOMER_NAME.search(column)) or (table, column) == ("identity_customer", "id")


def search_tables(people: Sequence[Person], matcher: TextMatcher) -> Iterator[Finding]:
    """Yield what is found in the tables. A row is read only if it may contain a search term: the database compares first."""
    ids = list_customer_ids(people)
    values = list_identifier_values(people)
    for searched in list_tables():
        yield from search_numbers(searched, ids)
        yield from search_equal_values(searched, values)
        yield from search_texts(searched, matcher)


def search_numbers(searched: SearchedTable, ids: Sequence[int]) -> Iterator[Finding]:
    """Yield the columns with the number of a customer."""
    columns = (*searched.numbers, *searched.arrays)
    if not columns:
        return
    conditions = [
        sql.SQL("count(*) FILTER (WHERE {} {} %(ids)s::bigint[]{})").format(
            sql.SQL("{}::bigint[]").format(sql.Identifier(name)) if name in searched.arrays else sql.Identifier(name),
            sql.SQL("&&") if name in searched.arrays else sql.SQL("= ANY ("),
            sql.SQL("") if name in searched.arrays else sql.SQL(")"),
        )
        for name in columns
    ]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(conditions), sql.Identifier(searched.name))
    with connection.cursor() as cursor:
        cursor.execute(query, {"ids": list(ids)})
        counts = cursor.fetchone()
    for name, count in zip(columns, counts, strict=True):
        if count:
            yield Finding("", f"table {searched.name}.{name}", int(count), "customer number")


def search_equal_values(searched: SearchedTable, values: Sequence[str]) -> Iterator[Finding]:
    """Yield the columns in which a whole value equals an identifier, however short it is."""
    columns = [name for name in searched.texts if name.endswith(("user_id", "anonymous_id", "value"))]
    for name in columns:
        query = sql.SQL("SELECT count(*) FROM {} WHERE {}::text = ANY(%s)").format(
            sql.Identifier(searched.name), sql.Identifier(name)
        )
        with connection.cursor() as cursor:
            cursor.execute(query, [list(values)])
            count = int(cursor.fetchone()[0])
        if count:
            yield Finding("", f"table {searched.name}.{name}", count, "identifier")


def search_texts(searched: SearchedTable, matcher: TextMatcher) -> Iterator[Finding]:
    """Yield the columns with a search term in their text, bytes or decrypted values."""
    columns = (*searched.texts, *searched.bytes)
    if not columns:
        return
    parts = [
        sql.SQL("{}::text").format(sql.Identifier(name))
        if name in searched.texts
        else sql.SQL("encode({}, 'escape')").format(sql.Identifier(name))
        for name in columns
    ]
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
        sql.SQL(", ").join(parts), sql.Identifier(searched.name)
    )
    counts = dict.fromkeys(columns, 0)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in join_blocks(copy):
            if matcher.contains(block) or b"gAAAAA" in block:
                count_in_lines(block, columns, matcher, counts)
    for name, count in counts.items():
        if count:
            yield Finding("", f"table {searched.name}.{name}", count, "text")


def join_blocks(copy: Iterator[memoryview | bytes], size: int = 4 << 20) -> Iterator[bytes]:
    """Yield the rows of a COPY in blocks of whole lines: one search in many rows is faster than many in one."""
    block = bytearray()
    for row in copy:
        block += row
        if len(block) >= size:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def count_in_lines(block: bytes, columns: Sequence[str], matcher: TextMatcher, counts: dict[str, int]) -> None:
    """Add to the counts of the columns in which lines have a search term, also inside encrypted values."""
    for line in block.splitlines():
        is_encrypted = b"gAAAAA" in line
        if not is_encrypted and not matcher.contains(line):
            continue
        for name, value in zip(columns, line.split(b"\t"), strict=False):
            counts[name] += matcher.contains(value) or (is_encrypted and is_in_tokens(value, matcher))


def is_in_tokens(value: bytes, matcher: TextMatcher) -> bool:
    """Return whether an encrypted part of a value contains a search term; what no key decrypts cannot lead to anyone."""
    for token in TOKEN.findall(value):
        try:
            if matcher.contains(decrypt(token.decode()).encode()):
                return True
        except UnreadableFieldError:
            continue
    return False
