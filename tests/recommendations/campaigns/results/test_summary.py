"""The results of a campaign with a known answer."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from config.foundation.statistics import compare_shares
from recommendations.campaigns.backoffice.labels import describe_results
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.results.groups import GroupOutcome
from recommendations.campaigns.results.summary import choose_verdict, compute_effect, compute_results
from recommendations.sending.models import Delivery
from tests.makers import NOON, make_order, make_product
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, update_deliveries

pytestmark = pytest.mark.django_db


def launch_with_orders() -> Campaign:
    """20 customers: of the recipients, three buy after 1, 6 and 8 days, one of them after a click; one of the holdout group buys."""
    make_reachable(20)
    campaign = make_campaign(attribution_days=7)
    launch(campaign, by=None, now=NOON)
    rows = Delivery.objects.order_by("customer_id").values_list("customer_id", "skip_reason")
    recipients = [customer for customer, reason in rows if not reason]
    held_out = [customer for customer, reason in rows if reason == "holdout"]
    product = make_product(price=Decimal(20))
    for customer, days in ((recipients[0], 1), (recipients[1], 6), (recipients[2], 8), (held_out[0], 2)):
        make_order(customer_with(customer), placed_at=NOON + timedelta(days=days), products=[product])
    make_order(customer_with(recipients[0]), placed_at=NOON - timedelta(days=1), products=[product])
    update_deliveries("status = 'sent', sent_at = %s WHERE status = 'pending'", NOON)
    update_deliveries(
        "opened_at = %s, clicked_at = %s WHERE customer_id = %s", NOON, NOON + timedelta(hours=1), recipients[0]
    )
    CampaignRun.objects.update(status="finished")
    return campaign


def customer_with(pk: int):  # type: ignore[no-untyped-def]
    from customers.identity.models import Customer

    return Customer.objects.get(pk=pk)


def test_orders_in_the_window_count_for_the_group_that_chance_decided() -> None:
    campaign = launch_with_orders()
    results = compute_results(campaign, as_of=NOON + timedelta(days=30))
    n_recipients = Delivery.objects.filter(status="sent").count()
    assert (results.recipients.customers, results.holdout.customers) == (n_recipients, 20 - n_recipients)
    assert (results.recipients.converted, results.recipients.orders, results.holdout.converted) == (2, 2, 1)
    assert (results.recipients.revenue, results.holdout.revenue) == (40, 20)
    assert (results.recipients.orders_after_click, results.recipients.revenue_after_click) == (1, 20)
    assert results.effect is not None
    assert results.effect.conversion == compare_shares(2, n_recipients, 1, 20 - n_recipients)
    assert results.effect.orders.value == pytest.approx(2 - n_recipients / (20 - n_recipients))
    assert (results.deliveries.sent, results.deliveries.opened, results.deliveries.clicked) == (n_recipients, 1, 1)
    assert results.verdict == "no_effect"
    assert "No effect found" in describe_results(campaign, results)


def test_before_the_end_of_the_window_the_result_is_not_final() -> None:
    results = compute_results(launch_with_orders(), as_of=NOON + timedelta(days=5))
    assert (results.verdict, results.final_at) == ("preliminary", NOON + timedelta(days=7))
    assert results.recipients.converted == 1


def test_verdicts_of_constructed_groups() -> None:
    effect = compute_effect(GroupOutcome(9000, 540, 540), GroupOutcome(1000, 30, 30))
    assert choose_verdict(effect, 1.0, is_final=True) == "increase"
    assert choose_verdict(effect, 0.0001, is_final=True) == "uneven_groups"
    harm = compute_effect(GroupOutcome(9000, 270, 270), GroupOutcome(1000, 60, 60))
    assert choose_verdict(harm, 1.0, is_final=True) == "decrease"
    assert choose_verdict(compute_effect(GroupOutcome(50, 4, 4), GroupOutcome()), 1.0, is_final=True) == "no_holdout"


def test_a_holdout_group_of_one_customer_has_no_interval_of_revenue() -> None:
    effect = compute_effect(GroupOutcome(9, 2, 2, 2, 40.0, 800.0), GroupOutcome(1))
    assert effect is not None
    assert (effect.revenue, effect.revenue_per_customer) == (None, None)
    assert effect.conversion.low < 0 < effect.conversion.high


def test_a_campaign_without_runs_has_no_results() -> None:
    campaign = make_campaign()
    results = compute_results(campaign, as_of=timezone.now())
    assert (results.verdict, results.effect, results.deliveries.total) == ("no_runs", None, 0)


def test_another_goal_counts_its_events() -> None:
    campaign = launch_with_orders()
    campaign.goal = "viewed"
    results = compute_results(campaign, as_of=NOON + timedelta(days=30))
    assert (results.recipients.converted, results.recipients.orders) == (0, 2)
