"""Workers of flows are killed in the middle: everyone gets the message once, and nobody is left out."""

from datetime import timedelta

import pytest
from django.db.models import Count

from customers.identity.models import Customer
from recommendations.flows.execution.reactions import process_signals
from recommendations.flows.execution.stepping import run_due_steps
from recommendations.flows.models import FlowEntry, FlowSignal, FlowStepCount
from recommendations.sending.models import Delivery
from tests.child_processes import kill_after_output, start_child
from tests.recommendations.flows.makers import NOON, make_live_flow, make_template, message, wait
from tests.waiting import wait_until

pytestmark = pytest.mark.acceptance

PEOPLE = 300
CHILD = """
from datetime import UTC, datetime
from recommendations.flows.execution import reactions, stepping
from tests.stopping_points import stop_at
reactions.CHUNK_SIZE = 50
AT = datetime(2026, 11, 24, 13, tzinfo=UTC)
"""
REACT = "reactions.process_signals(now=datetime(2026, 11, 24, 12, tzinfo=UTC))\n"
STEP = "stepping.run_due_steps(now=AT, chunk_size=50)\n"


@pytest.mark.django_db(transaction=True)
def test_killed_workers_lose_and_double_nothing() -> None:
    make_template()
    flow = make_live_flow([wait("pause", minutes=30), message("hello"), wait("end", days=1)])
    customers = Customer.objects.bulk_create(Customer() for _number in range(PEOPLE))
    FlowSignal.objects.bulk_create(
        FlowSignal(kind="event", name="cart", customer_id=customer.pk, at=NOON, data={"properties": {}})
        for customer in customers
    )
    for point in ('stop_at(reactions, "insert_stays", calls=2)', 'stop_at(reactions, "add_counts", calls=3)'):
        kill_after_output(start_child(CHILD + point + "\n" + REACT), "stopped")
    process_signals(now=NOON)
    run_due_steps(now=NOON)
    for point in ("insert_passed_steps", "update_stays", "add_counts"):
        kill_after_output(start_child(CHILD + f'stop_at(stepping, "{point}", calls=2)\n' + STEP), "stopped")
    wait_until(lambda: run_until_nobody_is_due() or FlowEntry.objects.filter(step_key="end").count() == PEOPLE)
    per_customer = Delivery.objects.values("customer_id").annotate(messages=Count("id"))
    assert len(per_customer) == PEOPLE
    assert {row["messages"] for row in per_customer} == {1}
    counts = dict(FlowStepCount.objects.filter(version__flow=flow, step_key="hello").values_list("outcome", "count"))
    assert counts == {"arrived": PEOPLE, "done": PEOPLE}


def run_until_nobody_is_due() -> None:
    """A killed worker's connection may hold its rows for a moment, so the steps are run again."""
    run_due_steps(now=NOON + timedelta(hours=1), chunk_size=70)
