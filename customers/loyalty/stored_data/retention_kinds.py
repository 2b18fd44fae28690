"""How long closed reservations of points are kept. The ledger and the level changes stay as long as the customer."""

from django.db.models import Q
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows
from config.foundation.retention.kinds import RetentionKind, register_retention

RESERVATIONS = AgedRows("loyalty.PointReservation", "created_at", ~Q(status="open"))

register_retention(
    RetentionKind(
        key="point_reservations",
        label=gettext_lazy("Reservations of loyalty points"),
        note=gettext_lazy("Closed reservations only. Spent points remain in the points ledger."),
        default_days=90,
        min_days=7,
        preview=RESERVATIONS.preview,
        purge=RESERVATIONS.purge,
        order=66,
    )
)
