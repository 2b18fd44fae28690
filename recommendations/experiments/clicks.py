"""Counts the clicks of the people of an experiment, from the rows that the app of its subject has."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from psycopg import sql

from recommendations.experiments.members import PEOPLE
from recommendations.experiments.models import Experiment
from recommendations.measurement.statistics.moments import GroupMoments

COUNT = sql.SQL("""
WITH people AS ({people}), clicked AS ({clicked})
SELECT variant_id, count(*), coalesce(sum(clicks), 0), coalesce(sum(clicks * clicks), 0)
FROM (
    SELECT p.variant_id, count(c.person)::float8 AS clicks
    FROM people p LEFT JOIN clicked c ON c.person = p.person AND c.at >= p.since
    GROUP BY p.person, p.variant_id
) AS counted
GROUP BY 1
""")


def count_clicks_by_variant(
    experiment: Experiment, clicked: sql.Composable, parameters: Mapping[str, Any], *, as_of: datetime
) -> Mapping[str, GroupMoments]:
    """Return the `GroupMoments` of the clicks per person since the first exposure, by variant.

    clicked: SQL that selects ``person``, identified as in `members`, and ``at``; it may use %(since)s and %(until)s of the experiment.
    """
    period = {
        "experiment": experiment.pk,
        "since": experiment.started_at,
        "until": experiment.stopped_at or as_of,
    }
    with connection.cursor() as cursor:
        cursor.execute(COUNT.format(people=PEOPLE, clicked=clicked), {**period, **parameters})
        rows = cursor.fetchall()
    return {
        str(variant): GroupMoments(people, np.array([clicks]), np.array([[squares]]))
        for variant, people, clicks, squares in rows
    }
