"""The flows of the demo: they have run through the past with the stages, views and orders of its customers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from config.demo.flows import load_flows
from customers.identity.models import Consent, Customer
from customers.lifecycle.models import StageRules, StageTransition
from customers.segments.conditions.compiler import compile_condition
from customers.segments.event_counts.counting import add_facts, recount_pending_events
from recommendations.flows.models import Flow, FlowEntry
from recommendations.sending.models import Delivery
from tests.makers import make_order, make_product
from tests.recommendations.trainings import use_fixed_ids

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_the_flows_have_people_inside_messages_and_goals_and_send_nothing() -> None:
    now = datetime.now(UTC)
    with use_fixed_ids():  # which decide who opens a message
        customers = Customer.objects.bulk_create(
            Customer(email=f"c{number}@shop.example" if number % 2 else "") for number in range(60)
        )
    Consent.objects.bulk_create(
        Consent(customer=customer, purpose="email", status="granted", recorded_at=now - 300 * DAY)
        for customer in customers[5:]  # the others never answered
    )
    gaps = {"second_gap_days": 40, "median_gap_days": 20, "active_gap_days": 30, "dormant_gap_days": 60}
    rules = StageRules.objects.create(version=999, measured_at=now, **gaps)
    StageTransition.objects.bulk_create(
        StageTransition(
            customer=customer,
            from_stage="active",
            to_stage="at_risk",
            at=now - (number % 30) * DAY - timedelta(hours=1),
            reason="gap_long",
            rules=rules,
        )
        for number, customer in enumerate(customers)
    )
    product = make_product("tea", title="Green tea", price=Decimal("8.00"))
    add_facts([(number, customer.pk, "view", now - DAY, ["tea"]) for number, customer in enumerate(customers[:20])])
    make_order(customers[20], placed_at=now - 18 * DAY, products=[product])
    assert load_flows(loaded_at=now) == 2
    assert load_flows(loaded_at=now) == 0
    win_back, price_drop = (Flow.objects.get(recipe=key) for key in ("win-back", "price-drop"))
    assert (win_back.status, price_drop.status) == ("live", "live")
    statuses = set(win_back.entries.values_list("status", flat=True))
    assert statuses == {"active", "completed", "goal"}
    assert price_drop.entries.count() == 20
    assert FlowEntry.objects.filter(flow=price_drop).first().event["product"]["old_price"] == "10.0"  # type: ignore[union-attr]
    assert set(Delivery.objects.values_list("status", flat=True)) == {"delivered", "skipped"}
    recount_pending_events()
    opened = {"all": [{"field": "opened_email", "op": "at_least"}]}
    members = Customer.objects.filter(compile_condition(opened, as_of=now)).values_list("pk", flat=True)
    openers = Delivery.objects.filter(opened_at__isnull=False).values_list("customer_id", flat=True)
    assert set(members) == set(openers) != set()
    assert "Simulated" in win_back.description
