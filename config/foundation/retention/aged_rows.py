"""Previews and deletes the rows of a table that are older than a moment, in short transactions, so that nothing else has to wait."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import DateField, DateTimeField, Min, Q, QuerySet
from psycopg import sql

from config.foundation.database.partitions import MonthlyPartitions, get_next_month, list_partitions
from config.foundation.retention.kinds import RetentionPreview

CHUNK = 5_000


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
        return RetentionPreview(rows.count(), to_moment(oldest))

    def purge(self, before: datetime) -> int:
        """Delete or clear the older rows; return their number. Each chunk is a transaction of its own."""
        done = 0
        while True:
            rows = self.select(before).order_by()
            ids = list(rows.values_list("pk", flat=True)[:CHUNK])
            chunk = apps.get_model(self.model)._base_manager.filter(pk__in=ids)
            if self.cleared:
                chunk.update(**self.cleared)
            else:
                chunk.delete()
            done += len(ids)
            if len(ids) < CHUNK:
                return done


@dataclass(frozen=True)
class SeveralParts:
    """Several tables or files that are kept equally long."""

    parts: tuple[Any, ...]

    def preview(self, before: datetime) -> RetentionPreview:
        previews = [part.preview(before) for part in self.parts]
        oldest = [preview.oldest for preview in previews if preview.oldest]
        partitions = tuple(name for preview in previews for name in preview.partitions)
        return RetentionPreview(sum(preview.rows for preview in previews), min(oldest, default=None), partitions)

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


def preview_partitions(
    of: MonthlyPartitions, before: datetime, *, drop_before: datetime | None = None
) -> RetentionPreview:
    """Return the rows of a partitioned table that are older, and the months that are dropped as a whole.

    Args:
        drop_before: months that end before it are dropped; by default ``before``.
    """
    drop_limit = min(before, drop_before or before)
    dropped = tuple(
        name
        for name, month in list_partitions(of=of)
        if month is not None and datetime.combine(get_next_month(month), time.min, UTC) <= drop_limit
    )
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT count(*), min({moment}) FROM {table} WHERE {moment} < %s")
            .format(moment=sql.Identifier(of.moment), table=sql.Identifier(of.table))
            .as_string(None),
            [before],
        )
        rows, oldest = cursor.fetchone()
    return RetentionPreview(rows, oldest, dropped)


def to_moment(value: date | None) -> datetime | None:
    """Return a day as its first moment (UTC)."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, time.min, UTC)


def get_limit(days: int, *, now: datetime) -> datetime:
    return now - timedelta(days=days)
