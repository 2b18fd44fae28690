"""The demo's simulated recommendations: shown beside simulated visits, clicked in some of them, and followed by orders."""

from datetime import UTC, datetime, timedelta

import pytest

from config.clickstream.delivery import ensure_simulated_source
from config.demo.recommendations import load_recommendations
from customers.events.models import Event
from recommendations.serving.models import Impression, PerformanceDay
from tests.makers import make_customer, make_order, make_product

pytestmark = pytest.mark.django_db
VIEWS = 300


def test_simulated_visits_see_and_click_recommendations_once() -> None:
    now = datetime.now(UTC)
    products = [make_product(f"p{number}") for number in range(12)]
    ada = make_customer("ada")
    make_order(ada, products=products, placed_at=now - timedelta(days=60))
    source = ensure_simulated_source()
    Event.objects.bulk_create(
        Event(
            source=source, message_id=f"m{number}", type="track", name="Product Viewed", user_id="ada",
            occurred_at=now - timedelta(days=3, minutes=number), received_at=now - timedelta(minutes=1), product_ids=[f"p{number % 12}"],
        )
        for number in range(VIEWS)
    )  # fmt: skip
    make_order(ada, products=products[:3], placed_at=now - timedelta(days=2))
    responses = load_recommendations(loaded_at=now)
    assert 150 < responses < 270, "some views have no response beside them"
    clicked = Event.objects.exclude(recommendation_id="")
    assert 5 < clicked.count() < 60
    impression = Impression.objects.get(recommendation_id=clicked[0].recommendation_id)
    assert clicked[0].product_ids[0] in impression.product_ids
    assert (impression.strategy, len(set(impression.product_ids)) == len(impression.product_ids)) == ("simulated", True)
    assert sum(PerformanceDay.objects.values_list("clicked", flat=True)) == clicked.count()
    assert PerformanceDay.objects.filter(currency="EUR", orders__gt=0).exists(), "the order is attributed"
    assert load_recommendations(loaded_at=now) == 0
