"""What a worker does for orders."""

import logging

from celery import shared_task
from django.utils import timezone

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.orders.imports.file_import import ImportOptionError, MappingError, UnreadableFileError
from customers.orders.imports.uploads import delete_old_uploads, run_upload
from customers.orders.models import OrderImport

logger = logging.getLogger(__name__)


# not exclusive as a task, which would drop a second upload without a word: the import itself is, and its record says so
@shared_task
def import_orders_file(run_id: int) -> None:
    try:
        run_upload(run=OrderImport.objects.select_related("source").get(pk=run_id))
    except (UnreadableFileError, MappingError, ImportOptionError, AlreadyRunningError) as error:
        logger.warning("Order import %s: %s", run_id, error)


@shared_task(exclusive=True)
def tidy_order_uploads() -> None:
    delete_old_uploads(at=timezone.now())
