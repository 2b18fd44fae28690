"""How long rendered messages and the details of deliveries are kept."""

from django.db.models import Q
from django.utils.translation import gettext_lazy

from config.foundation.retention.aged_rows import AgedRows, SeveralParts
from config.foundation.retention.kinds import RetentionKind, register_retention
from recommendations.sending.models.deliveries import NO_DELIVERY_DETAILS, NO_EVENT_DETAILS

OUTBOX = AgedRows("sending.OutboxMessage", "created_at")
DETAILS = SeveralParts(
    (
        AgedRows(
            "sending.Delivery",
            "queued_at",
            ~Q(status="pending"),
            NO_DELIVERY_DETAILS,
        ),
        AgedRows("sending.DeliveryEvent", "at", cleared=NO_EVENT_DETAILS),
    )
)

register_retention(
    RetentionKind(
        key="rendered_messages",
        label=gettext_lazy("Messages in the outbox"),
        note=gettext_lazy("Their content is deleted. The record that a message was sent, opened or clicked is kept."),
        default_days=90,
        preview=OUTBOX.preview,
        purge=OUTBOX.purge,
        order=40,
    ),
    RetentionKind(
        key="delivery_details",
        label=gettext_lazy("Details of sent messages"),
        note=gettext_lazy(
            "Chosen products and coupons, the triggering event, clicked links and errors are removed. The delivery itself remains, because "
            "results of campaigns and frequency limits are computed from it."
        ),
        default_days=730,
        min_days=90,
        preview=DETAILS.preview,
        purge=DETAILS.purge,
        order=41,
    ),
)
