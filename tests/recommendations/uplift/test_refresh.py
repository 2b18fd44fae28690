"""Next best actions learned from a campaign whose effects are known, and their use in segments, REST and the back office."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from customers.identity.models import Customer, Identifier
from customers.orders.models import Order
from customers.segments.membership import query_matching
from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.measurement.models import Assignment
from recommendations.measurement.outcomes.margins import MarginBasis
from recommendations.uplift.action_texts import describe_action, find_next_action
from recommendations.uplift.backoffice.customer_panel import build_action_panel
from recommendations.uplift.kinds.registry import KINDS
from recommendations.uplift.models import CustomerAction, UpliftModel, UpliftSettings
from recommendations.uplift.refresh import measure_margin, refresh_actions
from tests.makers import NOON, make_source
from tests.recommendations.campaigns.makers import make_campaign, make_template

pytestmark = pytest.mark.django_db
CUSTOMERS = 2400
REVENUE = "Too few products have a purchase cost, so the whole revenue counts as margin."
STARTED = NOON - timedelta(days=30)


def run_campaign(customers: int = CUSTOMERS) -> Campaign:
    """Send a campaign to customers with 0, 1 or 2 earlier orders, of whom it puts off the first and moves the last."""
    campaign = make_campaign(
        channel="export",
        template=None,
        status=Campaign.Status.ENDED,
        attribution_days=7,
        name="Autumn",
        key="autumn",
        holdout_share=Decimal("0.5"),
    )
    version = make_template().versions.get()
    CampaignRun.objects.create(
        campaign=campaign,
        number=1,
        template_version=version,
        status=CampaignRun.Status.FINISHED,
        scheduled_for=STARTED,
        started_at=STARTED,
        segment_key=campaign.segment.key,
        holdout_share=campaign.holdout_share,
    )
    rng = np.random.default_rng(5)
    people = Customer.objects.bulk_create(Customer(pk=10**12 + number) for number in range(customers))
    Identifier.objects.bulk_create(
        Identifier(kind="user_id", value=f"u{number}", customer=person) for number, person in enumerate(people)
    )
    earlier, treated = np.arange(customers) % 3, rng.random(customers) < 0.5
    buys = rng.random(customers) < 0.3 + treated * np.array([-0.25, 0.0, 0.35])[earlier]
    Assignment.objects.bulk_create(
        Assignment(
            kind="campaign",
            scope_id=campaign.pk,
            customer_id=person.pk,
            is_held_out=not is_treated,
            holdout_share=0.5,
            assigned_at=STARTED,
        )
        for person, is_treated in zip(people, treated, strict=True)
    )
    source = make_source()
    days = [(number, -20 - index) for number in range(customers) for index in range(earlier[number])]
    days += [(number, 2) for number in range(customers) if buys[number]]
    Order.objects.bulk_create(
        Order(
            source=source,
            order_id=str(index),
            customer=people[number],
            placed_at=STARTED + timedelta(days=day),
            currency="EUR",
            total=20,
            subtotal=20,
        )
        for index, (number, day) in enumerate(days)
    )
    return campaign


def test_customers_get_the_action_with_the_largest_increment(client: Client, admin_user: User, settings: Any) -> None:
    settings.VALUE_MARGIN = 0.5
    run_campaign()
    UpliftSettings.objects.create(contact_cost=Decimal("0.5"), exploration_share=Decimal("0.05"))
    model = refresh_actions(as_of=NOON)
    assert model.problem == ""
    figures = model.figures
    assert figures["learners"][figures["learner"]]["low"] > 0
    assert figures["groups"][0]["high"] < 0 < figures["groups"][-1]["low"]
    moved, put_off = list_shares("u2", "u0")
    assert moved > 0.9
    assert put_off < 0.3
    action = CustomerAction.objects.get(customer__identifiers__value="u2")
    if not action.is_explored:
        assert action.reasons == ["largest_increment"]
    assert action.expected_margin is not None
    assert action.low is not None
    assert action.high is not None
    assert action.low <= action.expected_margin <= action.high
    assert action.expected_margin == pytest.approx(0.35 * 10, abs=1.5)
    check_segments()
    check_page(client, admin_user)


def list_shares(*names: str) -> list[float]:
    """Return the share of customers with as many earlier orders as this one whose next action is the campaign."""
    kinds = dict(CustomerAction.objects.values_list("customer__identifiers__value", "kind"))
    shares = []
    for name in names:
        alike = [kind for key, kind in kinds.items() if int(key[1:]) % 3 == int(name[1:]) % 3]
        shares.append(sum(kind == "campaign" for kind in alike) / len(alike))
    return shares


def check_segments() -> None:
    """Conditions, which branches of flows use too, find the customers."""
    for condition, expected in (
        ({"field": "next_action", "op": "eq", "value": "campaign"}, {"kind": "campaign"}),
        ({"field": "next_campaign", "op": "eq", "value": "autumn"}, {"key": "autumn"}),
        ({"field": "message_effect", "op": "eq", "value": "negative"}, {"message_effect": "negative"}),
    ):
        found = set(query_matching(condition=condition, as_of=NOON).values_list("pk", flat=True))
        assert found == set(CustomerAction.objects.filter(**expected).values_list("pk", flat=True))
        assert found
    unknown = {"field": "next_action", "op": "is_not_set"}
    assert query_matching(condition=unknown, as_of=NOON).count() == Customer.objects.count() - CUSTOMERS


def check_page(client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    page = client.get(reverse("uplift:page")).content.decode()
    assert "It matters whom you message" in page
    assert "Add what an unnecessary message costs you." in page
    assert "The expected margin is not reliable yet." not in page
    model = UpliftModel.objects.get(pool="message", key="")
    choice = model.figures["choice"]
    assert 0 < choice["expected_low"] < choice["expected_margin"] < choice["expected_high"]
    assert model.figures["is_revenue"] is False
    assert REVENUE not in page
    choice["expected_low"] = -5.0
    model.figures["learners"]["t_learner"] |= {"qini": 0.001, "low": -0.0461, "high": 0.0482}
    model.figures["is_revenue"] = True
    model.save()
    page = client.get(reverse("uplift:page")).content.decode()
    assert "−€5 to +€" in page
    assert "−0.046 to 0.048" in page
    assert "The expected margin is not reliable yet." in page
    assert REVENUE in page
    customer = Customer.objects.get(identifiers__value="u2")
    panel = client.get(reverse("admin:lifecycle_customer", args=[customer.pk])).content.decode()
    assert "Next best action" in panel
    assert REVENUE in panel
    CustomerAction.objects.filter(pk=customer.pk).update(expected_margin=1.5, low=-59.34, high=43.79)
    panel = client.get(reverse("admin:lifecycle_customer", args=[customer.pk])).content.decode()
    assert "Expected incremental margin: +€1.50 (−€59.34 to +€43.79)." in panel
    client.post(reverse("uplift:save-segment", args=["do-not-write"]))
    segment = Segment.objects.get(name="Do not send a message")
    assert segment.size == CustomerAction.objects.filter(kind="none").count()
    client.post(
        reverse("uplift:page"), {"contact_cost": "100", "budget": "", "max_customers": "", "exploration_share": "0"}
    )
    assert UpliftSettings.objects.get().contact_cost == 100


def test_without_evidence_there_are_no_actions_and_the_page_says_what_is_missing(
    client: Client, admin_user: User
) -> None:
    run_campaign(customers=60)
    customer = Customer.objects.get(identifiers__value="u2")
    assert describe_action(find_next_action(customer.pk)) == "Not computed yet"
    panel = render_to_string("admin/uplift/of_customer.html", {"panel": build_action_panel(customer, NOON)})
    assert "Nothing has been computed yet. The job runs every night." in panel
    assert "Not computed yet" not in panel
    model = refresh_actions(as_of=NOON)
    assert model.problem == "few_customers"
    assert describe_action(find_next_action(customer.pk)) == "Not enough evidence"
    assert not CustomerAction.objects.exists()
    client.force_login(admin_user)
    page = client.get(reverse("uplift:page")).content.decode()
    assert "500 of each are needed" in page
    answer = client.get("/api/v1/customers/u2/next-action/").json()
    assert answer["action"] is None
    assert answer["reasons"][0]["code"] == "not_enough_evidence"
    assert "500 of each are needed" in answer["missing"]


def test_without_costs_the_margin_is_the_revenue(settings: Any) -> None:
    run_campaign(customers=60)
    (action,) = KINDS["campaign"].list_past(NOON)
    assert measure_margin(action.members, NOON) == (20.0, MarginBasis.UNKNOWN)
    settings.VALUE_MARGIN = 0.5
    assert measure_margin(action.members, NOON) == (10.0, MarginBasis.SETTING)


def test_a_running_window_is_not_learned_from() -> None:
    run_campaign(customers=6)
    assert refresh_actions(as_of=STARTED + timedelta(days=3)).problem == "no_actions"
    assert UpliftModel.objects.count() == 2
