"""Finds whom an experiment on placements or search would have reached, and counts the clicks of people in a running one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from psycopg import sql

from recommendations.experiments.clicks import count_clicks_by_variant
from recommendations.experiments.models import Experiment
from recommendations.experiments.planning import GROUP
from recommendations.experiments.subjects import find_subject
from recommendations.measurement.outcomes.members import Members
from recommendations.measurement.statistics.moments import GroupMoments
from recommendations.serving.impressions.attribution import build_click_parameters

REACHED = sql.SQL("""
SELECT min(customer_id) AS customer_id, %(group)s AS member_group, min(served_at) AS since, %(until)s::timestamptz AS until
FROM (
    SELECT i.customer_id, i.served_at, COALESCE({order}) AS person
    FROM serving_impression i
    WHERE i.scenario = ANY(%(scenarios)s) AND i.served_at >= %(since)s AND i.served_at < %(until)s
) AS served
WHERE person IS NOT NULL GROUP BY person
""")
# a user ID and a device ID can be the same text, so their names differ
USER, DEVICE = (
    "NULLIF('user_id:' || i.user_id, 'user_id:')",
    "NULLIF('anonymous_id:' || i.anonymous_id, 'anonymous_id:')",
)
UNIT_KEYS = {
    Experiment.Unit.CUSTOMER: sql.SQL(f"{USER}, {DEVICE}"),
    Experiment.Unit.VISITOR: sql.SQL(f"{DEVICE}, {USER}"),
}
CUSTOMER = sql.SQL(f"i.customer_id::text, {USER}, {DEVICE}")
VISITOR = sql.SQL(f"{DEVICE}, {USER}, i.customer_id::text")
# The clicked products of the lists of the experiment; a product of a list counts once, as in `CLICKED_PRODUCTS`. People are identified as
# in `members`, by the present customer of the identifier that decided: a list names its customer only after the next attribution.
CLICKED = sql.SQL("""
SELECT COALESCE(COALESCE(n.customer_id, c.customer_id)::text, c.unit_key) AS person, c.at
FROM (
    SELECT DISTINCT i.recommendation_id, product.product_id, i.customer_id, COALESCE({unit_keys}) AS unit_key, i.served_at AS at
    FROM events_event e
    CROSS JOIN LATERAL unnest(e.product_ids) AS product (product_id)
    JOIN serving_impression i ON i.recommendation_id = e.recommendation_id AND product.product_id = ANY(i.product_ids)
    WHERE e.recommendation_id <> '' AND e.received_at >= %(since)s AND e.received_at < %(until)s AND e.type = 'track'
      AND lower(btrim(e.name)) = ANY(%(click_names)s)
      AND i.served_at >= %(since)s AND i.served_at < %(until)s AND i.scenario = ANY(%(scenarios)s) AND i.arm <> ''
) AS c
LEFT JOIN identity_identifier n
    ON n.kind = split_part(c.unit_key, ':', 1) AND n.value = substr(c.unit_key, strpos(c.unit_key, ':') + 1)
""")


def find_traffic(scenarios: Sequence[str], unit: str, since: datetime, until: datetime) -> Members:
    """Return the customers or visitors with an impression of these scenarios, each since the first one."""
    order = CUSTOMER if unit == Experiment.Unit.CUSTOMER else VISITOR
    values = {"group": GROUP, "scenarios": list(scenarios), "since": since, "until": until}
    return Members(REACHED.format(order=order), values)


def get_impression_retention() -> timedelta:
    return timedelta(days=settings.IMPRESSION_RETENTION_DAYS)


def count_clicked_products(experiment: Experiment, as_of: datetime) -> Mapping[str, GroupMoments]:
    """Return the moments of the clicked products per person, by variant."""
    subject = find_subject(experiment.kind)
    if subject is None or experiment.started_at is None or experiment.started_at < as_of - get_impression_retention():
        return {}  # impressions from its beginning are deleted
    parameters = {**build_click_parameters(), "scenarios": list(subject.list_scenarios(experiment.subject))}
    clicked = CLICKED.format(unit_keys=UNIT_KEYS[Experiment.Unit(experiment.unit)])
    return count_clicks_by_variant(experiment, clicked, parameters, as_of=as_of)
