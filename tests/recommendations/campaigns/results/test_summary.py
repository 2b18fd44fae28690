"""The results of a campaign with a known answer."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from config.foundation.statistics import compare_shares
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from recommendations.campaigns.backoffice.results_page import format_results
from recommendations.campaigns.exports import stream_audience
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.campaigns.results.summary import compute_results
from recommendations.measurement.assignment_records import Kind
from recommendations.measurement.comparison import ComparisonVerdict
from recommendations.measurement.models import Assignment
from recommendations.measurement.presentation.sentences import describe_comparison
from recommendations.measurement.presentation.tables import build_recommended
from recommendations.sending.models import Delivery, DeliveryEvent
from recommendations.sending.tracking.links import add_campaign_parameters
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
        make_order(get_customer(customer), placed_at=NOON + timedelta(days=days), products=[product])
    make_order(get_customer(recipients[0]), placed_at=NOON - timedelta(days=1), products=[product])
    update_deliveries("status = 'sent', sent_at = %s WHERE status = 'pending'", NOON)
    update_deliveries(
        "opened_at = %s, clicked_at = %s WHERE customer_id = %s", NOON, NOON + timedelta(hours=1), recipients[0]
    )
    CampaignRun.objects.update(status="finished")
    return campaign


def get_customer(pk: int) -> Customer:
    return Customer.objects.get(pk=pk)


def test_orders_in_the_window_count_for_the_group_that_chance_decided() -> None:
    campaign = launch_with_orders()
    results = compute_results(campaign, as_of=NOON + timedelta(days=30))
    comparison = results.comparison
    n_recipients = Delivery.objects.filter(status="sent").count()
    assert (comparison.treated.customers, comparison.control.customers) == (n_recipients, 20 - n_recipients)
    assert (comparison.treated.reached, comparison.treated.orders, comparison.control.reached) == (2, 2, 1)
    assert (comparison.treated.revenue, comparison.control.revenue) == (40, 20)
    assert (comparison.treated.orders_after_click, comparison.treated.revenue_after_click) == (1, 20)
    assert comparison.conversion is not None
    assert comparison.conversion.difference == compare_shares(2, n_recipients, 1, 20 - n_recipients)
    assert comparison.is_final
    assert (results.deliveries.sent, results.deliveries.opened, results.deliveries.clicked) == (n_recipients, 1, 1)
    assert comparison.verdict == "too_few"
    assert describe_comparison(comparison, "EUR").startswith("Too few orders to tell: only 1 customer")


def test_a_campaign_that_was_canceled_before_a_message_was_sent_has_no_result() -> None:
    campaign = launch_with_orders()
    Campaign.objects.update(status="canceled")
    campaign.refresh_from_db()
    assert compute_results(campaign, as_of=NOON + timedelta(days=30)).runs == 1, "some messages were sent"
    update_deliveries("status = 'canceled', sent_at = NULL WHERE status = 'sent'")
    results = compute_results(campaign, as_of=NOON + timedelta(days=30))
    assert (results.runs, results.comparison.verdict) == (0, "no_runs")


def test_orders_of_a_campaign_with_several_runs_are_attributed_within_the_window_after_a_click() -> None:
    campaign = launch_with_orders()
    run = CampaignRun.objects.get()
    clicked = Delivery.objects.exclude(clicked_at=None).get()
    run.pk, run.number = None, 2
    run.started_at = run.scheduled_for = NOON + timedelta(days=30)
    run.save()
    clicked.pk, clicked.origin_id, clicked.clicked_at = None, run.pk, NOON + timedelta(days=31)
    clicked.save()
    product = make_product(price=Decimal(20))
    for days in (9, 29, 32):  # after the window of the first click, before the second one, and after it
        make_order(get_customer(clicked.customer_id), placed_at=NOON + timedelta(days=days), products=[product])
    treated = compute_results(campaign, as_of=NOON + timedelta(days=60)).comparison.treated
    assert (treated.orders, treated.clicked) == (6, 1)
    assert (treated.orders_after_click, treated.revenue_after_click) == (2, 40)


def test_what_was_bought_of_recommended_products_is_attributed_beside_the_effect() -> None:
    campaign = launch_with_orders()
    shown, opened, other = make_product(price=Decimal(7)), make_product(price=Decimal(5)), make_product()
    choices = {
        "products": {
            "row-1": [{"product_id": shown.product_id}, {"product_id": other.product_id}],
            "event": [{"product_id": opened.product_id}],
        },
        "recommendations": {"row-1": "r1"},
    }
    Delivery.objects.filter(status="sent").update(choices=choices)
    first, second, third = Delivery.objects.filter(status="sent").order_by("customer_id")[:3]
    second.choices = {
        **choices,
        "opened": {"row-1": {"recommendation_id": "r2", "products": [{"product_id": opened.product_id}]}},
    }
    second.save()
    for delivery, product, days in (
        (first, shown, 1),
        (first, opened, 1),  # the product of the event, which nobody recommended
        (first, shown, 8),  # after the window
        (second, opened, 2),
        (second, shown, 3),
        (third, shown, -1),  # before the message
    ):
        make_order(get_customer(delivery.customer_id), placed_at=NOON + timedelta(days=days), products=[product])
    for number, url in enumerate(("utm_content=row-1%3Ap1", "utm_content=button", "utm_content=event%3Ap1")):
        DeliveryEvent.objects.create(
            key=str(number), delivery_id=third.pk, kind="click", at=NOON, url=f"https://shop.example/?{url}"
        )
    recommended = compute_results(campaign, as_of=NOON + timedelta(days=30)).recommended
    assert recommended.customers == Delivery.objects.filter(status="sent").count()
    assert (recommended.clicked, recommended.orders, recommended.revenue) == (1, 3, 19)
    context = build_recommended(recommended, "EUR")
    assert context[-1]["value"] == "€19"


@pytest.mark.parametrize("key", ["为你推荐 1", "Für dich", "row_2.b~c-d", "50% & more: 😀"])
def test_clicks_are_recognized_by_the_key_of_the_row_in_any_language(key: str) -> None:
    campaign = launch_with_orders()
    product = make_product()
    choices = {"products": {key: [{"product_id": product.product_id}]}, "recommendations": {key: "r1"}}
    Delivery.objects.filter(status="sent").update(choices=choices)
    delivery = Delivery.objects.filter(status="sent").order_by("customer_id")[0]
    url = add_campaign_parameters(
        "https://shop.example/", medium="email", campaign="", content=f"{key}:{product.product_id}"
    )
    DeliveryEvent.objects.create(key="1", delivery_id=delivery.pk, kind="click", at=NOON, url=url)
    assert compute_results(campaign, as_of=NOON + timedelta(days=30)).recommended.clicked == 1


def test_before_the_end_of_the_window_the_result_may_be_looked_at_and_is_wider() -> None:
    campaign = launch_with_orders()
    comparison = compute_results(campaign, as_of=NOON + timedelta(days=5)).comparison
    assert (comparison.is_final, comparison.final_at) == (False, NOON + timedelta(days=7))
    assert comparison.treated.reached == 1
    assert comparison.revenue is not None
    assert comparison.revenue.effect == comparison.revenue.sequential
    assert comparison.revenue.sequential.low < comparison.revenue.adjusted.low
    assert "You can check" in describe_comparison(comparison, "EUR")


def test_a_campaign_without_runs_has_no_results() -> None:
    results = compute_results(make_campaign(), as_of=timezone.now())
    assert (results.comparison.verdict, results.comparison.revenue, results.deliveries.total) == ("no_runs", None, 0)
    assert describe_comparison(results.comparison, "EUR") == "Nothing has been sent yet."


def test_the_list_of_results_distinguishes_a_small_holdout_group_from_none() -> None:
    campaign = make_campaign()
    results = compute_results(campaign, as_of=NOON)
    verdicts = []
    for has_holdout in (True, False):
        comparison = replace(
            results.comparison, verdict=ComparisonVerdict.NO_HOLDOUT, is_final=True, has_holdout=has_holdout
        )
        verdicts.append(format_results(campaign, replace(results, comparison=comparison), "EUR")["verdict"])
    assert verdicts == ["too few to tell", "no holdout group"]


def test_another_goal_counts_its_events() -> None:
    campaign = launch_with_orders()
    campaign.goal = "viewed"
    comparison = compute_results(campaign, as_of=NOON + timedelta(days=30)).comparison
    assert (comparison.treated.reached, comparison.treated.orders) == (0, 2)


def test_an_export_has_results_too_and_keeps_what_was_known_then() -> None:
    customers = make_reachable(20)
    campaign = make_campaign(channel="export", template=None)
    "".join(stream_audience(campaign=campaign, as_of=NOON, by="anna", with_personal=True))
    held_out = set(campaign.exports.get().held_out_ids)
    assert set(Assignment.objects.filter(is_held_out=True).values_list("customer_id", flat=True)) == held_out
    assert set(Assignment.objects.values_list("stage", flat=True)) == {"loyal"}
    buyer = next(customer for customer in customers if customer.pk not in held_out)
    make_order(buyer, placed_at=NOON + timedelta(days=1), products=[make_product(price=Decimal(30))])
    comparison = compute_results(campaign, as_of=NOON + timedelta(days=2)).comparison
    assert (comparison.treated.customers, comparison.control.customers) == (20 - len(held_out), len(held_out))
    assert comparison.treated.revenue == 30


def test_a_second_export_keeps_the_first_assignment() -> None:
    make_reachable(6)
    campaign = make_campaign(channel="export", template=None)
    for days in (0, 1):
        "".join(stream_audience(campaign=campaign, as_of=NOON + timedelta(days=days), by="", with_personal=True))
    assert set(Assignment.objects.values_list("kind", "scope_id", "assigned_at")) == {
        (Kind.CAMPAIGN, campaign.pk, NOON)
    }
    assert Assignment.objects.count() == 6


def test_a_person_who_was_in_both_groups_at_once_is_left_out_and_counts_again_after_the_merge_is_undone() -> None:
    campaign = launch_with_orders()
    held_out, recipient = (
        Assignment.objects.filter(is_held_out=value).order_by("customer_id").first() for value in (True, False)
    )
    assert held_out is not None
    assert recipient is not None
    before = compute_results(campaign, as_of=NOON + timedelta(days=30)).comparison
    merge_customers(pairs=[(recipient.customer_id, held_out.customer_id)], at=NOON, causes=["test"])
    after = compute_results(campaign, as_of=NOON + timedelta(days=30)).comparison
    assert after.treated.customers == before.treated.customers - 1
    assert after.control.customers == before.control.customers - 1
    Assignment.objects.filter(pk=held_out.pk).update(assigned_at=NOON - timedelta(days=1))  # as in a flow
    earlier = compute_results(campaign, as_of=NOON + timedelta(days=30)).comparison
    assert earlier.control.customers == before.control.customers
