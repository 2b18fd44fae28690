"""How long the log of changes by imports is kept."""

from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention

CHANGES = AgedRows("orders.OrderChange", "changed_at")

register_retention(
    RetentionKind(
        key="order_changes",
        label=gettext_lazy("Changes of orders by imports"),
        note=gettext_lazy(
            "Order references with the type of change, kept until they are sent to destinations. The orders themselves are kept."
        ),
        default_days=90,
        min_days=7,
        preview=CHANGES.preview,
        purge=CHANGES.purge,
        order=65,
    ),
)
