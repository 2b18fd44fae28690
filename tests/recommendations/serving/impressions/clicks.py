"""A shop whose visitors look less and less the further down, and click what they like."""

from datetime import datetime, timedelta

import numpy as np

from customers.events.models import Event
from recommendations.serving.impressions import ServedEntry
from recommendations.serving.impressions.store import insert_entries
from tests.makers import NOON, make_source
from tests.recommendations.serving.impressions.shown import shown

LOOKED = 1.0 / np.arange(1, 7) ** 0.8
PRODUCTS = 30


def browse(
    *, answers: int, at: datetime = NOON, model_version: str = "blend-1", better: float = 0.0, seed: int = 4
) -> int:
    """Answers of six products by chance; ``better`` lets the model put what is liked first, by so much. How many clicks."""
    chance = np.random.default_rng(seed)
    liked = np.linspace(0.6, 0.05, PRODUCTS)
    given: list[ServedEntry] = []
    clicks: list[tuple[str, str]] = []
    for number in range(answers):
        some = chance.choice(PRODUCTS, len(LOOKED), replace=False)
        some = some[np.argsort(-(better * liked[some] + chance.random(len(LOOKED)) * (1 - better)))]
        name = f"{model_version}/{seed}/{number}"
        given.append(
            shown(
                name, products=[f"p{one}" for one in some], served_at=at, model_version=model_version, anonymous_id="v"
            )
        )
        clicked = (chance.random(len(LOOKED)) < LOOKED) & (chance.random(len(LOOKED)) < liked[some])
        clicks += [(name, f"p{one}") for one in some[clicked]]
    insert_entries(given)
    source = make_source()
    Event.objects.bulk_create(
        Event(
            source=source,
            message_id=f"{name}/{product}",
            type="track",
            name="Recommendation Clicked",
            anonymous_id="v",
            occurred_at=at + timedelta(minutes=1),
            received_at=at + timedelta(minutes=1),
            product_ids=[product],
            recommendation_id=name,
        )
        for name, product in clicks
    )
    return len(clicks)
