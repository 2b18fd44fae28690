"""Who has been in which variant since when, as the members of the outcome counting."""

from datetime import datetime, timedelta

from psycopg import sql

from recommendations.experiments.models import Experiment
from recommendations.measurement.outcomes.members import Members

# A person may have several exposures, from devices that later turned out to belong to one customer. The earliest counts; a person with two
# variants at the same moment is left out. For visitors who are not customers, only clicks count.
PEOPLE = sql.SQL("""
SELECT person, min(customer_id) AS customer_id, (array_agg(variant_id ORDER BY exposed_at, id))[1] AS variant_id,
       min(exposed_at) AS since, (array_agg(propensity ORDER BY exposed_at, id))[1] AS propensity
FROM (
    SELECT e.id, e.variant_id, e.exposed_at, e.propensity, COALESCE(i.customer_id, e.customer_id) AS customer_id,
           COALESCE(COALESCE(i.customer_id, e.customer_id)::text, e.unit_key) AS person
    FROM experiments_experimentexposure e
    LEFT JOIN identity_identifier i
        ON i.kind = split_part(e.unit_key, ':', 1) AND i.value = substr(e.unit_key, strpos(e.unit_key, ':') + 1)
    WHERE e.experiment_id = %(experiment)s
) AS exposure
GROUP BY person
HAVING count(DISTINCT variant_id) = 1 OR count(DISTINCT exposed_at) > 1
""")
MEMBERS = sql.SQL(
    "SELECT p.customer_id, p.variant_id AS member_group, p.since, %(until)s::timestamptz AS until FROM ({people}) AS p"
)


# The shares with which a person was assigned: the newest ones that have the logged propensity, because workers learn of a change seconds later.
BANDIT_MEMBERS = sql.SQL("""
SELECT p.customer_id, p.variant_id || ':' || batch.id AS member_group, p.since, p.since + %(window)s AS until
FROM ({people}) AS p CROSS JOIN LATERAL (
    SELECT a.id FROM experiments_banditallocation a
    WHERE a.experiment_id = %(experiment)s AND a.decided_at <= p.since
      AND abs((a.shares->>p.variant_id::text)::float8 - p.propensity) < 0.001
    ORDER BY a.decided_at DESC LIMIT 1
) AS batch
WHERE p.since + %(window)s <= %(until)s
""")
LONGEST_WINDOW = timedelta(days=7)
SHORTEST_WINDOW = timedelta(days=1)


def build_members(experiment: Experiment, *, as_of: datetime) -> Members:
    """Return the people of an experiment by variant, of a bandit by variant and allocation.

    Their outcomes count from the first exposure until the experiment was stopped; those of a bandit in a window after it, and only
    people whose window is over count.
    """
    parameters = {"experiment": experiment.pk, "until": experiment.stopped_at or as_of}
    if experiment.method == Experiment.Method.BANDIT:
        return Members(BANDIT_MEMBERS.format(people=PEOPLE), {**parameters, "window": compute_window(experiment)})
    return Members(MEMBERS.format(people=PEOPLE), parameters)


def compute_window(experiment: Experiment) -> timedelta:
    """Return how long the outcomes of a person of a bandit count: a quarter of the planned days, from 1 to 7 days.

    It is the same for everyone: most people of the variant with the larger share come later, so with all orders since the first exposure,
    the better variant would look worse because its people had less time to order.
    """
    return min(max(timedelta(days=experiment.planned_days // 4), SHORTEST_WINDOW), LONGEST_WINDOW)
