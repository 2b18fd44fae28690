"""Feeds given through the back office: kept as a file, tried without effect first, then imported."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import get_valid_filename

from catalog.feeds.product_import import FeedOptions, Missing, import_feed
from catalog.models import FeedImport

# what a web request may read while somebody waits; more goes to a worker
LARGE = 5 * 1024 * 1024
KEPT = timedelta(days=7)


def uploads_dir() -> Path:
    return Path(settings.EXPORTS_DIR) / "uploads"


def keep_upload(*, file: UploadedFile, options: FeedOptions, at: datetime) -> FeedImport:
    """Stores an uploaded feed and makes the record of its dry run, which is still to be done."""
    name = (file.name or "feed")[-200:]
    path = uploads_dir() / f"{uuid.uuid4().hex}-{get_valid_filename(name)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as kept:
        for chunk in file.chunks():
            kept.write(chunk)
    return FeedImport.objects.create(
        file_name=name,
        format=options.format or "",
        dry_run=True,
        started_at=at,
        upload=path.name,
        options=as_json(options),
    )


def as_json(options: FeedOptions) -> dict[str, Any]:
    return {
        "currency": options.currency,
        "format": options.format,
        "encoding": options.encoding,
        "missing": options.missing.value,
        "force": options.force,
    }


def upload_path(record: FeedImport) -> Path:
    return uploads_dir() / record.upload


def is_large(record: FeedImport) -> bool:
    return upload_path(record).stat().st_size > LARGE


def can_confirm(record: FeedImport) -> bool:
    """Whether a dry run was read to its end and its file is still there."""
    done = record.dry_run and record.finished_at is not None and not record.error
    return done and bool(record.upload) and upload_path(record).is_file()


def confirm_upload(*, tried: FeedImport, at: datetime) -> FeedImport:
    """The record of the real import that follows a dry run."""
    return FeedImport.objects.create(
        file_name=tried.file_name,
        format=tried.format,
        dry_run=False,
        started_at=at,
        upload=tried.upload,
        options=tried.options,
    )


def run_upload(*, record: FeedImport) -> FeedImport:
    """Imports an uploaded feed as its record says; called again after a crash it completes the import."""
    options = FeedOptions(**{**record.options, "missing": Missing(record.options["missing"])})
    done = import_feed(
        path=upload_path(record), options=options, started_at=record.started_at, dry_run=record.dry_run, record=record
    )
    if not record.dry_run:
        upload_path(record).unlink(missing_ok=True)
    return done


def delete_old_uploads(*, at: datetime) -> int:
    """Deletes uploads that nobody confirmed within a week."""
    if not uploads_dir().is_dir():
        return 0
    oldest = (at - KEPT).timestamp()
    old = [path for path in uploads_dir().iterdir() if path.is_file() and path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
