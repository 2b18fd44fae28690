"""What is thrown away when it is old: receipts and refused items."""

from datetime import datetime

from customers.events.models import EventReceipt, RejectedEvent


def purge_receipts(*, before: datetime) -> int:
    """Deletes receipts older than ``before``: from then on a retry of such an old message would be taken as new."""
    return EventReceipt.objects.filter(received_at__lt=before).delete()[0]


def purge_rejected_events(*, before: datetime) -> int:
    """Deletes refused items older than ``before``."""
    return RejectedEvent.objects.filter(received_at__lt=before).delete()[0]
