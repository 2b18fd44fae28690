"""How long deliveries to destinations are kept."""

from django.db.models import Q
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention

RECORDS = AgedRows("destinations.OutgoingRecord", "created_at", ~Q(status="waiting"))
BATCHES = AgedRows("destinations.DestinationBatch", "created_at", ~Q(status="waiting"))

register_retention(
    RetentionKind(
        key="destination_records",
        label=gettext_lazy("Data sent to destinations"),
        note=gettext_lazy(
            "References without content. As long as they are kept, an erasure is passed on to the destinations that have "
            "received the customer's data."
        ),
        default_days=730,
        min_days=90,
        preview=RECORDS.preview,
        purge=RECORDS.purge,
        order=66,
    ),
    RetentionKind(
        key="destination_deliveries",
        label=gettext_lazy("Deliveries to destinations"),
        note=gettext_lazy("Counts and errors of each request."),
        default_days=90,
        min_days=7,
        preview=BATCHES.preview,
        purge=BATCHES.purge,
        order=67,
    ),
)
