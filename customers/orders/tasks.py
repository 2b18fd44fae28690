"""Background tasks of orders."""

import logging

from celery import shared_task
from django.utils import timezone

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.orders.imports.file_import import ColumnMappingError, ImportOptionError, UnreadableOrderFileError
from customers.orders.imports.uploads import ORDER_UPLOADS, import_upload
from customers.orders.models import OrderImport

logger = logging.getLogger(__name__)


# Not an exclusive task, which would drop a second upload silently: the import takes the lock, and its record gets the error.
@shared_task
def import_orders_file(run_id: int) -> None:
    try:
        import_upload(run=OrderImport.objects.select_related("source").get(pk=run_id))
    except (UnreadableOrderFileError, ColumnMappingError, ImportOptionError, AlreadyRunningError) as error:
        logger.warning("Order import %s: %s", run_id, error)


@shared_task(exclusive=True)
def delete_expired_order_uploads() -> None:
    ORDER_UPLOADS.delete_expired(at=timezone.now())
