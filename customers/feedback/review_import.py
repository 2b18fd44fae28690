"""Reads reviews from a CSV or JSON Lines file, by column mapping."""

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
from catalog.feeds.feed_file import FeedError, detect_encoding, guess_format, open_text
from catalog.feeds.json_lines import read_json_lines
from catalog.feeds.row_mapping import Row, normalise_name
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import exclusive
from config.foundation.progress import Progress, no_progress
from customers.feedback.reviews import FIELDS, record_reviews

BATCH = 1000


@dataclass
class ReviewImport:
    """What a file held and what became of it."""

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
    progress: Progress = no_progress,
) -> ReviewImport:
    """Records the reviews of a file. A second import of the same file changes nothing.

    Args:
        mapping: review field to the file's column, for columns that have other names. Without ``review_id``
            a review is known by a fingerprint of its content.

    Raises:
        FeedError: the file cannot be read; nothing of it was taken.
        AlreadyRunningError: another import is under way.
    """
    columns = {name: normalise_name(mapping.get(name, name)) for name in FIELDS}
    if unknown := sorted(mapping.keys() - columns.keys()):
        raise FeedError(
            _("%(names)s: no field of a review. Known are %(known)s.")
            % {"names": ", ".join(unknown), "known": ", ".join(FIELDS)}
        )
    with exclusive("feedback.import_reviews"):
        encoding = detect_encoding(path, encoding)
        total = sum(1 for _row in read_rows(path, encoding, columns))
        if not total:
            raise FeedError(_("%(file)s has no reviews.") % {"file": path.name})
        done = ReviewImport()
        seen: Counter[str] = Counter()
        with ErrorFile(error_path(path, received_at)) as errors:
            for batch in batched(read_rows(path, encoding, columns), BATCH):
                take(batch, columns, seen, errors, done, received_at=received_at, dry_run=dry_run)
                progress(done.rows, total)
            done.error_file = errors.path if errors.exists else None
    return done


def error_path(path: Path, received_at: datetime) -> Path:
    return Path(settings.EXPORTS_DIR) / "imports" / f"reviews-{received_at:%Y%m%d-%H%M%S}-{path.stem[:50]}.csv"


def read_rows(path: Path, encoding: str, columns: Mapping[str, str]) -> Iterator[Row]:
    def check(found: list[str]) -> None:
        for name in ("product_id", "rating"):
            require_column(found, name, [columns[name]])

    form = guess_format(path, encoding)
    if form == FeedImport.Format.GOOGLE_XML:
        raise FeedError(_("%(file)s is XML. Give reviews as CSV or JSON Lines.") % {"file": path.name})
    with open_text(path, encoding) as stream:
        yield from read_json_lines(stream) if form == FeedImport.Format.JSONL else read_delimited(stream, check)


def take(
    batch: tuple[Row, ...],
    columns: Mapping[str, str],
    seen: Counter[str],
    errors: ErrorFile,
    done: ReviewImport,
    *,
    received_at: datetime,
    dry_run: bool,
) -> None:
    readable = [row for row in batch if row.problem is None]
    items = [build_review(row, columns, seen) for row in readable]
    result = record_reviews(items=items, received_at=received_at, dry_run=dry_run)
    for row, one in zip(readable, result.results, strict=True):
        if one.problems:
            errors.write(row.line, one.problems)
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


def build_review(row: Row, columns: Mapping[str, str], seen: Counter[str]) -> dict[str, Any]:
    item = {name: row.fields[column] for name, column in columns.items() if column in row.fields}
    if not item.get("review_id"):
        content = "\x1f".join(f"{name}={item[name]}" for name in sorted(item) if name != "review_id")
        fingerprint = blake2b(content.encode(errors="replace"), digest_size=12).hexdigest()
        seen[fingerprint] += 1
        # two people may say the very same; the second is the second in every import of the file
        item["review_id"] = f"import-{fingerprint}-{seen[fingerprint]}"
    return item
