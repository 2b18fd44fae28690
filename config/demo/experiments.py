"""A finished experiment of the demo, so that Experiments shows a result. It is simulated, and the pages say so."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext

from recommendations.engine.placements import FOR_YOU
from recommendations.experiments.editing import VariantDraft, create_experiment
from recommendations.experiments.models import Experiment
from recommendations.serving.experiments.names import PLACEMENT

KEY = "demo-variety"
DAYS = 28
# Customers with an order in the last months, each exposed in the first two weeks. The variant is drawn at random, but customers who
# order more afterwards get B more often: a made-up effect, which keeps both groups equally large.
INSERT_EXPOSURES = """
WITH person AS (
    SELECT i.customer_id, min(i.value) AS user_id, hashtextextended(min(i.value), 77) & 9007199254740991 AS hash
    FROM identity_identifier i
    WHERE i.kind = 'user_id' AND EXISTS (
        SELECT FROM orders_order o WHERE o.customer_id = i.customer_id AND o.kind = 'sale'
          AND o.placed_at > %(start)s - interval '90 days' AND o.placed_at < %(start)s
    )
    GROUP BY 1
), exposed AS (
    SELECT *, %(start)s::timestamptz + interval '1 minute' * (hash %% 20160) AS exposed_at FROM person
), later AS (
    SELECT e.*, (SELECT count(*) FROM orders_order o WHERE o.customer_id = e.customer_id AND o.kind = 'sale'
                 AND o.placed_at >= e.exposed_at AND o.placed_at < %(end)s) AS orders
    FROM exposed e
), centered AS (
    SELECT *, (orders - avg(orders) OVER ()) / greatest(stddev_pop(orders) OVER (), 0.001) AS score FROM later
)
INSERT INTO experiments_experimentexposure (experiment_id, variant_id, unit_key, customer_id, exposed_at, propensity)
SELECT %(experiment)s, CASE WHEN hash / 20160 %% 10000 < 5000 + 600 * greatest(least(score, 3), -3) THEN %(b)s ELSE %(a)s END,
       'user_id:' || user_id, customer_id, exposed_at, 0.5
FROM centered
ON CONFLICT DO NOTHING
"""


@transaction.atomic
def ensure_demo_experiment(*, now: datetime) -> bool:
    """Create the experiment if it does not exist; return whether it is new."""
    if Experiment.objects.filter(key=KEY).exists():
        return False
    start = now - timedelta(days=DAYS + 1)
    half = Decimal("0.5")
    experiment = create_experiment(
        key=KEY,
        name=gettext("More variety in “For you”"),
        kind=PLACEMENT,
        subject=FOR_YOU,
        planned_days=DAYS,
        variants=[
            VariantDraft(gettext("Control"), half),
            VariantDraft(gettext("More variety"), half, {"diversity": 0.4}),
        ],
    )
    experiment.is_simulated = True
    experiment.status = Experiment.Status.STOPPED
    experiment.started_at, experiment.stopped_at = start, start + timedelta(days=DAYS)
    experiment.save()
    control, variety = experiment.variants.all()
    values: dict[str, Any] = {
        "start": start,
        "end": experiment.stopped_at,
        "experiment": experiment.pk,
        "a": control.pk,
        "b": variety.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT_EXPOSURES, values)
    return True
