"""Imports a product feed into the catalog, batch by batch, and records the result."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult, FieldProblem, ItemStatus, combine_results
from catalog.feeds.error_file import ErrorFile
from catalog.feeds.feed_file import FeedError, detect_encoding, detect_format
from catalog.feeds.preset_reader import PresetReader
from catalog.feeds.presets.registry import DEFAULT_PRESET
from catalog.feeds.row_mapping import REGULAR_PRICE, FeedRow, build_item, find_price_change
from catalog.field_cleaning import shorten_value
from catalog.models import FeedImport, Product
from catalog.upsert import build_duplicate_problem, clean_product, count_inactive, get_change_time, write_products
from config.foundation.currencies import get_known_currencies
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.files.gzip_files import open_text
from config.foundation.progress import Progress, ignore_progress

BATCH = 2000
# a feed that lacks more than this share of the active products is more likely broken than complete
MAX_DEACTIVATED_SHARE = 0.5


class MissingProducts(StrEnum):
    """What happens to products that are missing from the feed."""

    KEEP = "keep"
    DEACTIVATE = "deactivate"


class TooManyMissingError(FeedError):
    """More than half of the active products would be deactivated; nothing is imported."""


@dataclass(frozen=True)
class FeedOptions:
    """How to read a feed; None means detect.

    Attributes:
        source: missing products are deactivated only if they are from this source; without one, in the whole catalog.
        preset: the shop system that exported the file.
        mapping: field → its columns; takes precedence over the preset, which supplies the columns of the other fields.
        is_complete_mapping: fields that are not in ``mapping`` have no column, even if the preset knows one.
        skipped: columns that do not become attributes.
    """

    currency: str
    format: str | None = None
    encoding: str | None = None
    missing: MissingProducts = MissingProducts.KEEP
    force: bool = False
    source: str = ""
    preset: str = DEFAULT_PRESET
    mapping: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_complete_mapping: bool = False
    skipped: Sequence[str] = ()


def import_feed(
    *,
    path: Path,
    options: FeedOptions,
    started_at: datetime,
    dry_run: bool = False,
    progress: Progress = ignore_progress,
    record: FeedImport | None = None,
) -> FeedImport:
    """Import a feed into the catalog; a second import of the same file changes nothing.

    The file is read twice: first to check that all of it is readable, then to write it in batches, each in one
    transaction. So a broken file changes nothing, and repeating a killed import completes it. If missing products are
    to be deactivated, it is read once more before, to find out how many are missing.

    Args:
        started_at: decides which sale prices are valid. Products get the time at which their batch is written.
        record: an existing record to fill, as for an upload; otherwise a new one is created.

    Raises:
        FeedError: the file cannot be read, or too many products would be deactivated; the record has the same error.
        AlreadyRunningError: another import is running.
    """
    if record is None:
        record = FeedImport(file_name=path.name, format=options.format or "", started_at=started_at, dry_run=dry_run)
    clock = time.monotonic()
    with record_errors(record, clock):
        with exclusive_lock("catalog.import_feed"):
            reset_record(record)
            FeedImporter(path=path, options=options, record=record, progress=progress).run()
        finish_record(record, clock)
    return record


def reset_record(record: FeedImport) -> None:
    """Reset a record to its initial state: an earlier import of it may have been killed."""
    record.rows = record.created = record.updated = record.unchanged = record.rejected = 0
    record.deactivated = record.inactive = 0
    record.problems, record.error_file, record.error, record.finished_at = {}, "", "", None
    record.prices_change_at = None
    record.save()


def finish_record(record: FeedImport, clock: float) -> None:
    """Save the end of an import; ``clock`` is ``time.monotonic()`` at its start."""
    record.finished_at = record.started_at + timedelta(seconds=time.monotonic() - clock)
    record.save()


@contextmanager
def record_errors(record: FeedImport, clock: float) -> Iterator[None]:
    """Save the error that ends the block in the record, and raise it again."""
    try:
        yield
    except (FeedError, AlreadyRunningError) as error:
        record.error = str(error)
        finish_record(record, clock)
        raise
    except OSError as error:
        # a full disk, or a file that was deleted during the import
        record.error = _("The import stopped: %(reason)s. Fix the problem and start the import again.") % {
            "reason": error
        }
        finish_record(record, clock)
        raise FeedError(record.error) from error
    except KeyboardInterrupt:
        record.error = _(
            "The import was interrupted. The rows read so far are in the catalog. Start the import again to "
            "complete it."
        )
        finish_record(record, clock)
        raise


@dataclass
class FeedImporter:
    """One running import."""

    path: Path
    options: FeedOptions
    record: FeedImport
    progress: Progress
    problems: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        if self.options.currency not in get_known_currencies():
            raise FeedError(
                _("Unknown currency %(value)s; use an ISO 4217 code such as EUR.")
                % {"value": repr(self.options.currency)}
            )
        encoding = detect_encoding(self.path, self.options.encoding)
        record = self.record
        record.format = self.options.format or detect_format(self.path, encoding)
        reader = PresetReader(
            format=record.format,
            preset=self.options.preset,
            mapping=self.options.mapping,
            is_complete=self.options.is_complete_mapping,
            skipped=self.options.skipped,
        )
        with open_text(self.path, encoding) as stream:
            total = reader.collect(stream)
        if total == 0:
            raise FeedError(_("%(file)s has no products.") % {"file": self.path.name})
        with (
            open_text(self.path, encoding) as stream,
            ErrorFile(self.error_path) as errors,
            track_seen_ids() as seen_ids,
        ):
            deactivates = self.options.missing is MissingProducts.DEACTIVATE
            if deactivates and not self.options.force:
                self.check_missing(reader, encoding, total, seen_ids)
            for batch in batched(reader.read(stream), BATCH):
                self.import_batch(batch, seen_ids, errors)
                self.progress(record.rows, total)
            if deactivates:
                self.deactivate(seen_ids)
            if self.options.source and not record.dry_run:
                seen_ids.assign_source(self.options.source, record=record, is_complete=deactivates)

    @property
    def error_path(self) -> Path:
        name = f"products-{self.record.started_at:%Y%m%d-%H%M%S}-{self.record.pk}.csv"
        return Path(settings.EXPORTS_DIR) / "imports" / name

    def import_batch(self, batch: tuple[FeedRow, ...], seen_ids: "SeenIds", errors: ErrorFile) -> None:
        result = self.write_batch(batch, seen_ids)
        record = self.record
        changes = [record.prices_change_at]
        for row, item in zip(batch, result.results, strict=True):
            if item.problems:
                errors.write(row.line, item.problems)
            changes.append(find_price_change(row.fields, after=record.started_at))
        record.prices_change_at = min((change for change in changes if change is not None), default=None)
        self.problems.update(result.count_problems())
        record.rows += len(batch)
        record.created += result.created
        record.updated += result.updated
        record.unchanged += result.unchanged
        record.rejected += result.rejected
        record.problems = dict(self.problems.most_common())
        record.error_file = str(errors.path) if errors.exists else ""
        record.save()

    def write_batch(self, batch: tuple[FeedRow, ...], seen_ids: "SeenIds") -> BulkResult:
        """Clean and write a batch; an id counts once per file, and its first valid row wins."""
        keys: list[str] = []
        problems: list[list[FieldProblem]] = []
        rows: dict[str, dict[str, Any]] = {}
        for row in batch:
            key, cleaned, row_problems = self.clean(row)
            if not row_problems and key in rows:
                row_problems = [build_duplicate_problem(key)]
            if not row_problems:
                rows[key] = cleaned
            keys.append(key)
            problems.append(row_problems)
        # rejected rows count as seen, too: a product with an invalid row is not missing from the feed
        seen_ids.add([key for key in keys if key])
        claimed = seen_ids.claim(list(rows))
        for index, key in enumerate(keys):
            if key in rows and key not in claimed and not problems[index]:
                problems[index] = [build_duplicate_problem(key)]
        written = self.write({key: row for key, row in rows.items() if key in claimed})
        return combine_results(keys=keys, problems=problems, written=written)

    def clean(self, row: FeedRow) -> tuple[str, dict[str, Any], list[FieldProblem]]:
        item, mapping_problems = build_item(row, at=self.record.started_at, currency=self.options.currency)
        if row.problem:
            return "", {}, mapping_problems
        if self.options.missing is MissingProducts.DEACTIVATE:
            item.setdefault("is_active", True)
        cleaned, product_problems = clean_product(item, currency=self.options.currency)
        return (
            cleaned.get("product_id", shorten_value(item.get("product_id"))),
            cleaned,
            mapping_problems + product_problems,
        )

    def write(self, rows: dict[str, dict[str, Any]]) -> dict[str, ItemStatus]:
        if not rows:
            return {}
        with transaction.atomic():
            remove_regular_prices(rows)
            written = write_products(rows, at=get_change_time(self.record.started_at))
            self.record.inactive += count_inactive(rows)
            if self.record.dry_run:
                transaction.set_rollback(True)
        return written

    def check_missing(self, reader: PresetReader, encoding: str, total: int, seen_ids: "SeenIds") -> None:
        """Raise TooManyMissingError if too many active products are missing from the feed.

        Nothing is written before: products that a refused feed has created would count as active and present, in this
        import or in the next one of the same feed.
        """
        with open_text(self.path, encoding) as stream:
            for batch in batched(reader.read(stream), BATCH):
                seen_ids.add([key for key, _cleaned, _problems in map(self.clean, batch) if key])
                self.progress(0, total)
        products = Product.objects.active()
        if source := self.options.source:
            products = products.filter(import_source__source=source)
        active, absent = products.count(), seen_ids.count_absent(source)
        if absent > active * MAX_DEACTIVATED_SHARE:
            raise TooManyMissingError(
                _(
                    "%(absent)d of %(active)d active products are missing from the feed, which is more than half. The "
                    "feed was not imported. To import it and deactivate them, use the force option."
                )
                % {"absent": absent, "active": active}
            )

    def deactivate(self, seen_ids: "SeenIds") -> None:
        """Deactivate the products that are missing from the feed, in a dry run only count them."""
        if self.record.dry_run:
            self.record.deactivated = seen_ids.count_absent(self.options.source)
        else:
            at = get_change_time(self.record.started_at)
            self.record.deactivated = seen_ids.deactivate_absent(self.options.source, at=at)


def remove_regular_prices(rows: Mapping[str, dict[str, Any]]) -> None:
    """Have rows with a price and without attributes remove the price before an earlier sale; other attributes are kept.

    A row of a sale has this attribute, and a row with attributes replaces all of them.
    """
    product_ids = [key for key, row in rows.items() if "price" in row and "attributes" not in row]
    reduced = Product.objects.filter(product_id__in=product_ids, attributes__has_key=REGULAR_PRICE)
    # locked, so that no attribute changes before it is written back
    for key, attributes in (
        reduced.order_by("product_id").select_for_update().values_list("product_id", "attributes")
        if product_ids
        else ()
    ):
        rows[key]["attributes"] = {name: value for name, value in attributes.items() if name != REGULAR_PRICE}


@contextmanager
def track_seen_ids() -> Iterator["SeenIds"]:
    """Keep the ids of one file in a temporary table: there may be more than fit in memory."""
    with connection.cursor() as cursor:
        # a temporary table lives as long as its connection, which may serve several imports
        cursor.execute("DROP TABLE IF EXISTS catalog_feed_seen")
        cursor.execute(
            "CREATE TEMPORARY TABLE catalog_feed_seen (product_id text PRIMARY KEY, claimed boolean NOT NULL)"
        )
    try:
        yield SeenIds()
    finally:
        # after a database error the transaction accepts no more statements; its rollback drops the table
        if not connection.needs_rollback:
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE IF EXISTS catalog_feed_seen")


# active products that the file does not contain, of one source if there is one
ABSENT = """
    p.is_active AND NOT EXISTS (SELECT 1 FROM catalog_feed_seen s WHERE s.product_id = p.product_id) AND (
        %(source)s = '' OR EXISTS (SELECT 1 FROM catalog_productsource o WHERE o.product_id = p.id AND o.source = %(source)s)
    )
"""


class SeenIds:
    """The ids that a file has contained so far, and those of them that a valid row has claimed."""

    def add(self, product_ids: list[str]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO catalog_feed_seen SELECT id, false FROM unnest(%s::text[]) AS id ON CONFLICT DO NOTHING",
                [product_ids],
            )

    def claim(self, product_ids: list[str]) -> set[str]:
        """Claim ids for this batch; return those that no earlier row had claimed."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE catalog_feed_seen SET claimed = true WHERE product_id = ANY(%s) AND NOT claimed RETURNING product_id",
                [product_ids],
            )
            return {product_id for (product_id,) in cursor.fetchall()}

    def count_absent(self, source: str) -> int:
        """Return the number of active products of a source, or of the catalog, that the file does not contain."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM catalog_product p WHERE {ABSENT}", {"source": source})  # noqa: S608
            return cursor.fetchone()[0]

    def deactivate_absent(self, source: str, *, at: datetime) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE catalog_product p SET is_active = false, updated_at = %(at)s WHERE {ABSENT}",  # noqa: S608
                {"source": source, "at": at},
            )
            return cursor.rowcount

    def assign_source(self, source: str, *, record: FeedImport, is_complete: bool) -> None:
        """Store the source of the products of the file; an incomplete one, such as a file of stock, only of those without a source."""
        change = (
            "UPDATE SET source = EXCLUDED.source, feed_import_id = EXCLUDED.feed_import_id"
            " WHERE catalog_productsource.source <> EXCLUDED.source"
        )
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO catalog_productsource (product_id, source, feed_import_id)
                SELECT p.id, %s, %s FROM catalog_feed_seen s JOIN catalog_product p ON p.product_id = s.product_id
                ORDER BY p.id ON CONFLICT (product_id) DO {change if is_complete else "NOTHING"}
                """,  # noqa: S608
                [source, record.pk],
            )
