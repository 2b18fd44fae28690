"""Stores that are texts in which a person may be named: logs of errors, payloads, results, definitions."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import batched
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.utils.functional import Promise
from psycopg import sql

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Finding, Person
from config.foundation.personal_data.stores import ErasurePhase, PersonalDataStore
from config.foundation.personal_data.text_matcher import TextMatcher, build_matcher

FETCHED_ROWS = 2000
SEPARATOR = "\x1f"


class TextAction(StrEnum):
    """What happens to a row that names an erased person."""

    DELETE = "delete"
    MASK = "mask"


class MatchingTexts(PersonalDataStore):
    """Rows of a table whose texts contain something that leads to a person; every row with a text is read.

    Where most rows of a large table have no text, a partial index on those with one (`WHERE error <> ''`) keeps the others from being read.

    Args:
        model: "app.Model". columns: texts, JSON or encrypted texts.
        action: whether such a row is deleted, or the words in it are replaced by asterisks.
        is_encrypted: whether the columns are decrypted before they are compared; such rows can only be deleted.
    """

    def __init__(
        self,
        key: str,
        label: str | Promise,
        model: str,
        *columns: str,
        action: TextAction,
        is_encrypted: bool = False,
        kept: str | Promise = "",
        phase: ErasurePhase = ErasurePhase.ROWS,
    ) -> None:
        self.key, self.label, self.kept, self.phase = key, label, kept, phase
        self.model_label, self.columns, self.action, self.is_encrypted = model, columns, action, is_encrypted
        self.locations = (table(model, *columns),)

    @property
    def table_name(self) -> sql.Identifier:
        return sql.Identifier(apps.get_model(self.model_label)._meta.db_table)

    @property
    def key_column(self) -> sql.Identifier:
        return sql.Identifier(str(apps.get_model(self.model_label)._meta.pk.column))

    def list_matches(self, matcher: TextMatcher) -> list[Any]:
        """Return the primary keys of the rows that contain a search term."""
        matches: list[Any] = []
        for rows in self.read_rows():
            # one search in many rows is faster than many in one
            if matcher.contains(encode_text(SEPARATOR.join(text for _key, text in rows))):
                matches += [key for key, text in rows if matcher.contains(encode_text(text))]
        return matches

    def read_rows(self) -> Iterator[list[tuple[Any, str]]]:
        """Yield the key and the joined texts of the rows that have a text, many at a time."""
        if self.is_encrypted:
            objects = apps.get_model(self.model_label)._base_manager.values_list("pk", *self.columns)
            for batch in batched(objects.iterator(chunk_size=FETCHED_ROWS), FETCHED_ROWS):
                yield [(key, SEPARATOR.join(str(value or "") for value in values)) for key, *values in batch]
            return
        texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in self.columns)
        query = sql.SQL("SELECT {}, concat_ws({}, {}) FROM {}{}").format(
            self.key_column, sql.Literal(SEPARATOR), texts, self.table_name, self.build_filter()
        )
        with connection.chunked_cursor() as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(FETCHED_ROWS):
                yield rows

    def build_filter(self) -> sql.Composable:
        """Return the WHERE clause of the rows with a text; empty if a column has another type, because every row has a value in it."""
        model = apps.get_model(self.model_label)
        fields = [model._meta.get_field(_strip_id(model, column)) for column in self.columns]
        if not all(isinstance(field, models.CharField | models.TextField) for field in fields):
            return sql.SQL("")
        conditions = [sql.SQL("{} <> ''").format(sql.Identifier(column)) for column in self.columns]
        return sql.SQL(" WHERE {}").format(sql.SQL(" OR ").join(conditions))

    def erase(self, people: Sequence[Person]) -> int:
        matcher = build_matcher(people)
        keys = self.list_matches(matcher)
        if not keys:
            return 0
        with connection.cursor() as cursor:
            if self.action is TextAction.DELETE:
                apps.get_model(self.model_label)._base_manager.filter(pk__in=keys).delete()
            else:
                self._mask_rows(cursor, keys, matcher)
        return len(keys)

    def _mask_rows(self, cursor: Any, keys: list[Any], matcher: TextMatcher) -> None:
        model = apps.get_model(self.model_label)
        for column in self.columns:
            name = sql.Identifier(column)
            kind = sql.SQL(str(model._meta.get_field(_strip_id(model, column)).db_type(connection)))
            query = sql.SQL("SELECT {}, {}::text FROM {} WHERE {} = ANY(%s)")
            cursor.execute(query.format(self.key_column, name, self.table_name, self.key_column), [keys])
            rows = [(key, text, matcher.mask_text(text)) for key, text in cursor.fetchall() if text]
            changed = [(masked, key) for key, text, masked in rows if masked != text]
            update = sql.SQL("UPDATE {} SET {} = %s::{} WHERE {} = %s").format(
                self.table_name, name, kind, self.key_column
            )
            cursor.executemany(update, changed)

    def find(self, people: Sequence[Person]) -> list[Finding]:
        matches = self.list_matches(build_matcher(people))
        return [self.make_finding(self.locations[0], len(matches), "text")] if matches else []


def encode_text(text: str) -> bytes:
    """Return a text as bytes in which a matcher searches."""
    return text.encode("utf-8", "replace")


def _strip_id(model: Any, column: str) -> str:
    return next(field.name for field in model._meta.concrete_fields if field.column == column)
