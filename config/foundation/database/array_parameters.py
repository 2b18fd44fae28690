"""Encodes the columns of set-based statements as binary PostgreSQL arrays, faster than psycopg's quoting of each element.

https://www.postgresql.org/docs/18/sql-copy.html (binary format) and array_recv in src/backend/utils/adt/arrayfuncs.c
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
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
DAY_MICROSECONDS = 86_400_000_000


class BigintArray(bytes):
    """An encoded bigint[]."""

    element: ClassVar[int] = 20
    array: ClassVar[int] = 1016


class TextArray(bytes):
    """An encoded text[]."""

    element: ClassVar[int] = 25
    array: ClassVar[int] = 1009


class TimeArray(bytes):
    """An encoded timestamptz[]."""

    element: ClassVar[int] = 1184
    array: ClassVar[int] = 1185


class JsonArray(bytes):
    """An encoded jsonb[]."""

    element: ClassVar[int] = 3802
    array: ClassVar[int] = 3807


ARRAY_TYPES = (BigintArray, TextArray, TimeArray, JsonArray)


def encode_bigints(values: Sequence[int]) -> BigintArray:
    return BigintArray(_build_header(BigintArray, values) + b"".join([NUMBER.pack(8, value) for value in values]))


def encode_times(values: Sequence[datetime]) -> TimeArray:
    return TimeArray(_build_header(TimeArray, values) + b"".join(map(_encode_time, values)))


def encode_repeated_times(values: Sequence[datetime]) -> TimeArray:
    """Encode times most of which are the same object; much faster for those, slower for others."""
    return TimeArray(_build_header(TimeArray, values) + b"".join(map(_TimeCache().__getitem__, values)))


def encode_texts(values: Sequence[str | None]) -> TextArray:
    parts = [_build_header(TextArray, values)]
    for value in values:
        if value is None:
            parts.append(NULL)
        else:
            data = value.encode()
            parts += (LENGTH(len(data)), data)
    return TextArray(b"".join(parts))


def encode_repeated_texts(values: Sequence[str | None]) -> TextArray:
    """Encode texts of which only few differ, such as types; much faster for those, slower for others."""
    return TextArray(_build_header(TextArray, values) + b"".join(map(_TextCache().__getitem__, values)))


def encode_jsons(values: Sequence[bytes]) -> JsonArray:
    parts = [_build_header(JsonArray, values)]
    for value in values:
        parts += (LENGTH(len(value) + 1), JSONB_VERSION, value)
    return JsonArray(b"".join(parts))


def format_text_list(values: Iterable[str]) -> str:
    """Return a list of texts as an array literal, for columns of lists: a nested array would need lists of equal length."""
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return "{" + ",".join(quoted) + "}"


def format_bigint_list(values: Iterable[int]) -> str:
    """Return an array literal of integers for a cursor without the dumpers: one text instead of one value per element."""
    return "{" + ",".join(map(str, values)) + "}"


def register_array_dumpers(context: AdaptContext) -> None:
    """Register the dumpers of the array classes with a connection or cursor."""
    for array_type in ARRAY_TYPES:
        context.adapters.register_dumper(array_type, _DUMPERS[array_type])


def _build_header(array_type: type[Any], values: Sequence[Any]) -> bytes:
    return HEADER.pack(1, 1, array_type.element, len(values), 1)


def _encode_time(value: datetime) -> bytes:
    since = value - EPOCH  # dividing it by a microsecond takes twice as long
    return NUMBER.pack(8, since.days * DAY_MICROSECONDS + since.seconds * 1_000_000 + since.microseconds)


class _TextCache(dict[str | None, bytes]):
    """The encoded elements of one array by text."""

    def __missing__(self, value: str | None) -> bytes:
        data = b"" if value is None else value.encode()
        encoded = self[value] = NULL if value is None else LENGTH(len(data)) + data
        return encoded


class _TimeCache(dict[datetime, bytes]):
    """The encoded elements of one array by time."""

    def __missing__(self, value: datetime) -> bytes:
        encoded = self[value] = _encode_time(value)
        return encoded


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer:
        return bytes(obj)


_DUMPERS = {
    array_type: type(f"{array_type.__name__}Dumper", (_ArrayDumper,), {"oid": array_type.array})
    for array_type in ARRAY_TYPES
}
