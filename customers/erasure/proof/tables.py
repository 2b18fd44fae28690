"""Searches all columns of the database: texts for what identifies people, numbers of customers, and encrypted values decrypted.

The columns come from the catalog of PostgreSQL, not from the models, so that a table that no model knows is searched too.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db import connection
from psycopg import sql

from config.foundation.personal_data.person import Finding, Person, list_customer_ids, list_identifier_values
from config.foundation.personal_data.text_matcher import GroupMatcher
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
BACKSLASHES = re.compile(rb"\\{2,}")
OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
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


def search_tables(groups: Mapping[int, Sequence[Person]], matcher: GroupMatcher) -> Iterator[tuple[int, Finding]]:
    """Yield what is found in the tables, with the group of people whom it is about."""
    ids = {group: frozenset(list_customer_ids(people)) for group, people in groups.items()}
    values = {group: frozenset(list_identifier_values(people)) for group, people in groups.items()}
    for searched in list_tables():
        yield from search_numbers(searched, ids)
        yield from search_equal_values(searched, values)
        yield from search_texts(searched, matcher)


def search_numbers(searched: SearchedTable, ids: Mapping[int, Collection[int]]) -> Iterator[tuple[int, Finding]]:
    """Yield the columns with the number of a customer. A second statement reads the numbers only of a table that has one."""
    columns = (*searched.numbers, *searched.arrays)
    if not columns:
        return
    parameters = {"ids": sorted(set().union(*ids.values()))}
    conditions = {name: match_numbers(name, is_array=name in searched.arrays) for name in columns}
    counted = sql.SQL(", ").join(
        sql.SQL("count(*) FILTER (WHERE {})").format(condition) for condition in conditions.values()
    )
    table = sql.Identifier(searched.name)
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT {} FROM {}").format(counted, table), parameters)
        counts = cursor.fetchone()
        for name, count in zip(columns, counts, strict=True):
            if not count:
                continue
            value = (
                sql.Identifier(name) if name in searched.arrays else sql.SQL("ARRAY[{}]").format(sql.Identifier(name))
            )
            query = sql.SQL("SELECT {}, count(*) FROM {} WHERE {} GROUP BY 1").format(value, table, conditions[name])
            cursor.execute(query, parameters)
            found = count_groups(cursor.fetchall(), ids)
            yield from (
                (group, make_finding(searched, name, found[group], "customer number")) for group in sorted(found)
            )


def match_numbers(name: str, *, is_array: bool) -> sql.Composable:
    """Return the condition that a column, or one element of an array, is the number of one of the customers."""
    condition = "{}::bigint[] && %(ids)s::bigint[]" if is_array else "{} = ANY (%(ids)s::bigint[])"
    return sql.SQL(condition).format(sql.Identifier(name))


def count_groups[T](rows: Sequence[tuple[Sequence[T], int]], members: Mapping[int, Collection[T]]) -> Counter[int]:
    """Return how many rows have a value of each group; rows: (values of a row, number of such rows)."""
    found: Counter[int] = Counter()
    for group, own in members.items():
        if count := sum(count for values, count in rows if any(value in own for value in values)):
            found[group] = count
    return found


def search_equal_values(
    searched: SearchedTable, values: Mapping[int, Collection[str]]
) -> Iterator[tuple[int, Finding]]:
    """Yield the columns in which a whole value equals an identifier, however short it is."""
    columns = [name for name in searched.texts if name.endswith(("user_id", "anonymous_id", "value"))]
    everything = sorted(set().union(*values.values()))
    for name in columns:
        query = sql.SQL("SELECT ARRAY[{}::text], count(*) FROM {} WHERE {}::text = ANY(%s) GROUP BY 1").format(
            sql.Identifier(name), sql.Identifier(searched.name), sql.Identifier(name)
        )
        with connection.cursor() as cursor:
            cursor.execute(query, [everything])
            found = count_groups(cursor.fetchall(), values)
        yield from ((group, make_finding(searched, name, found[group], "identifier")) for group in sorted(found))


def make_finding(searched: SearchedTable, column: str, count: int, recognized_by: str) -> Finding:
    """Return a finding in a column."""
    return Finding("", f"table {searched.name}.{column}", count, recognized_by)


def search_texts(searched: SearchedTable, matcher: GroupMatcher) -> Iterator[tuple[int, Finding]]:
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
    counts: Counter[tuple[str, int]] = Counter()
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for block in join_blocks(copy):
            if matcher.contains(block) or b"gAAAAA" in block:
                count_in_lines(block, columns, matcher, counts)
    for name in columns:
        for group in sorted(group for column, group in counts if column == name):
            yield group, make_finding(searched, name, counts[name, group], "text")


def join_blocks(copy: Iterator[memoryview | bytes], size: int = 4 << 20) -> Iterator[bytes]:
    """Yield the rows of a COPY in blocks of whole lines: one search in many rows is faster than many in one."""
    block = bytearray()
    for row in copy:
        block += row
        if len(block) >= size:
            yield unescape(bytes(block))
            block.clear()
    if block:
        yield unescape(bytes(block))


def unescape(block: bytes) -> bytes:
    """Undo the escapes of COPY and of `encode`: they would hide names in JSON such as "\\u5ba2", and bytes beyond ASCII."""
    if b"\\\\" not in block:
        return block
    return OCTAL.sub(lambda match: bytes([int(match[1], 8)]), BACKSLASHES.sub(rb"\\", block))


def count_in_lines(
    block: bytes, columns: Sequence[str], matcher: GroupMatcher, counts: Counter[tuple[str, int]]
) -> None:
    """Add to the counts of columns and groups the lines that have a search term of the group, also inside encrypted values."""
    for line in block.splitlines():
        is_encrypted = b"gAAAAA" in line
        if not is_encrypted and not matcher.contains(line):
            continue
        for name, value in zip(columns, line.split(b"\t"), strict=False):
            found = matcher.find_groups(value) | (find_in_tokens(value, matcher) if is_encrypted else set())
            counts.update((name, group) for group in found)


def find_in_tokens(value: bytes, matcher: GroupMatcher) -> set[int]:
    """Return the groups that have a search term in the encrypted parts of a value; what no key decrypts cannot lead to anyone."""
    found: set[int] = set()
    for token in TOKEN.findall(value):
        with suppress(UnreadableFieldError):
            found |= matcher.find_groups(decrypt(token.decode()).encode())
    return found
