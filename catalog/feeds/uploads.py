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
    return FEED_UPLOADS.create_dry_run(
        FeedImport, file=file, options=asdict(options), at=at, format=options.format or ""
    )


def import_upload(*, record: FeedImport) -> FeedImport:
    """Import the uploaded feed of a record; a second call after a crash completes the import."""
    options = FeedOptions(**{**record.options, "missing": MissingProducts(record.options["missing"])})
    finished = import_feed(
        path=FEED_UPLOADS.get_path(record),
        options=options,
        started_at=record.started_at,
        dry_run=record.dry_run,
        record=record,
    )
    FEED_UPLOADS.delete_imported(record)
    return finished
