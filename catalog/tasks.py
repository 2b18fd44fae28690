"""What a worker does for the catalogue."""

import logging

from celery import shared_task
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from catalog.feeds.uploads import delete_old_uploads, run_upload
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import AlreadyRunningError

logger = logging.getLogger(__name__)


# not exclusive as a task, which would drop a second upload without a word: the import itself is, and its record says so
@shared_task
def import_uploaded_feed(record_id: int) -> None:
    try:
        run_upload(record=FeedImport.objects.get(pk=record_id))
    except (FeedError, AlreadyRunningError) as error:
        logger.warning("Feed import %s: %s", record_id, error)


@shared_task(exclusive=True)
def tidy_uploads() -> None:
    delete_old_uploads(at=timezone.now())
