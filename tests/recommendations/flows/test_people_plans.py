"""The lists of the customers at a step read the rows of a page, not the tables of all flows."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recommendations.flows.backoffice.people_page import select_page, select_runs
from recommendations.flows.models import FlowEntry, FlowStepRun, FlowVersion
from recommendations.sending.models import Delivery
from tests.makers import NOON
from tests.query_plans import analyze, count_read_rows
from tests.recommendations.flows.makers import make_live_flow, make_template, message

pytestmark = pytest.mark.django_db
TABLES = ("flows_flowentry", "flows_flowsteprun", "sending_delivery")
PEOPLE = 5000
MAKE_ENTRIES = """
INSERT INTO flows_flowentry
    (flow_id, version_id, customer_id, occurrence, event, triggered_at, entered_at, status, step_key, is_waiting, outcome, due_at)
SELECT %(flow)s, %(version)s, n, '', '{}', %(now)s, %(now)s, 'completed', 'hello', false, '', %(now)s
FROM generate_series(1, %(people)s) n
"""
MAKE_RUNS = """
INSERT INTO flows_flowsteprun (entry_id, version_id, step_key, outcome, at)
SELECT id, version_id, step_key, 'sent', %(now)s FROM flows_flowentry
"""
MAKE_DELIVERIES = """
INSERT INTO sending_delivery (origin_kind, origin_id, customer_id, template_version_id, channel, status, due_at, sent_at)
SELECT 'flow', r.id, e.customer_id, 1, 'email', 'sent', %(now)s, %(now)s
FROM flows_flowsteprun r JOIN flows_flowentry e ON e.id = r.entry_id
"""


@pytest.fixture
def version() -> FlowVersion:
    """A flow whose step many customers have passed."""
    make_template()
    version = make_live_flow([message("hello")]).versions.get(number=1)
    values = {"flow": version.flow_id, "version": version.pk, "now": NOON, "people": PEOPLE}
    with connection.cursor() as cursor:
        for statement in (MAKE_ENTRIES, MAKE_RUNS, MAKE_DELIVERIES):
            cursor.execute(statement, values)
    return version


def change_some(version: FlowVersion) -> dict[str, list[int]]:
    """Let few customers leave, fail and be skipped; return them by state, the latest first."""
    runs = list(FlowStepRun.objects.order_by("pk").select_related("entry"))
    entries, by_run = FlowEntry.objects.all(), Delivery.objects.all()
    entries.filter(pk__in=[runs[number].entry_id for number in (10, 4000)]).update(status="exited", finished_at=NOON)
    by_run.filter(origin_id=runs[20].pk).update(status="skipped", skip_reason="no_consent")
    by_run.filter(origin_id=runs[30].pk).update(status="failed", error="The mailbox is full")
    by_run.filter(origin_id=runs[50].pk).update(status="uncertain")
    # a step can fail without a delivery, and a step that failed can have a failed delivery
    FlowStepRun.objects.filter(pk__in=[runs[40].pk, runs[50].pk]).update(outcome="failed")
    for table in TABLES:
        analyze(table)
    people = {"left": (4000, 10), "skipped": (20,), "failed": (50, 40, 30)}
    return {state: [runs[number].entry.customer_id for number in numbers] for state, numbers in people.items()}


@pytest.mark.parametrize("state", ["left", "skipped", "failed"])
def test_a_page_of_people_reads_few_rows(version: FlowVersion, state: str) -> None:
    expected = change_some(version)[state]
    with CaptureQueriesContext(connection) as queries:
        rows = select_page(version, "hello", state, None)
    assert [row["customer"] for row in rows] == expected
    assert sum(count_read_rows(queries, table) for table in TABLES) < 50
    older = select_page(version, "hello", state, rows[0]["cursor"])
    assert [row["customer"] for row in older] == expected[1:]


def test_failed_people_are_saved_once_each(version: FlowVersion) -> None:
    change_some(version)
    first, second = select_runs(version, "hello", "failed")
    found = [*first.values_list("entry__customer_id", flat=True), *second.values_list("entry__customer_id", flat=True)]
    assert len(found) == len(set(found)) == 3
