"""Imports reviews from a CSV or JSON Lines file."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from itertools import batched
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.feeds.delimited import read_delimited, require_column
from catalog.feeds.error_file import ErrorFile
from catalog.feeds.feed_file import FeedError, detect_encoding, detect_format
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.row_mapping import FeedRow, normalize_name
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.files.gzip_files import open_text
from config.foundation.progress import Progress, ignore_progress
from customers.feedback.reviews import FIELDS, record_reviews

BATCH_SIZE = 1000


@dataclass
class ReviewImportResult:
    """The counts of an import."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    error_file: Path | None = None


def import_reviews(
    *,
    path: Path,
    mapping: Mapping[str, str],
    received_at: datetime,
    is_complete_mapping: bool = False,
    encoding: str | None = None,
    dry_run: bool = False,
    progress: Progress = ignore_progress,
) -> ReviewImportResult:
    """Import the reviews of a file; a second import of the same file changes nothing.

    Args:
        mapping: field → column, for columns with other names. Without a ``review_id`` column, a review is identified by a
            hash of its content.
        is_complete_mapping: fields that are not in ``mapping`` have no column, even if one has their name.

    Raises:
        FeedError: the file cannot be read; nothing was imported.
        AlreadyRunningError: another import is running.
    """
    names = mapping if is_complete_mapping else FIELDS
    columns = {name: normalize_name(mapping.get(name, name)) for name in names}
    if unknown := sorted(mapping.keys() - set(FIELDS)):
        raise FeedError(
            _("Unknown review fields: %(names)s; valid: %(known)s.")
            % {"names": ", ".join(unknown), "known": ", ".join(FIELDS)}
        )
    with exclusive_lock("feedback.import_reviews"):
        encoding = detect_encoding(path, encoding)
        total = sum(1 for _row in read_rows(path, encoding, columns))
        if not total:
            raise FeedError(_("%(file)s has no reviews.") % {"file": path.name})
        summary = ReviewImportResult()
        fingerprint_counts: Counter[str] = Counter()
        with ErrorFile(build_error_path(path, received_at)) as errors:
            for batch in batched(read_rows(path, encoding, columns), BATCH_SIZE):
                import_batch(
                    batch, columns, fingerprint_counts, errors, summary, received_at=received_at, dry_run=dry_run
                )
                progress(summary.rows, total)
            summary.error_file = errors.path if errors.exists else None
    return summary


def build_error_path(path: Path, received_at: datetime) -> Path:
    return Path(settings.EXPORTS_DIR) / "imports" / f"reviews-{received_at:%Y%m%d-%H%M%S}-{path.stem[:50]}.csv"


def read_rows(path: Path, encoding: str, columns: Mapping[str, str]) -> Iterator[FeedRow]:
    def check_columns(names: list[str]) -> None:
        for name in ("product_id", "rating"):
            require_column(names, name, [columns.get(name, name)])

    file_format = detect_format(path, encoding)
    if file_format == FeedImport.Format.GOOGLE_XML:
        raise FeedError(_("%(file)s is XML; use CSV or JSON Lines for reviews.") % {"file": path.name})
    with open_text(path, encoding) as stream:
        yield from (
            read_json_lines(stream) if file_format == FeedImport.Format.JSONL else read_delimited(stream, check_columns)
        )


def import_batch(
    batch: tuple[FeedRow, ...],
    columns: Mapping[str, str],
    fingerprint_counts: Counter[str],
    errors: ErrorFile,
    summary: ReviewImportResult,
    *,
    received_at: datetime,
    dry_run: bool,
) -> None:
    readable = [row for row in batch if row.problem is None]
    items = [build_review(row, columns, fingerprint_counts) for row in readable]
    result = record_reviews(items=items, received_at=received_at, dry_run=dry_run)
    for row, item in zip(readable, result.results, strict=True):
        if item.problems:
            errors.write(row.line, item.problems)
    unreadable = [(row.line, row.problem) for row in batch if row.problem is not None]
    for line, problem in unreadable:
        errors.write(line, [problem])
        summary.problems[f"{problem.field}: {problem.code}"] += 1
    summary.problems.update(result.count_problems())
    summary.rows += len(batch)
    summary.created += result.created
    summary.updated += result.updated
    summary.unchanged += result.unchanged
    summary.rejected += result.rejected + len(unreadable)


def build_review(row: FeedRow, columns: Mapping[str, str], fingerprint_counts: Counter[str]) -> dict[str, Any]:
    item = {name: row.fields[column] for name, column in columns.items() if column in row.fields}
    if not item.get("review_id"):
        content = "\x1f".join(f"{name}={item[name]}" for name in sorted(item) if name != "review_id")
        fingerprint = blake2b(content.encode(errors="replace"), digest_size=12).hexdigest()
        fingerprint_counts[fingerprint] += 1
        # two reviews can have the same content; they are numbered in file order, which is the same in every import
        item["review_id"] = f"import-{fingerprint}-{fingerprint_counts[fingerprint]}"
    return item
