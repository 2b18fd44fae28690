"""Chooses the products and claims the coupon codes of a chunk of recipients."""

from collections.abc import Mapping
from datetime import datetime

from recommendations.messaging.compilation.product_rows import MessageProductRow
from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.rendering.compiled_template import CompiledTemplate
from recommendations.messaging.substitution.choices import COUPONS_USED_UP, NO_CONTENT, MessageChoices
from recommendations.messaging.substitution.recipients import Recipient
from recommendations.serving.expressions.parsing import parse_filter
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.product_index import ProductCard

POPULAR = "popular"


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
            cards = choose_products(row, recipient, now=now, exclude=shown)
            shown += [card.product_id for card in cards]
            choices[customer_id].products[row.key] = cards
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
) -> list[ProductCard]:
    """Return the products of a row for one recipient; none of `exclude`, so that rows do not repeat each other."""
    cards = _recommend(row.placement, row, recipient, now=now, exclude=exclude or [], is_filtered=True)
    if not cards and row.fallback == POPULAR:
        cards = _recommend(POPULAR, row, recipient, now=now, exclude=exclude or [], is_filtered=False)
    return cards


def _recommend(
    placement: str,
    row: MessageProductRow,
    recipient: Recipient,
    *,
    now: datetime,
    exclude: list[str],
    is_filtered: bool,
) -> list[ProductCard]:
    request = RecommendationRequest(
        scenario=placement,
        user_id=recipient.user_id,
        n=row.n,
        filter=parse_filter(row.filter) if row.filter and is_filtered else None,
        exclude=exclude,
        explain=False,
    )
    response = recommend(request=request, now=now, has_deadline=False)
    return [item.card for item in response.items if item.card is not None]
