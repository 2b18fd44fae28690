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
from catalog.feeds.feed_file import FeedError, detect_encoding, detect_format, open_text
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.row_mapping import FeedRow, normalize_name
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import exclusive_lock
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
    encoding: str | None = None,
    dry_run: bool = False,
    progress: Progress = ignore_progress,
) -> ReviewImportResult:
    """Import the reviews of a file; a second import of the same file changes nothing.

    Args:
        mapping: field → column, for columns with other names. Without a ``review_id`` column, a review is identified by a
            hash of its content.

    Raises:
        FeedError: the file cannot be read; nothing was imported.
        AlreadyRunningError: another import is running.
    """
    columns = {name: normalize_name(mapping.get(name, name)) for name in FIELDS}
    if unknown := sorted(mapping.keys() - columns.keys()):
        raise FeedError(
            _("Unknown review fields: %(names)s; valid: %(known)s.")
            % {"names": ", ".join(unknown), "known": ", ".join(FIELDS)}
        )
    with exclusive_lock("feedback.import_reviews"):
        encoding = detect_encoding(path, encoding)
        total = sum(1 for _row in read_rows(path, encoding, columns))
        if not total:
            raise FeedError(_("%(file)s has no reviews.") % {"file": path.name})
        done = ReviewImportResult()
        seen: Counter[str] = Counter()
        with ErrorFile(build_error_path(path, received_at)) as errors:
            for batch in batched(read_rows(path, encoding, columns), BATCH_SIZE):
                import_batch(batch, columns, seen, errors, done, received_at=received_at, dry_run=dry_run)
                progress(done.rows, total)
            done.error_file = errors.path if errors.exists else None
    return done


def build_error_path(path: Path, received_at: datetime) -> Path:
    return Path(settings.EXPORTS_DIR) / "imports" / f"reviews-{received_at:%Y%m%d-%H%M%S}-{path.stem[:50]}.csv"


def read_rows(path: Path, encoding: str, columns: Mapping[str, str]) -> Iterator[FeedRow]:
    def check(found: list[str]) -> None:
        for name in ("product_id", "rating"):
            require_column(found, name, [columns[name]])

    form = detect_format(path, encoding)
    if form == FeedImport.Format.GOOGLE_XML:
        raise FeedError(_("%(file)s is XML; use CSV or JSON Lines for reviews.") % {"file": path.name})
    with open_text(path, encoding) as stream:
        yield from read_json_lines(stream) if form == FeedImport.Format.JSONL else read_delimited(stream, check)


def import_batch(
    batch: tuple[FeedRow, ...],
    columns: Mapping[str, str],
    seen: Counter[str],
    errors: ErrorFile,
    done: ReviewImportResult,
    *,
    received_at: datetime,
    dry_run: bool,
) -> None:
    readable = [row for row in batch if row.problem is None]
    items = [build_review(row, columns, seen) for row in readable]
    result = record_reviews(items=items, received_at=received_at, dry_run=dry_run)
    for row, item in zip(readable, result.results, strict=True):
        if item.problems:
            errors.write(row.line, item.problems)
    broken = [(row.line, row.problem) for row in batch if row.problem is not None]
    for line, problem in broken:
        errors.write(line, [problem])
        done.problems[f"{problem.field}: {problem.code}"] += 1
    done.problems.update(result.count_problems())
    done.rows += len(batch)
    done.created += result.created
    done.updated += result.updated
    done.unchanged += result.unchanged
    done.rejected += result.rejected + len(broken)


def build_review(row: FeedRow, columns: Mapping[str, str], seen: Counter[str]) -> dict[str, Any]:
    item = {name: row.fields[column] for name, column in columns.items() if column in row.fields}
    if not item.get("review_id"):
        content = "\x1f".join(f"{name}={item[name]}" for name in sorted(item) if name != "review_id")
        fingerprint = blake2b(content.encode(errors="replace"), digest_size=12).hexdigest()
        seen[fingerprint] += 1
        # two reviews can have the same content; they are numbered in file order, which is the same in every import
        item["review_id"] = f"import-{fingerprint}-{seen[fingerprint]}"
    return item
