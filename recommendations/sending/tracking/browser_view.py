"""A message as its page in the browser shows it, and product images that are chosen at that time."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from django.utils.html import escape

from recommendations.messaging.models import TemplateVersion
from recommendations.messaging.rendering import MessageChoices, Recipient, get_compiled, load_recipients
from recommendations.messaging.rendering.choosing import choose_products
from recommendations.sending.models import Delivery
from recommendations.sending.tracking.links import DeliveryLinks


@lru_cache(maxsize=1024)
def get_template_key(version_id: int) -> str:
    """Return the key of a version's template, which is the campaign of its links; versions never change their template."""
    return TemplateVersion.objects.values_list("template__key", flat=True).get(pk=version_id)


def build_links(delivery_id: int, channel: str, version_id: int) -> DeliveryLinks:
    return DeliveryLinks(delivery_id, channel, get_template_key(version_id))


def render_in_browser(
    delivery: Delivery,
    *,
    now: datetime,
    change_recipient: Callable[[Recipient], Recipient] = lambda recipient: recipient,
) -> str:
    """Return the HTML of a message with the products and codes that were sent; empty if it can no longer be shown."""
    try:
        compiled = get_compiled(delivery.template_version_id)
    except TemplateVersion.DoesNotExist:
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
        links=build_links(delivery.pk, delivery.channel, delivery.template_version_id),
        language=delivery.language or compiled.choose_language(recipient.language),
    )
    return rendered.html or f"<!DOCTYPE html><meta charset=utf-8><pre>{escape(rendered.text)}</pre>"


def find_product_image(delivery_id: int, place: str, *, now: datetime) -> str:
    """Return the URL of the image of a product for the customer now; empty if there is none. place: "row:index"."""
    key, _colon, index = place.rpartition(":")
    delivery = Delivery.objects.filter(pk=delivery_id).first()
    if delivery is None or not index.isdecimal():
        return ""
    compiled = get_compiled(delivery.template_version_id)
    row = next((row for row in compiled.product_rows if row.key == key), None)
    recipients = load_recipients([delivery.customer_id], fields=compiled.fields, as_of=now)
    if row is None or delivery.customer_id not in recipients:
        return ""
    cards = choose_products(row, recipients[delivery.customer_id], now=now)
    return (cards[int(index)].image_url or "") if int(index) < len(cards) else ""
