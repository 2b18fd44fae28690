"""Uploads of product feeds: tried as a dry run, then imported after confirmation."""

from dataclasses import asdict
from datetime import datetime

from django.core.files.uploadedfile import UploadedFile

from catalog.feeds.product_import import FeedOptions, MissingProducts, import_feed
from catalog.models import FeedImport
from config.foundation.uploads import UploadFolder

FEED_UPLOADS = UploadFolder("uploads", "feed")


def create_dry_run(*, file: UploadedFile, options: FeedOptions, at: datetime) -> FeedImport:
    """Store an uploaded feed and return the record of its dry run, which the caller starts."""
    stored = FEED_UPLOADS.store_file(file)
    return FeedImport.objects.create(
        file_name=stored.original_name,
        format=options.format or "",
        dry_run=True,
        started_at=at,
        upload=stored.stored_name,
        options=asdict(options),
    )


def create_confirmed_import(*, dry_run: FeedImport, at: datetime) -> FeedImport:
    """Return the record of the real import that follows a dry run."""
    return FeedImport.objects.create(
        file_name=dry_run.file_name,
        format=dry_run.format,
        dry_run=False,
        started_at=at,
        upload=dry_run.upload,
        options=dry_run.options,
    )


def import_upload(*, record: FeedImport) -> FeedImport:
    """Import an uploaded feed as its record says; a second call after a crash completes the import."""
    options = FeedOptions(**{**record.options, "missing": MissingProducts(record.options["missing"])})
    imported = import_feed(
        path=FEED_UPLOADS.get_path(record),
        options=options,
        started_at=record.started_at,
        dry_run=record.dry_run,
        record=record,
    )
    FEED_UPLOADS.delete_imported(record)
    return imported
