"""Products that a placement shows at the moment, for an example visitor or product."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils.translation import gettext as _

from catalog.categories import format_path
from customers.identity.models import Identifier
from customers.orders.models import Order
from recommendations.engine.placements import PLACEMENTS, POPULAR, PlacementInput
from recommendations.placement_labels import get_placement_label
from recommendations.serving.pipeline.fallback import RULES
from recommendations.serving.recommend import recommend
from recommendations.serving.request import InvalidRequestError, RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state.loader import StateLoader, loader
from recommendations.serving.state.product_index import ProductCard

SAMPLE_SIZE = 6
NEWEST_ORDERS = 50


class MissingStartProductError(Exception):
    """A placement that is based on products has none to start from; the message says what to do."""


@dataclass(frozen=True)
class PlacementSample:
    """What a placement shows: products, or the names of categories.

    start: the product that it starts from, if any. is_for_customer: for a customer with a recent order. fallback: the placement that
    filled it, "" if it did so itself; fallback_reason: why. hidden_text: that rules hide everything; "" if they
    do not. empty_text: another reason why there are no products; "" if none is known.
    """

    products: list[ProductCard]
    categories: list[str] = field(default_factory=list)
    start: ProductCard | None = None
    is_for_customer: bool = False
    fallback: str = ""
    hidden_text: str = ""
    empty_text: str = ""
    fallback_reason: str = ""


def find_recent_customer() -> str:
    """Return the user ID of a customer with a recent order; "" without one. The ID is shown nowhere."""
    customers = list(
        Order.objects.filter(customer__isnull=False)
        .order_by("-placed_at")
        .values_list("customer_id", flat=True)[:NEWEST_ORDERS]
    )
    names = dict(
        Identifier.objects.filter(customer__in=customers, kind=Identifier.Kind.USER_ID).values_list(
            "customer_id", "value"
        )
    )
    return next((names[customer] for customer in customers if customer in names), "")


def build_samples(*, now: datetime, source: StateLoader = loader) -> dict[str, PlacementSample]:
    """Return an example of every placement. Placements that start from a product, such as similar products, start from the best seller."""
    popular = recommend_popular(n=SAMPLE_SIZE, now=now, source=source)
    best_seller = list_best_seller(popular)
    user_id = find_recent_customer()
    samples = {}
    for name, placement in PLACEMENTS.items():
        is_personal = placement.start == PlacementInput.HISTORY
        start = best_seller if placement.start == PlacementInput.PRODUCTS else []
        request = RecommendationRequest(
            name, user_id=user_id if is_personal else "", product_ids=start, n=SAMPLE_SIZE, explain=False
        )
        response = popular if name == POPULAR else get_response(request, now=now, source=source)
        samples[name] = describe_response(response, start=start, is_for_customer=is_personal and bool(user_id))
    return samples


def recommend_popular(*, n: int, now: datetime, source: StateLoader) -> RecommendationResponse | None:
    return get_response(RecommendationRequest(POPULAR, n=n, explain=False), now=now, source=source)


def list_best_seller(popular: RecommendationResponse | None) -> list[str]:
    """Return the product ID of the best seller; empty if the catalog has no products to show."""
    return [item.product_id for item in popular.items[:1]] if popular is not None else []


def add_start_product(
    request: RecommendationRequest, *, now: datetime, source: StateLoader = loader
) -> tuple[RecommendationRequest, str]:
    """Return the request of a preview, and a note if it has no products and its placement needs some.

    It then starts from the best seller, as on the page of placements.

    Raises:
        MissingStartProductError: there is no best seller.
    """
    if PLACEMENTS[request.scenario].start != PlacementInput.PRODUCTS or request.product_ids:
        return request, ""
    names = {"placement": get_placement_label(request.scenario)}
    popular = recommend_popular(n=1, now=now, source=source)
    product_ids = list_best_seller(popular)
    if popular is None or not product_ids:
        raise MissingStartProductError(
            _(
                "“%(placement)s” is based on products, and there is no best seller to start from. Choose one in “Products”."
            )
            % names
        )
    card = popular.items[0].card
    title = card.title if card is not None else product_ids[0]
    note = _(
        "“%(placement)s” is based on products. None is chosen in “Products”, so this is for the best seller, %(title)s."
    )
    return replace(request, product_ids=product_ids), note % {**names, "title": title}


def get_response(
    request: RecommendationRequest, *, now: datetime, source: StateLoader
) -> RecommendationResponse | None:
    """Return the response; None if there is no product to start from."""
    try:
        return recommend(request=request, now=now, source=source, has_deadline=False)
    except InvalidRequestError:
        return None


def describe_response(
    response: RecommendationResponse | None, *, start: Sequence[str], is_for_customer: bool
) -> PlacementSample:
    if response is None:
        return PlacementSample([])
    products = [item.card for item in response.items if item.card is not None]
    categories = [format_path(entry.category) for entry in response.categories or []][:SAMPLE_SIZE]
    index = response.state.products if response.state is not None else None
    row = int(index.find_rows(list(start))[0]) if index is not None and start else -1
    start_card = index.cards[row] if index is not None and row >= 0 else None
    reason = response.empty_reason
    text = reason.text if reason is not None else ""
    hidden_text, empty_text = (text, "") if reason is not None and reason.code == RULES else ("", text)
    return PlacementSample(
        products,
        categories,
        start_card,
        is_for_customer,
        response.fallback or "",
        hidden_text,
        empty_text,
        response.fallback_reason or "",
    )
