"""Visitors who examine lower positions less often, and click products that they like."""

from datetime import datetime, timedelta

import numpy as np

from customers.events.models import Event
from recommendations.serving.impressions import ServedEntry
from recommendations.serving.impressions.store import insert_entries
from tests.makers import NOON, make_source
from tests.recommendations.serving.impressions.entries import make_entry

EXAMINATION = 1.0 / np.arange(1, 7) ** 0.8
PRODUCTS = 30


def simulate_clicks(
    *, responses: int, at: datetime = NOON, model_version: str = "blend-1", skill: float = 0.0, seed: int = 4
) -> int:
    """Store responses of six random products with their clicks; return the number of clicks.

    skill: 0 for a random order of the products, up to 1 for an order by how much visitors like them.
    """
    rng = np.random.default_rng(seed)
    attraction = np.linspace(0.6, 0.05, PRODUCTS)
    entries: list[ServedEntry] = []
    clicks: list[tuple[str, str]] = []
    for number in range(responses):
        slate = rng.choice(PRODUCTS, len(EXAMINATION), replace=False)
        slate = slate[np.argsort(-(skill * attraction[slate] + rng.random(len(EXAMINATION)) * (1 - skill)))]
        recommendation_id = f"{model_version}/{seed}/{number}"
        entries.append(
            make_entry(
                recommendation_id,
                products=[f"p{product}" for product in slate],
                served_at=at,
                model_version=model_version,
                anonymous_id="v",
            )
        )
        is_clicked = (rng.random(len(EXAMINATION)) < EXAMINATION) & (rng.random(len(EXAMINATION)) < attraction[slate])
        clicks += [(recommendation_id, f"p{product}") for product in slate[is_clicked]]
    insert_entries(entries)
    source = make_source()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"{recommendation_id}/{product}",
            type="track",
            name="Recommendation Clicked",
            anonymous_id="v",
            occurred_at=at + timedelta(minutes=1),
            received_at=at + timedelta(minutes=1),
            product_ids=[product],
            recommendation_id=recommendation_id,
        )
        for recommendation_id, product in clicks
    )
    return len(clicks)
