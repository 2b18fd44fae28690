"""Order files given through the back office: kept, tried without effect first, then imported."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import get_valid_filename

from config.foundation.progress import Progress
from customers.events.models import Source
from customers.orders.imports.file_import import import_orders
from customers.orders.models import OrderImport

# what a web request may read while somebody waits; more goes to a worker
LARGE = 5 * 1024 * 1024
KEPT = timedelta(days=7)
PROGRESS_SECONDS = 24 * 3600


def uploads_dir() -> Path:
    return Path(settings.EXPORTS_DIR) / "order-uploads"


def keep_upload(*, file: UploadedFile, source: Source, options: dict[str, Any], at: datetime) -> OrderImport:
    """Stores an uploaded file and makes the record of its dry run, which is still to be done."""
    name = (file.name or "orders")[-200:]
    path = uploads_dir() / f"{uuid.uuid4().hex}-{get_valid_filename(name)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as kept:
        for chunk in file.chunks():
            kept.write(chunk)
    return OrderImport.objects.create(
        file_name=name, source=source, dry_run=True, started_at=at, upload=path.name, options=options
    )


def upload_path(run: OrderImport) -> Path:
    return uploads_dir() / run.upload


def is_large(run: OrderImport) -> bool:
    return upload_path(run).stat().st_size > LARGE


def can_confirm(run: OrderImport) -> bool:
    """Whether a dry run was read to its end and its file is still there."""
    done = run.dry_run and run.finished_at is not None and not run.error
    return done and bool(run.upload) and upload_path(run).is_file()


def confirm_upload(*, tried: OrderImport, at: datetime) -> OrderImport:
    """The record of the real import that follows a dry run."""
    return OrderImport.objects.create(
        file_name=tried.file_name,
        source=tried.source,
        dry_run=False,
        started_at=at,
        upload=tried.upload,
        options=tried.options,
    )


def run_upload(*, run: OrderImport) -> OrderImport:
    """Imports an uploaded file as its record says; called again after a crash it completes the import."""
    if run.finished_at is not None:
        return run
    name = run.file_name
    done = import_orders(
        path=upload_path(run),
        source=run.source,
        started_at=run.started_at,
        dry_run=run.dry_run,
        run=run,
        file_name=name,
        progress=note_progress(run),
        **run.options,
    )
    if not run.dry_run:
        upload_path(run).unlink(missing_ok=True)
    return done


def note_progress(run: OrderImport) -> Progress:
    """Tells the record's page how far the import is, every hundredth."""
    shown = -1

    def note(done: int, total: int) -> None:
        nonlocal shown
        share = done * 100 // max(1, total)
        if share > shown:
            shown = share
            cache.set(progress_key(run), share, PROGRESS_SECONDS)

    return note


def progress_key(run: OrderImport) -> str:
    return f"order-import:{run.pk}"


def read_progress(run: OrderImport) -> int | None:
    """How many hundredths of a running import are done; None where nobody knows."""
    return None if run.finished_at or run.error else cache.get(progress_key(run))


def delete_old_uploads(*, at: datetime) -> int:
    """Deletes uploads that nobody confirmed within a week."""
    if not uploads_dir().is_dir():
        return 0
    oldest = (at - KEPT).timestamp()
    old = [path for path in uploads_dir().iterdir() if path.is_file() and path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
