"""Chooses the products and claims the coupon codes of a chunk of recipients."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from recommendations.engine.placements import PLACEMENTS, PlacementInput
from recommendations.messaging.compilation.product_rows import EVENT, MessageProductRow
from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.rendering.compiled_template import CompiledTemplate
from recommendations.messaging.substitution.choices import COUPONS_USED_UP, NO_CONTENT, MessageChoices
from recommendations.messaging.substitution.recipients import Recipient
from recommendations.serving.expressions.parsing import parse_filter
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.product_index import ProductCard

POPULAR = "popular"


class ChosenRow(NamedTuple):
    """The products of a row. recommendation_id: of the response they come from; "" for the products of the event."""

    cards: list[ProductCard]
    recommendation_id: str = ""


def choose(
    compiled: CompiledTemplate,
    recipients: Mapping[int, Recipient],
    *,
    now: datetime,
    deliveries: Mapping[int, int],
) -> dict[int, MessageChoices]:
    """Return the choices of each recipient by customer ID.

    A message whose `skip_reason` is set must not be sent. Coupon codes are claimed once per delivery: a repeated call with the same
    delivery returns the same codes. Recipients without a delivery, as in previews, get no codes.
    """
    choices = {customer_id: MessageChoices() for customer_id in recipients}
    for customer_id, recipient in recipients.items():
        shown: list[str] = []
        for row in compiled.product_rows:
            cards, recommendation_id = choose_products(row, recipient, now=now, exclude=shown)
            shown += [card.product_id for card in cards]
            choices[customer_id].products[row.key] = cards
            if recommendation_id and cards:
                choices[customer_id].recommendations[row.key] = recommendation_id
            if not cards and row.fallback == "skip":
                choices[customer_id].skip_reason = NO_CONTENT
    claimants = {
        deliveries[customer_id]: customer_id
        for customer_id, choice in choices.items()
        if customer_id in deliveries and not choice.skip_reason
    }
    for pool in compiled.coupon_pools:
        codes = claim_codes(pool_key=pool, deliveries=claimants, now=now)
        for delivery_id, customer_id in claimants.items():
            if code := codes.get(delivery_id):
                choices[customer_id].coupons[pool] = code
            else:
                choices[customer_id].skip_reason = COUPONS_USED_UP
    return choices


def choose_products(
    row: MessageProductRow, recipient: Recipient, *, now: datetime, exclude: list[str] | None = None
) -> ChosenRow:
    """Return the products of a row for one recipient; none of `exclude`, so that rows do not repeat each other."""
    about = read_event_products(recipient.event)
    if row.placement == EVENT:
        return ChosenRow(about[: row.n])
    hidden = [*(exclude or []), *(card.product_id for card in about)]
    products = _recommend(row.placement, row, recipient, now=now, exclude=hidden, is_filtered=True)
    if not products.cards and row.fallback == POPULAR:
        products = _recommend(POPULAR, row, recipient, now=now, exclude=hidden, is_filtered=False)
    return products


def _recommend(
    placement: str,
    row: MessageProductRow,
    recipient: Recipient,
    *,
    now: datetime,
    exclude: list[str],
    is_filtered: bool,
) -> ChosenRow:
    product_ids = [card.product_id for card in read_event_products(recipient.event)]
    if PLACEMENTS[placement].start == PlacementInput.PRODUCTS and not product_ids:
        return ChosenRow([])
    request = RecommendationRequest(
        scenario=placement,
        user_id=recipient.user_id,
        personalised=recipient.is_personalized,
        n=row.n,
        product_ids=product_ids,
        filter=parse_filter(row.filter) if row.filter and is_filtered else None,
        exclude=exclude,
        explain=False,
    )
    response = recommend(request=request, now=now, has_deadline=False)
    return ChosenRow([item.card for item in response.items if item.card is not None], response.recommendation_id)


def read_event_products(event: Mapping[str, Any]) -> list[ProductCard]:
    """Return the products of an event: `products`, or `product`, as flows describe them."""
    described = event.get("products") or [event.get("product")]
    if not isinstance(described, list):
        return []
    return [read_card(product) for product in described if isinstance(product, dict) and product.get("product_id")]


def read_card(product: Mapping[str, Any]) -> ProductCard:
    """Return the card of a product of an event; what is missing is empty."""
    texts = {
        name: str(product.get(name) or "") for name in ("title", "currency", "image_url", "url", "brand", "category")
    }
    return ProductCard(product_id=str(product["product_id"]), price=read_price(product.get("price")), **texts)


def read_price(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)) if value not in (None, "") else None
    except InvalidOperation:
        return None
