"""Uploads of order files: tried as a dry run, then imported after confirmation."""

from datetime import datetime
from typing import Any

from django.core.files.uploadedfile import UploadedFile

from config.foundation.progress import PublishedProgress, read_published_progress
from config.foundation.uploads import UploadFolder
from customers.events.models import Source
from customers.orders.imports.file_import import import_orders
from customers.orders.models import OrderImport

ORDER_UPLOADS = UploadFolder("order-uploads", "orders")


def create_dry_run(*, file: UploadedFile, source: Source, options: dict[str, Any], at: datetime) -> OrderImport:
    """Store an uploaded file and return the record of its dry run, which the caller starts."""
    return ORDER_UPLOADS.create_dry_run(OrderImport, file=file, options=options, at=at, source=source)


def import_upload(*, run: OrderImport) -> OrderImport:
    """Import the uploaded file of a record; a second call after a crash completes the import."""
    if run.finished_at is not None:
        return run
    imported = import_orders(
        path=ORDER_UPLOADS.get_path(run),
        source=run.source,
        started_at=run.started_at,
        dry_run=run.dry_run,
        run=run,
        file_name=run.file_name,
        progress=PublishedProgress(get_progress_key(run)),
        **run.options,
    )
    ORDER_UPLOADS.delete_imported(run)
    return imported


def get_progress_key(run: OrderImport) -> str:
    return f"order-import:{run.pk}"


def read_progress(run: OrderImport) -> int | None:
    """Return the percentage done of a running import; None when it ended or nothing is known."""
    return None if run.finished_at or run.error else read_published_progress(get_progress_key(run))
