"""Simulates which recommendations the simulated visits saw and clicked, so that the performance pages of the demo have figures."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config.clickstream.delivery import SOURCE_KEY
from customers.events.models import Source
from recommendations.engine.placements import FOR_YOU
from recommendations.serving.impressions.attribution import count_performance
from recommendations.serving.models import Impression
from recommendations.training.models import ModelVersion

STRATEGY = "simulated"  # shown in the column Strategy
LENGTH = 6  # products of a response
DAYS = 22  # in which many households have visits; earlier, some households only have the visits around one order
CLICKED_PERCENT, SHOWN_PERCENT = (
    9,
    70,
)  # shares of the product views: those that follow a click, and those with a response on the page
PLACEMENTS = ("for-you", "for-you", "similar", "bought-together", "buy-again", "trending", "popular")
# a view's hash decides everything about it, so that every run draws the same; lower positions are clicked less
DRAWN_VIEWS = """
SELECT message_id, user_id, anonymous_id, occurred_at, product_ids[1] AS product_id, hash,
       hash %% 100 AS percent, (%(placements)s::text[])[1 + (hash / 100 %% %(n_placements)s)::int] AS scenario,
       1 + floor(%(length)s * power((hash / 10000 %% 1000) / 1000.0, 2.2))::int AS position
FROM (
    SELECT *, hashtextextended(message_id, 15) & 9007199254740991 AS hash
    FROM events_event
    WHERE source_id = %(source)s AND type = 'track' AND name = 'Product Viewed' AND cardinality(product_ids) = 1
      AND occurred_at > %(since)s
) AS view
"""
INSERT_RESPONSES = f"""
WITH best_sellers AS (
    SELECT array_agg(product_id ORDER BY lines DESC, product_id) AS ids
    FROM (
        SELECT p.product_id, count(*) AS lines
        FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id JOIN catalog_product p ON p.id = l.product_id
        WHERE p.is_active AND o.placed_at > %(at)s - interval '90 days'
        GROUP BY 1 ORDER BY 2 DESC LIMIT 150
    ) AS product
), response AS (
    SELECT view.*, (array_remove(ids[start:start + %(length)s], product_id))[1:%(length)s] AS others
    FROM ({DRAWN_VIEWS}) AS view, best_sellers,
         LATERAL (SELECT 1 + (hash / 7 %% greatest(cardinality(ids) - %(length)s, 1))::int) AS slice (start)
    WHERE percent < %(shown)s
)
INSERT INTO serving_impression (recommendation_id, scenario, user_id, anonymous_id, model_version, strategy, arm, fallback, served_at,
                                first_rank, product_ids)
SELECT 'simulated-' || md5(message_id), scenario, user_id, anonymous_id, %(version)s, %(strategy)s, '', '',
       occurred_at - interval '20 seconds', 1,
       CASE WHEN percent < %(clicked)s THEN others[1:position - 1] || product_id || others[position:%(length)s - 1]
            ELSE others END
FROM response
WHERE cardinality(others) > 0
ON CONFLICT DO NOTHING
"""  # noqa: S608 — our own text
NAME_RESPONSES_IN_EVENTS = f"""
UPDATE events_event e SET recommendation_id = 'simulated-' || md5(e.message_id)
FROM ({DRAWN_VIEWS}) AS view
WHERE view.percent < %(clicked)s AND view.message_id = e.message_id AND e.source_id = %(source)s AND e.type = 'track'
  AND e.name = 'Product Viewed'
"""  # noqa: S608 — our own text


def load_recommendations(*, loaded_at: datetime) -> int:
    """Simulate responses for the simulated visits and attribute orders to them; return their number. A second run changes nothing."""
    source = Source.objects.filter(key=SOURCE_KEY).first()
    if source is None or Impression.objects.filter(strategy=STRATEGY).exists():
        return 0
    version = ModelVersion.objects.filter(scenario=FOR_YOU, status=ModelVersion.Status.ACTIVE).first()
    parameters: dict[str, Any] = {
        "source": source.pk,
        "at": loaded_at,
        "since": loaded_at - timedelta(days=DAYS),
        "version": version.version if version else "",
        "strategy": STRATEGY,
        "placements": list(PLACEMENTS),
        "n_placements": len(PLACEMENTS),
        "length": LENGTH,
        "clicked": CLICKED_PERCENT,
        "shown": SHOWN_PERCENT,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT_RESPONSES, parameters)
        responses = cursor.rowcount
        cursor.execute(NAME_RESPONSES_IN_EVENTS, parameters)
    count_performance(at=timezone.now())
    return responses
