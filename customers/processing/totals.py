"""Counts since ever, for whoever watches how they grow."""

from collections.abc import Mapping

from django.db import connection

from customers.processing.models import Tally

ADD = """
INSERT INTO processing_tally (name, value)
SELECT * FROM unnest(%s::text[], %s::bigint[]) AS row (name, value) ORDER BY name
ON CONFLICT (name) DO UPDATE SET value = processing_tally.value + excluded.value
"""


def add_to_tallies(counts: Mapping[str, int]) -> None:
    """Runs in the transaction of what is counted."""
    some = {name: count for name, count in counts.items() if count}
    if some:
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(some), list(some.values())])


def read_tallies() -> dict[str, int]:
    return dict(Tally.objects.values_list("name", "value"))
