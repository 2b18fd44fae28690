"""Interactions since the training have the same weight in the next response as in the training."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
import redis

from customers.events.models import Event
from customers.events.recent.interactions import RecentActivity, RecentInteraction
from customers.orders.models import OrderLine
from customers.warehouse.export import export_warehouse
from recommendations.engine import KINDS
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.compiled_blends import CompiledBlends
from recommendations.serving.state.loader import StateLoader
from recommendations.serving.state.settings import DEFAULT_CONFIGS, PlacementConfig
from recommendations.training.models import ModelVersion
from recommendations.training.registry.incremental_update import refresh_active_version
from tests.makers import NOON, make_source
from tests.recommendations.trainings import train_once

NAMES = {"view": "Product Viewed", "wishlist": "Product Added to Wishlist", "cart": "Product Added"}
LATER = NOON + timedelta(hours=2)


def make_event(kind: str, user_id: str, product_id: str, at: datetime) -> Event:
    return Event(
        source=make_source(), message_id=f"{kind}/{user_id}/{product_id}/{at.isoformat()}", type="track", name=NAMES[kind],
        occurred_at=at, received_at=at, product_ids=[product_id], user_id=user_id, properties={},
    )  # fmt: skip


@pytest.fixture
def trained_with_events(shop: None) -> ModelVersion:
    """The shop with a view two days before every purchase, and a cart and a wishlist event two hours before every third one."""
    events = []
    lines = OrderLine.objects.select_related("order", "product").order_by("order__placed_at", "line_number")
    for number, line in enumerate(lines.filter(order__placed_at__gt=NOON - timedelta(weeks=12))):
        customer = line.order.order_id.split("/")[0]
        pair = (f"user-{customer}", line.product.product_id)
        events.append(make_event("view", *pair, line.order.placed_at - timedelta(days=2)))
        if number % 3 == 0:
            events.append(make_event("cart", *pair, line.order.placed_at - timedelta(hours=2)))
            events.append(make_event("wishlist", *pair, line.order.placed_at - timedelta(hours=2)))
    Event.objects.bulk_create(events)
    export_warehouse(started_at=NOON)
    return train_once("events")


def test_a_fresh_event_has_the_trained_weight_of_its_type(
    trained_with_events: ModelVersion, loader: StateLoader
) -> None:
    trained = EventWeights(**trained_with_events.parameters["weighing"])
    run = trained_with_events.evaluations.get()
    assert {"view", "cart", "wishlist", "purchase"} <= set(run.interactions_by_kind["all"])
    model = loader.get_state(now=NOON).model
    users = model.find_user_rows(["user_id:user-0"])
    fresh = [
        RecentInteraction("coffee-0", kind, NOON.timestamp() + second)
        for second, kind in enumerate(("view", "wishlist", "cart", "purchase"))
    ]
    before, after = model.build_history(users=users, recent=[]), model.build_history(users=users, recent=fresh)
    weighted = [interaction for interaction in fresh if trained.kinds[interaction.kind] > 0]
    weights = after.weight[len(before.item) :]
    expected = [trained.kinds[interaction.kind] for interaction in weighted]
    assert weights.tolist() == pytest.approx(expected)
    assert [KINDS[code] for code in after.kind[len(before.item) :]] == [interaction.kind for interaction in weighted]


def test_an_event_has_the_same_weight_before_and_after_a_refresh(
    trained_with_events: ModelVersion, loader: StateLoader
) -> None:
    at = NOON + timedelta(hours=1)
    kinds = ("view", "wishlist", "cart")
    fresh = [RecentInteraction("coffee-0", kind, at.timestamp() + second) for second, kind in enumerate(kinds)]
    model = loader.get_state(now=NOON).model
    users = model.find_user_rows(["user_id:user-0"])
    unrefreshed = model.build_history(users=users, recent=fresh)
    Event.objects.bulk_create(
        make_event(kind, "user-0", "coffee-0", at + timedelta(seconds=second)) for second, kind in enumerate(kinds)
    )
    export_warehouse(started_at=LATER)
    refresh_active_version(as_of=LATER)
    loader.refresh(now=LATER)
    refreshed = loader.get_state(now=LATER).model.build_history(users=users, recent=[])
    for name in ("item", "kind", "order"):
        np.testing.assert_array_equal(getattr(refreshed, name), getattr(unrefreshed, name))
    np.testing.assert_allclose(refreshed.weight, unrefreshed.weight)


def test_a_visit_without_scores_from_the_trained_weights_is_scored_by_the_visit_ensemble(
    trained: ModelVersion, loader: StateLoader, valkey: redis.Redis
) -> None:
    state = loader.get_state(now=NOON)
    model = state.model
    assert model is not None
    popularity = WeightedEnsemble.of_fitted(
        model.blend.components_, {name: float(name == "popularity") for name in model.blend.components_}
    )
    model = replace(model, blend=popularity)
    # without the positions of the current visit, which everyone gets, and without a limit of purchased products
    config = PlacementConfig(FOR_YOU, visit_share=0.0, max_purchased_share=1.0)
    placements = replace(DEFAULT_CONFIGS, by_name={**DEFAULT_CONFIGS.by_name, FOR_YOU: config})
    blends = CompiledBlends.compile(model=model, placements=placements, n=state.products.n)
    blends = replace(blends, visit_positions=0)
    loader.state = replace(state, model=model, blends=blends, placements=placements)
    loader.has_refresh_thread = True  # which would replace this state
    viewed = RecentActivity([RecentInteraction("coffee-2", "view", NOON.timestamp() + 60)])

    def list_products(activity: RecentActivity, **visitor: str) -> list[str]:
        answer = recommend(
            request=RecommendationRequest("for-you", n=3, **visitor), now=NOON, source=loader, activity=activity
        )
        return [item.product_id for item in answer.items]

    assert all(name.startswith("coffee") for name in list_products(viewed, anonymous_id="visitor"))
    popular = recommend(request=RecommendationRequest("popular", n=3), now=NOON, source=loader)
    assert list_products(viewed, user_id="user-0") == [item.product_id for item in popular.items], "user-0 has bought"
