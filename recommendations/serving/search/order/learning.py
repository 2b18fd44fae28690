"""Learns the weights of popularity and taste from clicks on search results, and serves them only if later clicks prove them better.

Every impression of a search has the scores of its products at that moment, so no later event, model or price is used. The weights are
chosen on the older pages and evaluated on the later ones. A shop with few clicks keeps the defaults.
"""

from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction

from config.foundation.database.advisory_locks import exclusive_lock
from recommendations.engine.click_order import ClickedPage, build_pairs, estimate_gain, fit_exponents
from recommendations.engine.position_bias import ExaminationCurve
from recommendations.serving.impressions.attribution import CLICKED_PRODUCTS, build_click_parameters
from recommendations.serving.impressions.position_bias import get_curve
from recommendations.serving.search.models import SearchOrder
from recommendations.serving.search.order.features import N_EXPONENTS, VALUES_PER_PRODUCT
from recommendations.serving.search.visitor_search import SCENARIO

LEARN_ORDER_LOCK = "learn_search_order"
LEARNING_DAYS = 90
MAX_PAGES = 50_000
MIN_PAGES = 400  # fewer cannot show a difference of a few percent
MIN_PEOPLE = 100
TRAINING_SHARE = 0.7
MIN_EXPONENT = 0.05  # a factor raised to a smaller one says nothing about the factor

CLICKED_PAGES = f"""
WITH clicked AS ({CLICKED_PRODUCTS}), page AS (
    SELECT recommendation_id, served_at, array_agg(position ORDER BY position) AS positions
    FROM clicked WHERE scenario = %(scenario)s GROUP BY 1, 2
)
SELECT COALESCE(i.customer_id::text, NULLIF(i.user_id, ''), NULLIF(i.anonymous_id, ''), i.recommendation_id),
       i.first_rank, i.order_features, page.positions
FROM page JOIN serving_impression i USING (recommendation_id, served_at)
WHERE i.order_features IS NOT NULL
ORDER BY i.served_at DESC, i.recommendation_id
LIMIT %(most)s
"""  # noqa: S608 — our own text


def learn_search_order(*, at: datetime) -> SearchOrder:
    """Learn the weights of the last 90 days and record whether they are served.

    Raises AlreadyRunningError.
    """
    with exclusive_lock(LEARN_ORDER_LOCK):
        order = choose_order(read_clicked_pages(at=at), at=at)
        with transaction.atomic():
            SearchOrder.objects.filter(is_promoted=False).delete()
            order.save()
        return order


def choose_order(pages: list[ClickedPage], *, at: datetime) -> SearchOrder:
    """Return the weights that fit the older pages best; they are served only if they order the later pages significantly better."""
    people = len({page.person for page in pages})
    order = SearchOrder(learned_at=at, pages=len(pages), people=people)
    if len(pages) < MIN_PAGES or people < MIN_PEOPLE:
        return order
    split = round(TRAINING_SHARE * len(pages))
    exponents = fit_exponents(build_pairs(pages[:split], n_factors=N_EXPONENTS))
    gain = estimate_gain(build_pairs(pages[split:], n_factors=N_EXPONENTS), exponents)
    order.popularity, order.personal = map(float, exponents)
    if np.isfinite([gain.value, gain.low, gain.high]).all():
        order.gain, order.gain_low, order.gain_high = gain.value, gain.low, gain.high
        order.is_served = gain.low > 0
    return order


def read_clicked_pages(*, at: datetime) -> list[ClickedPage]:
    """Return the pages with clicks, oldest first; a page without any identifier counts as a person of its own."""
    parameters = build_click_parameters() | {
        "since": at - timedelta(days=LEARNING_DAYS),
        "until": at,
        "now": at,
        "scenario": SCENARIO,
        "most": MAX_PAGES,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLICKED_PAGES, parameters)
        rows = cursor.fetchall()
    curve = get_curve(scenario=SCENARIO)
    numbers: dict[str, int] = {}
    return [
        build_page(numbers.setdefault(person, len(numbers)), first_rank, features, positions, curve)
        for person, first_rank, features, positions in reversed(rows)
        if min(features[:N_EXPONENTS]) >= MIN_EXPONENT
    ]


def build_page(
    person: int, first_rank: int, features: list[float], positions: list[int], curve: ExaminationCurve
) -> ClickedPage:
    """Return a page from what its impression stores."""
    values = np.array(features[N_EXPONENTS:], np.float64).reshape(-1, VALUES_PER_PRODUCT)
    ranks = np.arange(first_rank, first_rank + len(values))
    served = np.log(np.maximum(values[:, 2:], 1e-9))
    return ClickedPage(
        person=person,
        group=values[:, 0].astype(np.int64),
        offset=np.log(np.maximum(values[:, 1], 1e-9)) - served.sum(axis=1),
        factors=served / np.array(features[:N_EXPONENTS]),
        is_clicked=np.isin(ranks, positions),
        examination=curve.get_examination(ranks),
    )
