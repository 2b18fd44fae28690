"""Imports a file of product vectors into the catalog, batch by batch."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from catalog.bulk_results import BulkResult
from catalog.feeds.error_file import ErrorFile
from catalog.feeds.feed_file import FeedError
from catalog.feeds.vector_files import read_vectors
from catalog.models import ProductVector
from catalog.vectors import InvalidVectorNameError, clean_vector_name, upsert_vectors
from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.progress import Progress, ignore_progress


@dataclass
class VectorImportResult:
    """The counts of one import of vectors."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    error_file: str = ""

    def add(self, result: BulkResult) -> None:
        self.rows += len(result.results)
        self.created += result.created
        self.updated += result.updated
        self.unchanged += result.unchanged
        self.rejected += result.rejected
        self.problems.update(result.count_problems())


def import_vectors(
    *,
    path: Path,
    name: str,
    started_at: datetime,
    dry_run: bool = False,
    replace: bool = False,
    progress: Progress = ignore_progress,
) -> VectorImportResult:
    """Import all vectors of a file in one transaction.

    A second import of the same file changes nothing.

    Args:
        name: what the vectors describe, such as ``image``.
        replace: delete the existing vectors of that name first; needed when another model made them.

    Raises:
        FeedError: the file cannot be read, or the name is not valid.
        AlreadyRunningError: another import is running.
    """
    try:
        name = clean_vector_name(name)
    except InvalidVectorNameError as error:
        raise FeedError(str(error)) from error
    summary = VectorImportResult()
    errors_at = Path(settings.EXPORTS_DIR) / "imports" / f"vectors-{started_at:%Y%m%d-%H%M%S}.csv"
    with exclusive_lock("catalog.import_vectors"), ErrorFile(errors_at) as errors, transaction.atomic():
        total, batches = read_vectors(path)
        if not total:
            raise FeedError(_("%(file)s has no vectors.") % {"file": path.name})
        if replace:
            ProductVector.objects.filter(name=name).delete()
        seen_ids: set[str] = set()
        for batch in batches:
            result = upsert_vectors(
                name=name, items=[(row.product_id, row.vector) for row in batch], at=started_at, seen_ids=seen_ids
            )
            for row, item in zip(batch, result.results, strict=True):
                if item.problems:
                    errors.write(row.line, item.problems)
            summary.add(result)
            progress(summary.rows, total)
        summary.error_file = str(errors.path) if errors.exists else ""
        if dry_run:
            transaction.set_rollback(True)
    return summary
