"""Chooses the products and claims the coupon codes of a chunk of recipients."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from recommendations.engine.placements import PLACEMENTS, PlacementInput
from recommendations.messaging.compilation.product_rows import EVENT, MessageProductRow
from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.rendering.compiled_template import CompiledTemplate
from recommendations.messaging.rendering.event_products import (
    get_products,
    list_available_cards,
    list_products,
    refresh_events,
)
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
    recipients = refresh_events(recipients, is_transactional=compiled.is_transactional, now=now)
    choices = {
        customer_id: MessageChoices(event_products=get_products(recipient.event))
        for customer_id, recipient in recipients.items()
    }
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
    codes = claim_codes(pool_keys=compiled.coupon_pools, deliveries=claimants, now=now)
    for delivery_id, customer_id in claimants.items():
        coupons = codes.get(delivery_id, {})
        if len(coupons) == len(compiled.coupon_pools):
            choices[customer_id].coupons = coupons
        else:
            choices[customer_id].skip_reason = COUPONS_USED_UP
    return choices


def choose_products(
    row: MessageProductRow, recipient: Recipient, *, now: datetime, exclude: list[str] | None = None
) -> ChosenRow:
    """Return the products of a row for one recipient; none of `exclude`, so that rows do not repeat each other.

    The event of the recipient must be up to date: see `refresh_events`.
    """
    hidden = [*(exclude or []), *list_event_product_ids(recipient)]
    if row.placement == EVENT:
        products = ChosenRow(list_available_cards(recipient.event)[: row.n])
    else:
        products = _recommend(row.placement, row, recipient, now=now, exclude=hidden, is_filtered=True)
    if not products.cards and row.fallback == POPULAR:
        products = _recommend(POPULAR, row, recipient, now=now, exclude=hidden, is_filtered=False)
    return products


def list_event_product_ids(recipient: Recipient) -> list[str]:
    return [str(product["product_id"]) for product in list_products(recipient.event)]


def _recommend(
    placement: str,
    row: MessageProductRow,
    recipient: Recipient,
    *,
    now: datetime,
    exclude: list[str],
    is_filtered: bool,
) -> ChosenRow:
    product_ids = list_event_product_ids(recipient)
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
