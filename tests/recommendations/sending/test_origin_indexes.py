"""The deliveries of one campaign among millions of others are read by indexes that begin with the campaign."""

from typing import Any

import pytest
from django.db import connection

from recommendations.campaigns.results.message_test import READ_PROGRESS
from recommendations.sending.models import Delivery
from recommendations.sending.queue import FIND_UNFINISHED

pytestmark = pytest.mark.django_db


def explain(statement: str, parameters: list[Any]) -> str:
    """Return the plan for a large table: reading all of a small one would be cheaper."""
    with connection.cursor() as cursor:
        # the pages and statistics that other tests leave, although their rows are undone, would decide the plan
        cursor.execute("TRUNCATE sending_delivery CASCADE")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize("origins", [[7], [7, 8, 9]])
@pytest.mark.parametrize("ordering", [("origin_id", "id"), ("-origin_id", "-id")])
def test_a_page_of_deliveries_reads_only_those_of_its_origins(origins: list[int], ordering: tuple[str, str]) -> None:
    page = Delivery.objects.filter(origin_kind="campaign", origin_id__in=origins).order_by(*ordering)[:100]
    statement, parameters = page.query.sql_with_params()
    plan = explain(statement, list(parameters))
    assert "sending_delivery_origin" in plan
    assert "Filter" not in plan
    assert "Sort" not in plan


def test_whether_a_run_is_being_sent_is_found_without_reading_what_was_sent() -> None:
    assert "sending_delivery_unfinished" in explain(FIND_UNFINISHED, [[7, 8], "campaign"])


def test_the_progress_of_an_ab_test_is_read_without_the_deliveries_that_are_not_in_it() -> None:
    plan = explain(READ_PROGRESS, [[7]])
    assert "sending_delivery_unfinished" in plan
    assert "sending_delivery_tested" in plan
    assert "sending_delivery_once" not in plan
