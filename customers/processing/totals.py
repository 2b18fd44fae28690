"""Lifetime totals of processing, which monitoring turns into rates."""

from collections.abc import Mapping

from django.db import connection

from customers.processing.models import ProcessingTotal

ADD_TO_TOTALS = """
INSERT INTO processing_processingtotal AS total (name, value)
SELECT * FROM unnest(%s::text[], %s::bigint[]) AS row (name, value) ORDER BY name
ON CONFLICT (name) DO UPDATE SET value = total.value + excluded.value
"""


def add_to_totals(counts: Mapping[str, int]) -> None:
    """Add counts in the transaction of the work that they count."""
    positive = {name: count for name, count in counts.items() if count}
    if positive:
        with connection.cursor() as cursor:
            cursor.execute(ADD_TO_TOTALS, [list(positive), list(positive.values())])


def read_totals() -> dict[str, int]:
    """Return the total of each name."""
    return dict(ProcessingTotal.objects.values_list("name", "value"))
