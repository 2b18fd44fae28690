"""Columns of a set-based statement as PostgreSQL's binary arrays: psycopg would quote every element by itself.

https://www.postgresql.org/docs/18/sql-copy.html (binary format) and array_recv in src/backend/utils/adt/arrayfuncs.c
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, ClassVar

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

HEADER = Struct(">iiIii")  # dimensions, whether there are NULLs, oid of the elements, length, first index
NUMBER = Struct(">iq")
LENGTH = Struct(">i").pack
NULL = LENGTH(-1)
JSONB_VERSION = b"\x01"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class BigintArray(bytes):
    """bigint[]"""

    element: ClassVar[int] = 20
    array: ClassVar[int] = 1016


class TextArray(bytes):
    """text[]"""

    element: ClassVar[int] = 25
    array: ClassVar[int] = 1009


class TimeArray(bytes):
    """timestamptz[]"""

    element: ClassVar[int] = 1184
    array: ClassVar[int] = 1185


class JsonArray(bytes):
    """jsonb[]"""

    element: ClassVar[int] = 3802
    array: ClassVar[int] = 3807


ARRAY_TYPES = (BigintArray, TextArray, TimeArray, JsonArray)


def encode_bigints(values: Sequence[int]) -> BigintArray:
    return BigintArray(_header(BigintArray, values) + b"".join([NUMBER.pack(8, value) for value in values]))


def encode_times(values: Sequence[datetime]) -> TimeArray:
    moments = [NUMBER.pack(8, (value - EPOCH) // MICROSECOND) for value in values]
    return TimeArray(_header(TimeArray, values) + b"".join(moments))


def encode_texts(values: Sequence[str | None]) -> TextArray:
    pieces = [_header(TextArray, values)]
    for value in values:
        if value is None:
            pieces.append(NULL)
        else:
            data = value.encode()
            pieces += (LENGTH(len(data)), data)
    return TextArray(b"".join(pieces))


def encode_jsons(values: Sequence[bytes]) -> JsonArray:
    pieces = [_header(JsonArray, values)]
    for value in values:
        pieces += (LENGTH(len(value) + 1), JSONB_VERSION, value)
    return JsonArray(b"".join(pieces))


def format_text_list(values: Iterable[str]) -> str:
    """A list of texts as PostgreSQL writes it; for a column of lists, which no array can hold when their lengths differ."""
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return "{" + ",".join(quoted) + "}"


def register_array_dumpers(context: AdaptContext) -> None:
    """Makes a connection or a cursor send the classes above."""
    for kind in ARRAY_TYPES:
        context.adapters.register_dumper(kind, _DUMPERS[kind])


def _header(kind: type[Any], values: Sequence[Any]) -> bytes:
    return HEADER.pack(1, 1, kind.element, len(values), 1)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer:
        return bytes(obj)


_DUMPERS = {kind: type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.array}) for kind in ARRAY_TYPES}
