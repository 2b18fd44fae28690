"""Renders a sent message for its page in the browser."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from django.utils.html import escape

from recommendations.messaging.mjml.problems import SourceError
from recommendations.messaging.models import TemplateVersion
from recommendations.messaging.rendering import MessageChoices, Recipient, get_compiled, load_recipients
from recommendations.sending.models import Delivery
from recommendations.sending.tracking.links import DeliveryLinks
from recommendations.sending.tracking.origin_keys import find_origin_keys


@lru_cache(maxsize=1024)
def get_template_key(version_id: int) -> str:
    """Return the key of a version's template; versions never change their template."""
    return TemplateVersion.objects.values_list("template__key", flat=True).get(pk=version_id)


def build_links(delivery_id: int, channel: str, version_id: int, key: str = "") -> DeliveryLinks:
    """Return the links of a delivery. key: of its campaign or flow, for utm_campaign; "" for the key of the template."""
    return DeliveryLinks(delivery_id, channel, key or get_template_key(version_id))


def build_delivery_links(delivery: Delivery) -> DeliveryLinks:
    """Return the links of a stored delivery."""
    origin = delivery.origin_kind, delivery.origin_id
    key = find_origin_keys([origin]).get(origin, "")
    return build_links(delivery.pk, delivery.channel, delivery.template_version_id, key)


def render_in_browser(
    delivery: Delivery,
    *,
    now: datetime,
    change_recipient: Callable[[Recipient], Recipient] = lambda recipient: recipient,
) -> str:
    """Return the HTML of a message with the products and codes that were sent; empty if it can no longer be shown."""
    try:
        compiled = get_compiled(delivery.template_version_id)
    except (SourceError, TemplateVersion.DoesNotExist):  # a version may be older than a rule for sources
        return ""
    recipients = load_recipients(
        [delivery.customer_id],
        fields=compiled.fields,
        events={delivery.customer_id: delivery.event},
        as_of=delivery.sent_at or now,
    )
    recipient = recipients.get(delivery.customer_id)
    if recipient is None:
        return ""
    rendered = compiled.render(
        recipient=change_recipient(recipient),
        choices=MessageChoices.from_json(delivery.choices),
        links=build_delivery_links(delivery),
        language=delivery.language or compiled.choose_language(recipient.language),
    )
    return rendered.html or f"<!DOCTYPE html><meta charset=utf-8><pre>{escape(rendered.text)}</pre>"
