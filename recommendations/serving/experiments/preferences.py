"""Clicks on interleaved lists by the ranking that contributed the product, per person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg import sql

from recommendations.experiments.assignment import make_interleaved_arm
from recommendations.experiments.models import Experiment
from recommendations.experiments.subjects import PreferenceCounts, find_subject
from recommendations.measurement.statistics.interleaving import COUNTED_CLICKS
from recommendations.serving.impressions.attribution import CLICKED_PRODUCTS, build_click_parameters

# the customer to whom the identifiers of a list belong now; none for a list of an erased customer, whose identifiers were removed
CUSTOMER_ID = sql.SQL("COALESCE(i.customer_id, u.customer_id, a.customer_id)")
PEOPLE = {
    Experiment.Unit.CUSTOMER: sql.SQL(
        "COALESCE('c' || {customer}, 'u' || NULLIF(i.user_id, ''), 'a' || NULLIF(i.anonymous_id, ''))"
    ).format(customer=CUSTOMER_ID),
    Experiment.Unit.VISITOR: sql.SQL(
        "COALESCE('a' || NULLIF(i.anonymous_id, ''), 'u' || NULLIF(i.user_id, ''), 'c' || {customer})"
    ).format(customer=CUSTOMER_ID),
}
LISTS = sql.SQL("""
SELECT i.recommendation_id, i.served_at, i.first_rank, i.teams, {customer} AS customer_id, {person} AS person
FROM serving_impression i
LEFT JOIN identity_identifier u ON u.kind = 'user_id' AND u.value = i.user_id AND i.user_id <> ''
LEFT JOIN identity_identifier a ON a.kind = 'anonymous_id' AND a.value = i.anonymous_id AND i.anonymous_id <> ''
WHERE i.scenario = ANY(%(scenarios)s) AND i.served_at >= %(since)s AND i.served_at < %(until)s
""")
# A product of a list counts once, however often it was clicked, and of each person the first clicks that we received: a late event never
# takes the place of one that has been counted, so that looks on different days build on each other.
PREFERENCES = sql.SQL("""
WITH list AS MATERIALIZED (
    SELECT * FROM ({lists} AND i.teams IS NOT NULL AND %(arm)s = ANY(string_to_array(i.arm, ','))) AS own WHERE person IS NOT NULL
), clicked AS (
    SELECT list.person, product.recommendation_id, product.position, product.received_at,
           list.teams[product.position - list.first_rank + 1] AS team,
           EXISTS (
               SELECT FROM orders_order o
               JOIN orders_orderline l ON l.order_id = o.id
               JOIN catalog_product p ON p.id = l.product_id
               WHERE o.customer_id = list.customer_id AND p.product_id = product.product_id AND o.kind = 'sale'
                 AND o.status <> 'cancelled' AND o.placed_at >= list.served_at AND o.placed_at < list.served_at + %(window)s
           ) AS is_ordered
    FROM ({clicked_products}) AS product JOIN list USING (recommendation_id, served_at)
), credited AS (
    SELECT person, team, is_ordered,
           row_number() OVER (PARTITION BY person ORDER BY received_at, recommendation_id, position) AS number
    FROM clicked WHERE team IN (0, 1)
), of_person AS (
    SELECT count(*) FILTER (WHERE team = 0) AS control, count(*) FILTER (WHERE team = 1) AS variant,
           count(*) FILTER (WHERE team = 0 AND is_ordered) AS control_orders,
           count(*) FILTER (WHERE team = 1 AND is_ordered) AS variant_orders
    FROM credited WHERE number <= %(counted)s GROUP BY person
)
SELECT (SELECT count(DISTINCT person) FROM list), (SELECT count(DISTINCT person) FROM clicked), count(*),
       coalesce(sum((variant - control) ^ 2), 0)::bigint,
       count(*) FILTER (WHERE control > variant), count(*) FILTER (WHERE variant > control),
       coalesce(sum(control), 0)::bigint, coalesce(sum(variant), 0)::bigint,
       coalesce(sum(control_orders), 0)::bigint, coalesce(sum(variant_orders), 0)::bigint
FROM of_person
""")
CLICKERS = sql.SQL("""
WITH list AS ({lists})
SELECT count(DISTINCT person) FROM ({clicked_products}) AS product JOIN list USING (recommendation_id, served_at)
""")


def count_preferences(experiment: Experiment, as_of: datetime) -> PreferenceCounts:
    """Count which variant's products people chose from the lists of an experiment; clicks after its end count, too."""
    subject = find_subject(experiment.kind)
    assert subject is not None
    assert experiment.started_at is not None
    values = {
        "scenarios": list(subject.list_scenarios(experiment.subject)),
        "since": experiment.started_at,
        "until": experiment.stopped_at or as_of,
        "now": as_of,
        "arm": make_interleaved_arm(experiment.key),
        "counted": COUNTED_CLICKS,
    }
    people, clicked, credited, squares, control, variant, *sums = run_statement(PREFERENCES, experiment.unit, values)
    return PreferenceCounts(
        people=people,
        clicked=clicked,
        credited=credited,
        squares=squares,
        control=control,
        variant=variant,
        clicks=(sums[0], sums[1]),
        orders=(sums[2], sums[3]),
    )


def count_clickers(scenarios: Sequence[str], unit: str, since: datetime, until: datetime) -> int:
    """Return how many customers or visitors clicked a product of these scenarios."""
    values = {"scenarios": list(scenarios), "since": since, "until": until, "now": until}
    return int(run_statement(CLICKERS, unit, values)[0])


def run_statement(statement: sql.SQL, unit: str, values: dict[str, Any]) -> Sequence[Any]:
    """Return the only row of a statement about the lists of some scenarios."""
    lists = LISTS.format(customer=CUSTOMER_ID, person=PEOPLE[Experiment.Unit(unit)])
    composed = statement.format(lists=lists, clicked_products=sql.SQL(CLICKED_PRODUCTS))
    with connection.cursor() as cursor:
        cursor.execute(composed, {**build_click_parameters(), **values})
        return tuple(cursor.fetchone())
