"""How many customers or visitors an experiment would have reached in a past period."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from recommendations.experiments.models import Experiment

COUNT_UNITS = """
SELECT count(DISTINCT {unit}) FROM serving_impression i
WHERE i.scenario = ANY(%(scenarios)s) AND i.served_at >= %(since)s AND i.served_at < %(until)s
"""
CUSTOMER = "COALESCE(i.customer_id::text, NULLIF(i.user_id, ''), NULLIF(i.anonymous_id, ''))"
VISITOR = "COALESCE(NULLIF(i.anonymous_id, ''), NULLIF(i.user_id, ''), i.customer_id::text)"


def count_units(scenarios: Sequence[str], unit: str, since: datetime, until: datetime) -> int:
    """Return the number of different customers or visitors with an impression of these scenarios."""
    statement = COUNT_UNITS.format(unit=CUSTOMER if unit == Experiment.Unit.CUSTOMER else VISITOR)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"scenarios": list(scenarios), "since": since, "until": until})
        return int(cursor.fetchone()[0])
