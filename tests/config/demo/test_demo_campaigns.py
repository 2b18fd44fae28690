"""The campaigns of the demo: their results show what is known to be true."""

from datetime import UTC, datetime, timedelta

import pytest

from config.campaign_simulation.models import SimulatedTruth
from config.demo.campaigns import load_campaigns
from customers.identity.models import Consent, Customer
from customers.orders.models import Order
from customers.segments.membership import query_members
from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign
from recommendations.campaigns.results.summary import compute_results
from recommendations.sending.models import Delivery
from tests.makers import make_order, make_product, make_profile

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


@pytest.mark.django_db
def test_the_campaigns_show_an_effect_none_too_few_customers_and_an_open_window() -> None:
    customers = Customer.objects.bulk_create(
        Customer(pk=10_000 + number, email=f"c{number}@shop.example") for number in range(400)
    )
    Consent.objects.bulk_create(
        Consent(customer=customer, purpose="email", status="granted", recorded_at=NOW - timedelta(days=300))
        for customer in customers
    )
    product = make_product()
    make_order(customers[0], placed_at=NOW - timedelta(days=90), products=[product])
    order = Order.objects.get()
    for number, customer in enumerate(customers[1:], start=1):
        order.pk, order.order_id, order.customer = None, f"old-{number}", customer
        order.placed_at = NOW - timedelta(days=60 if number % 10 else 34)
        order.save()
    before = Order.objects.count()
    assert load_campaigns(loaded_at=NOW) == 6
    assert load_campaigns(loaded_at=NOW) == 0
    campaigns = {campaign.key: campaign for campaign in Campaign.objects.all()}
    win_back = compute_results(campaigns["demo-win-back"], as_of=NOW)
    newsletter = compute_results(campaigns["demo-newsletter"], as_of=NOW)
    additional = Order.objects.filter(order_id__startswith="demo-win-back").count()
    assert Order.objects.count() >= before + additional
    assert (win_back.comparison.verdict, newsletter.comparison.verdict) == ("increase", "too_few")
    truth = SimulatedTruth.objects.get(run__campaign__key="demo-win-back")
    assert truth.conversion == additional / win_back.comparison.treated.customers
    assert truth.is_covered
    assert 0.1 < truth.conversion < 0.45
    assert win_back.deliveries.clicked < win_back.deliveries.opened < win_back.deliveries.sent
    assert all(campaign.is_simulated for campaign in campaigns.values())
    assert {key for key, campaign in campaigns.items() if campaign.status == "running"} == {
        *("demo-offers", "demo-voucher", "demo-refill"),
    }
    assert [run.started_at.date().isoformat() for run in campaigns["demo-offers"].runs.order_by("number")] == [
        *("2026-07-05", "2026-08-05", "2026-09-05", "2026-10-05", "2026-11-05"),
    ]
    assert campaigns["demo-refill"].next_run_at > NOW  # type: ignore[operator]
    assert compute_results(campaigns["demo-top-customers"], as_of=NOW).comparison.control.customers < 30
    assert not Delivery.objects.filter(status="pending").exists()
    unsubscribed = dict(Delivery.objects.exclude(unsubscribed_at=None).values_list("customer_id", "unsubscribed_at"))
    withdrawn = Consent.objects.filter(status="withdrawn", purpose="email")
    assert unsubscribed
    assert dict(withdrawn.values_list("customer_id", "recorded_at")) == unsubscribed
    sent = Delivery.objects.filter(customer_id__in=unsubscribed).exclude(sent_at=None)
    assert all(delivery.sent_at <= unsubscribed[delivery.customer_id] for delivery in sent)  # type: ignore[operator]
    check_segments(customers)


def check_segments(customers: list[Customer]) -> None:
    """A list that stays as it was names its day; the segment of the running campaign has the customers whom its name describes now."""
    assert Segment.objects.get(key="demo-win-back-customers").name == "No order in the week before Oct 20, 2026"
    for customer, days in zip(customers, (2, 10, 30), strict=False):
        make_profile(customer, last_order_at=NOW - timedelta(days=days))
    refill = Segment.objects.get(key="demo-refill-customers")
    assert (refill.name, refill.kind) == ("Last order 6 to 20 days ago", Segment.Kind.DYNAMIC)
    assert list(query_members(segment=refill, as_of=NOW)) == [customers[1]]
    assert not refill.members.exists()
