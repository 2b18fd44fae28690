"""Products that are chosen when a message is opened: stored with the delivery, so that a click leads to the product that was shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from catalog.product_links import resolve_product_url
from recommendations.messaging.mjml.problems import SourceError
from recommendations.messaging.models import TemplateVersion
from recommendations.messaging.rendering import get_compiled, load_recipients
from recommendations.messaging.rendering.choosing import ChosenRow, choose_products
from recommendations.messaging.rendering.event_products import refresh_events
from recommendations.messaging.substitution.choices import cards_from_json, cards_to_json
from recommendations.sending.models import Delivery
from recommendations.sending.tracking.browser_view import build_delivery_links
from recommendations.sending.tracking.links import add_campaign_parameters
from recommendations.serving.state.product_index import ProductCard

KEPT = timedelta(
    minutes=10
)  # within this time, all images of a row, and an image that is loaded again, show the same choice


@dataclass(frozen=True)
class OpenedProduct:
    """A product that an image of a message shows."""

    card: ProductCard
    language: str


def choose_opened_product(delivery_id: int, place: str, *, now: datetime) -> OpenedProduct | None:
    """Return the product of a place "row:index"; if the products of the row were chosen more than ``KEPT`` ago, choose them again.

    Without recommendations it is the product that was chosen when the message was sent; None without one.
    """
    row, index = parse_place(place)
    with transaction.atomic():
        delivery = Delivery.objects.select_for_update().filter(pk=delivery_id).first()
        if delivery is None:
            return None
        opened = delivery.choices.get("opened", {}).get(row)
        if opened is None or datetime.fromisoformat(opened["at"]) < now - KEPT:
            cards, recommendation_id = choose_again(delivery, row, now=now)
            if cards:
                opened = {
                    "at": now.isoformat(),
                    "products": cards_to_json(cards),
                    "recommendation_id": recommendation_id,
                }
                delivery.choices["opened"] = {**delivery.choices.get("opened", {}), row: opened}
                delivery.save(update_fields=["choices"])
    card = find_shown_card(delivery, row, index)
    return OpenedProduct(card, delivery.language) if card else None


def choose_again(delivery: Delivery, row_key: str, *, now: datetime) -> ChosenRow:
    """Return the products of a row for the customer now; none if the customer no longer exists."""
    try:
        compiled = get_compiled(delivery.template_version_id)
    except (SourceError, TemplateVersion.DoesNotExist):
        return ChosenRow([])
    row = next((row for row in compiled.product_rows if row.key == row_key), None)
    recipients = load_recipients(
        [delivery.customer_id],
        fields=compiled.fields,
        events={delivery.customer_id: delivery.event},
        as_of=now,
    )
    if row is None or delivery.customer_id not in recipients:
        return ChosenRow([])
    recipients = refresh_events(recipients, is_transactional=compiled.is_transactional, now=now)
    others = [
        card.product_id
        for key, products in delivery.choices.get("products", {}).items()
        if key != row_key
        for card in cards_from_json(products)
    ]
    return choose_products(row, recipients[delivery.customer_id], now=now, exclude=others)


def build_opened_link(delivery_id: int, place: str) -> str:
    """Return the link to the product that a place shows; "" if it has none."""
    row, index = parse_place(place)
    delivery = Delivery.objects.filter(pk=delivery_id).first()
    card = find_shown_card(delivery, row, index) if delivery else None
    url = resolve_product_url(card.url, card.product_id) if card else ""
    if delivery is None or card is None or not url.startswith(("http://", "https://")):
        return ""
    links = build_delivery_links(delivery)
    return add_campaign_parameters(
        url, medium=links.channel, campaign=links.campaign, content=f"{row}:{card.product_id}"
    )


def find_shown_card(delivery: Delivery, row: str, index: int) -> ProductCard | None:
    """Return the product that a place shows: the one chosen at the last opening, else the one chosen at sending."""
    choices: dict[str, Any] = delivery.choices
    shown = choices.get("opened", {}).get(row, {}).get("products", [])
    for products in (shown, choices.get("products", {}).get(row, [])):
        if index < len(products):
            return cards_from_json([products[index]])[0]
    return None


def parse_place(place: str) -> tuple[str, int]:
    """Return row and index of "row:index", which only this server can sign."""
    row, _colon, index = place.rpartition(":")
    return row, int(index)
