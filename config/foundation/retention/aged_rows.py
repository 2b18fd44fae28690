"""Previews and deletes the rows of a table that are older than a moment, in short transactions, so that nothing else has to wait."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import batched
from pathlib import Path
from typing import Any, LiteralString

from django.apps import apps
from django.db import connection
from django.db.models import DateField, DateTimeField, Min, Q, QuerySet
from psycopg import sql

from config.foundation.database.partitions import MonthlyPartitions, get_next_month, list_partitions
from config.foundation.retention import kinds
from config.foundation.retention.kinds import RetentionPreview

CHUNK = 5_000
# the subquery hides how many locations there are: knowing it, PostgreSQL would read the whole table instead of them
DELETE_FOUND = """
DELETE FROM {table} AS old
WHERE old.ctid = ANY(ARRAY(SELECT location::tid FROM unnest(%(found)s::text[]) AS location)) AND {condition}
"""


@dataclass(frozen=True)
class AgedRows:
    """The rows of a model with a moment (or day) each.

    Attributes:
        condition: of the rows that can be deleted at all.
        cleared: values to which the fields of old rows are set, for rows that stay as a fact; empty deletes the rows.
    """

    model: str
    moment: str
    condition: Q = field(default_factory=Q)
    cleared: dict[str, Any] = field(default_factory=dict)

    def select(self, before: datetime) -> QuerySet[Any]:
        """Return the old rows."""
        model = apps.get_model(self.model)
        is_day = isinstance(model._meta.get_field(self.moment), DateField) and not isinstance(
            model._meta.get_field(self.moment), DateTimeField
        )
        limit: date = before.astimezone(UTC).date() if is_day else before
        rows = model._base_manager.filter(self.condition, **{f"{self.moment}__lt": limit})
        return rows.exclude(**self.cleared) if self.cleared else rows

    def preview(self, before: datetime) -> RetentionPreview:
        """Return how many rows are older, and the oldest moment."""
        rows = self.select(before).order_by()
        oldest = rows.aggregate(oldest=Min(self.moment))["oldest"]
        return limit_preview(count_up_to_limit(rows), to_moment(oldest))

    def purge(self, before: datetime) -> int:
        """Delete or clear the older rows; return their number. Each chunk is a transaction of its own.

        The table is searched once, with a cursor: a search for each chunk would read it from its start again. A chunk leaves out rows that
        have changed since the search. After an interruption, the next run finds what is left.
        """
        done = 0
        keys = self.select(before).order_by().values_list("pk", flat=True).iterator(chunk_size=CHUNK)
        for ids in batched(keys, CHUNK):
            chunk = self.select(before).order_by().filter(pk__in=ids)
            if self.cleared:
                done += chunk.update(**self.cleared)
            else:
                done += chunk.delete()[1].get(apps.get_model(self.model)._meta.label, 0)
        return done


@dataclass(frozen=True)
class SeveralParts:
    """Several tables or files that are kept equally long."""

    parts: tuple[Any, ...]

    def preview(self, before: datetime) -> RetentionPreview:
        previews = [part.preview(before) for part in self.parts]
        oldest = [preview.oldest for preview in previews if preview.oldest]
        partitions = tuple(name for preview in previews for name in preview.partitions)
        return RetentionPreview(
            sum(preview.rows for preview in previews),
            min(oldest, default=None),
            partitions,
            is_at_least=any(preview.is_at_least for preview in previews),
        )

    def purge(self, before: datetime) -> int:
        return sum(part.purge(before) for part in self.parts)


@dataclass(frozen=True)
class AgedFiles:
    """The files of folders, by the time of their last change; folders are named by functions, because settings change."""

    folders: Callable[[], tuple[Path, ...]]

    def list_files(self, before: datetime) -> list[Path]:
        limit = before.timestamp()
        return [
            path
            for folder in self.folders()
            if folder.is_dir()
            for path in folder.iterdir()
            if path.is_file() and path.stat().st_mtime < limit
        ]

    def preview(self, before: datetime) -> RetentionPreview:
        times = [path.stat().st_mtime for path in self.list_files(before)]
        return RetentionPreview(len(times), datetime.fromtimestamp(min(times), UTC) if times else None)

    def purge(self, before: datetime) -> int:
        expired = self.list_files(before)
        for path in expired:
            path.unlink(missing_ok=True)
        return len(expired)


def preview_partitions(of: MonthlyPartitions, before: datetime) -> RetentionPreview:
    """Return the rows of a partitioned table that are older, and the months that are dropped as a whole."""
    query = sql.SQL("SELECT {moment} FROM {table} WHERE {moment} < %(before)s").format(
        moment=sql.Identifier(of.moment), table=sql.Identifier(of.table)
    )
    counted = preview_moments(query.as_string(None), {"before": before})
    return replace(counted, partitions=list_dropped_partitions(of, before))


def list_dropped_partitions(of: MonthlyPartitions, before: datetime) -> tuple[str, ...]:
    """Return the names of the months that end before a moment."""
    return tuple(
        name
        for name, month in list_partitions(of=of)
        if month is not None and datetime.combine(get_next_month(month), time.min, UTC) <= before
    )


def preview_moments(query: str, parameters: Mapping[str, Any]) -> RetentionPreview:
    """Return the number and the oldest of the moments that a query selects; it is stopped at the limit, and then knows no oldest one."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), min(moment) FROM ({query} LIMIT %(limit)s) AS old (moment)",  # noqa: S608 — constant queries
            {**parameters, "limit": kinds.COUNT_LIMIT + 1},
        )
        rows, oldest = cursor.fetchone()
    return limit_preview(rows, oldest if rows <= kinds.COUNT_LIMIT else None)


def count_up_to_limit(rows: QuerySet[Any]) -> int:
    """Return the number of rows, or one more than the limit of a preview if there are more."""
    return rows.order_by().values("pk")[: kinds.COUNT_LIMIT + 1].count()


def limit_preview(rows: int, oldest: datetime | None, partitions: tuple[str, ...] = ()) -> RetentionPreview:
    """Return a preview of a number that was counted up to one more than the limit."""
    limit = kinds.COUNT_LIMIT
    return RetentionPreview(min(rows, limit), oldest, partitions, is_at_least=rows > limit)


def delete_in_chunks(table: str, condition: LiteralString, parameters: Mapping[str, Any], *, chunk: int) -> int:
    """Delete rows in chunks, each a transaction of its own, so that nobody waits for a long one; return their number.

    The table is searched once, with a cursor: a search for each chunk would read it from its start again.

    Args:
        condition: of the rows, which are called ``old`` in it; it is checked again when a row is deleted.
    """
    names = {"table": sql.Identifier(table), "condition": sql.SQL(condition)}
    find = sql.SQL("SELECT old.ctid::text FROM {table} AS old WHERE {condition}").format(**names).as_string(None)
    delete = sql.SQL(DELETE_FOUND).format(**names).as_string(None)
    deleted = 0
    with connection.chunked_cursor() as found, connection.cursor() as cursor:
        found.execute(find, parameters)
        while rows := found.fetchmany(chunk):
            cursor.execute(delete, {**parameters, "found": [location for (location,) in rows]})
            deleted += cursor.rowcount
    return deleted


def to_moment(value: date | None) -> datetime | None:
    """Return a day as its first moment (UTC)."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, time.min, UTC)


def get_limit(days: int, *, now: datetime) -> datetime:
    return now - timedelta(days=days)
