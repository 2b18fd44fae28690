"""The messages panel of the customer page: what the customer got, what happened to it, and what was skipped and why."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_text
from recommendations.campaigns.models import CampaignRun
from recommendations.messaging.models import TemplateVersion
from recommendations.sending.models import Delivery

MAX_DELIVERIES = 50
BADGES = {
    Delivery.Status.SENT: "good",
    Delivery.Status.DELIVERED: "good",
    Delivery.Status.SKIPPED: "neutral",
    Delivery.Status.FAILED: "bad",
    Delivery.Status.BOUNCED: "bad",
    Delivery.Status.UNCERTAIN: "warns",
}


@dataclass(frozen=True)
class DeliveryLine:
    """A delivery as the panel shows it."""

    at: datetime
    origin: str
    origin_url: str
    channel: str
    outcome: str
    badge: str
    reason: str
    opened_at: datetime | None
    is_machine_open: bool
    clicked_at: datetime | None
    unsubscribed_at: datetime | None
    message_url: str


def list_deliveries(customer: Customer, as_of: datetime) -> list[DeliveryLine]:
    """Return the newest deliveries of a customer, in three queries."""
    deliveries = list(Delivery.objects.filter(customer_id=customer.pk).order_by("-id")[:MAX_DELIVERIES])
    run_ids = [delivery.origin_id for delivery in deliveries if delivery.origin_kind == Delivery.Kind.CAMPAIGN]
    runs = CampaignRun.objects.select_related("campaign").in_bulk(run_ids)
    versions = TemplateVersion.objects.select_related("template").in_bulk(
        {delivery.template_version_id for delivery in deliveries}
    )
    return [
        make_line(delivery, runs.get(delivery.origin_id), versions.get(delivery.template_version_id))
        for delivery in deliveries
    ]


def make_line(delivery: Delivery, run: CampaignRun | None, version: TemplateVersion | None) -> DeliveryLine:
    is_campaign = delivery.origin_kind == Delivery.Kind.CAMPAIGN and run is not None
    template = version.template.name if version else ""
    label = capfirst(delivery.get_origin_kind_display())
    was_sent = delivery.sent_at is not None
    return DeliveryLine(
        at=delivery.sent_at or delivery.due_at,
        origin=run.campaign.name if is_campaign and run else f"{label} · {template}" if template else label,
        origin_url=reverse("admin:campaigns_campaign_change", args=[run.campaign_id]) if is_campaign and run else "",
        channel=delivery.channel,
        outcome=capfirst(delivery.get_status_display()),
        badge=BADGES.get(Delivery.Status(delivery.status), "neutral"),
        reason=describe_reason(delivery),
        opened_at=delivery.opened_at or delivery.machine_opened_at,
        is_machine_open=delivery.opened_at is None and delivery.machine_opened_at is not None,
        clicked_at=delivery.clicked_at,
        unsubscribed_at=delivery.unsubscribed_at,
        message_url=make_message_url(delivery, version) if was_sent and version else "",
    )


def describe_reason(delivery: Delivery) -> str:
    """Return why the customer did not get the message; empty for one that was sent."""
    was_canceled = delivery.status == Delivery.Status.CANCELED and delivery.skip_reason != Delivery.SkipReason.CANCELED
    if delivery.status == Delivery.Status.SKIPPED or was_canceled:
        return capfirst(delivery.get_skip_reason_display())
    if delivery.status == Delivery.Status.PENDING and delivery.test_part == Delivery.TestPart.WAITING:
        return _("Waits for the winner of the A/B test.")
    if delivery.status == Delivery.Status.PENDING:
        return _("Waits until it is due.")
    # a mail server's reply contains the address; the page of the message shows it to users who may see it
    has_failed = delivery.status in (Delivery.Status.FAILED, Delivery.Status.UNCERTAIN)
    return mask_text(delivery.error)[:200] if has_failed else ""


def make_message_url(delivery: Delivery, version: TemplateVersion) -> str:
    """Return the page that shows the version that was sent, as this customer gets it."""
    try:
        url = reverse("message_templates:preview", args=[version.template_id])
    except NoReverseMatch:
        return ""
    return f"{url}?version={version.number}&customer={delivery.customer_id}"
