"""Background tasks of the catalog."""

import logging

from celery import shared_task
from django.utils import timezone

from catalog.feeds.feed_file import FeedError
from catalog.feeds.uploads import FEED_UPLOADS, import_upload
from catalog.models import FeedImport
from config.foundation.database.advisory_locks import AlreadyRunningError

logger = logging.getLogger(__name__)


# Not an exclusive task, which would drop a second upload silently: the import takes the lock, and its record gets the error.
@shared_task
def import_uploaded_feed(record_id: int) -> None:
    try:
        import_upload(record=FeedImport.objects.get(pk=record_id))
    except (FeedError, AlreadyRunningError) as error:
        logger.warning("Feed import %s failed: %s", record_id, error)


@shared_task(exclusive=True)
def delete_expired_uploads() -> None:
    FEED_UPLOADS.delete_expired(at=timezone.now())
