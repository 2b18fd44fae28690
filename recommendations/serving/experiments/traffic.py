"""Whom an experiment on placements or search would have reached, and what the people of a running one clicked."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
from django.conf import settings
from django.db import connection
from psycopg import sql

from recommendations.experiments.members import PEOPLE
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
CUSTOMER = sql.SQL("i.customer_id::text, NULLIF(i.user_id, ''), NULLIF(i.anonymous_id, '')")
VISITOR = sql.SQL("NULLIF(i.anonymous_id, ''), NULLIF(i.user_id, ''), i.customer_id::text")
# Lists of the experiment with a click on one of their products, since the first exposure; a list counts once.
CLICKS = sql.SQL("""
WITH people AS ({people}),
clicked AS (
    SELECT DISTINCT i.recommendation_id, COALESCE(i.customer_id::text, NULLIF('user_id:' || i.user_id, 'user_id:'), 'anonymous_id:' || i.anonymous_id)
           AS person, i.served_at
    FROM events_event e JOIN serving_impression i ON i.recommendation_id = e.recommendation_id
    WHERE e.recommendation_id <> '' AND e.received_at >= %(since)s AND e.received_at < %(until)s AND e.type = 'track'
      AND lower(btrim(e.name)) = ANY(%(click_names)s) AND e.product_ids && i.product_ids
      AND i.served_at >= %(since)s AND i.served_at < %(until)s AND i.scenario = ANY(%(scenarios)s) AND i.arm <> ''
)
SELECT variant_id, count(*), coalesce(sum(clicks), 0), coalesce(sum(clicks * clicks), 0)
FROM (
    SELECT p.variant_id, count(c.recommendation_id)::float8 AS clicks
    FROM people p LEFT JOIN clicked c ON c.person = p.person AND c.served_at >= p.since
    GROUP BY p.person, p.variant_id
) AS counted
GROUP BY 1
""")


def find_traffic(scenarios: Sequence[str], unit: str, since: datetime, until: datetime) -> Members:
    """Return the customers or visitors with an impression of these scenarios, each since the first one."""
    order = CUSTOMER if unit == Experiment.Unit.CUSTOMER else VISITOR
    values = {"group": GROUP, "scenarios": list(scenarios), "since": since, "until": until}
    return Members(REACHED.format(order=order), values)


def get_impression_retention() -> timedelta:
    return timedelta(days=settings.IMPRESSION_RETENTION_DAYS)


def count_clicked_lists(experiment: Experiment, as_of: datetime) -> Mapping[str, GroupMoments]:
    """Return the moments of the clicked lists per person, by variant."""
    subject = find_subject(experiment.kind)
    if subject is None or experiment.started_at is None or experiment.started_at < as_of - get_impression_retention():
        return {}  # impressions from its beginning are deleted
    values = build_click_parameters() | {
        "experiment": experiment.pk,
        "since": experiment.started_at,
        "until": experiment.stopped_at or as_of,
        "scenarios": list(subject.list_scenarios(experiment.subject)),
    }
    with connection.cursor() as cursor:
        cursor.execute(CLICKS.format(people=PEOPLE), values)
        rows = cursor.fetchall()
    return {
        str(variant): GroupMoments(people, np.array([clicks]), np.array([[squares]]))
        for variant, people, clicks, squares in rows
    }
