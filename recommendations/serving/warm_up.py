"""Answers a few requests before the first visitors arrive, so that they do not wait for kernels to be compiled or loaded."""

import logging
from dataclasses import replace
from datetime import datetime

from customers.events.recent.interactions import RecentActivity, RecentInteraction
from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.expressions.parsing import parse_boosts, parse_filter
from recommendations.serving.rank import RankRequest, rank_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.rest.response import encode_response
from recommendations.serving.state.loader import ServingState, StateLoader

MAX_PRODUCTS = 50
KINDS = ("view", "cart", "purchase")
logger = logging.getLogger(__name__)


class WarmUpSource(StateLoader):
    """Gives the same state to every request, without refreshing it."""

    def __init__(self, state: ServingState) -> None:
        super().__init__()
        self.state = state
        self.has_refresh_thread = True


def warm_up_requests(state: ServingState, now: datetime) -> None:
    """Answer one request of each placement and a ranking, for a customer of the model and for a visitor; record nothing."""
    product_ids = [id_ for id_, card in zip(state.products.product_ids, state.products.cards, strict=False) if card]
    product_ids = product_ids[:MAX_PRODUCTS]
    if state.model is None or not product_ids:
        return
    source = WarmUpSource(state)
    viewed = [
        RecentInteraction(id_, kind, now.timestamp() - 60.0 * number)
        for number, (id_, kind) in enumerate(zip(product_ids, KINDS, strict=False))
    ]
    name = state.model.identifiers.get_id(0) if len(state.model.identifiers) else ""
    customer = name.removeprefix("user_id:") if name.startswith("user_id:") else "warm-up"
    expression, boosts = parse_filter("price > 0"), parse_boosts("price > 1 ^ 1.5")
    for activity in (RecentActivity(viewed, names=[f"user_id:{customer}"]), RecentActivity(viewed, {product_ids[-1]})):
        for placement in PLACEMENTS:
            request = RecommendationRequest(placement, user_id=customer, product_ids=product_ids[:2], n=20)
            for variant in (request, replace(request, diversity=0.3, filter=expression, boost=boosts)):
                response = recommend(request=variant, now=now, source=source, activity=activity, has_deadline=False)
                encode_response(response)
        ranking = RankRequest(product_ids, user_id=customer)
        encode_response(rank_products(request=ranking, now=now, source=source, activity=activity))


def try_warm_up(state: ServingState, now: datetime) -> None:
    """Call `warm_up_requests`; a failure is logged, because real requests may succeed."""
    try:
        warm_up_requests(state, now)
    except Exception:
        logger.exception("The first requests after the start may be slow: the warm-up failed")
