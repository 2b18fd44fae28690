"""Results of an offer: each person once, in the group of the first exposure, with the orders of the week after it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from config.foundation.statistics import compare_shares
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer, Identifier
from recommendations.measurement.statistics.sequential import compute_critical_value
from recommendations.measurement.timeline import Timeline
from recommendations.offers.backoffice.automated_decisions import list_offer_decisions
from recommendations.offers.backoffice.result_texts import describe_order_effect, describe_results
from recommendations.offers.merge_receivers import anonymize_exposures
from recommendations.offers.models import Offer, OfferExposure
from recommendations.offers.reporting import Reaction, record_reaction
from recommendations.offers.results import OfferGroup, compare_orders, measure_offer
from recommendations.offers.retention import end_offers, purge_exposures
from tests.makers import NOON, make_customer, make_identifier, make_order
from tests.recommendations.offers.makers import make_offer

pytestmark = pytest.mark.django_db


def make_exposure(offer: Offer, customer: Customer | None, *, arm: str = "shown", **fields: Any) -> OfferExposure:
    fields = {"decided_at": NOON, "anonymous_id": "", **fields}
    return OfferExposure.objects.create(exposure_id=uuid4(), offer=offer, customer=customer, arm=arm, **fields)


def test_orders_after_the_first_exposure_are_compared_with_the_holdout_group() -> None:
    offer = make_offer()
    buyer, looker, early, held_out = (make_customer() for _ in range(4))
    for _ in range(2):
        make_exposure(offer, buyer)
    for customer in (looker, early):
        make_exposure(offer, customer)
    make_exposure(offer, held_out, arm="held_out")
    make_exposure(offer, held_out, decided_at=NOON + timedelta(hours=1))  # after a merge: the first group counts
    make_exposure(offer, None, anonymous_id="device-1")
    make_order(buyer, placed_at=NOON + timedelta(days=1))
    make_order(buyer, placed_at=NOON + timedelta(days=2))
    make_order(early, placed_at=NOON - timedelta(hours=1))
    make_order(looker, placed_at=NOON + timedelta(days=8))
    results = measure_offer(offer=offer, as_of=NOON + timedelta(days=30))
    assert (results.shown.people, results.shown.buyers, results.shown.orders) == (3, 1, 2)
    assert (results.held_out.people, results.held_out.buyers) == (1, 0)
    assert (results.shows, results.visitors) == (6, 5)
    assert results.difference == pytest.approx(1 / 3)
    assert (results.shown.orders_per_person, results.order_difference) == (pytest.approx(2 / 3), None)
    assert results.low is not None
    assert results.high is not None
    assert results.low < 0 < results.high


def make_new_visitor(offer: Offer, device: str, *, arm: str = "shown", owner: Customer | None = None) -> Customer:
    """Return a customer who was created after the first exposure of the device."""
    make_exposure(offer, None, anonymous_id=device, arm=arm)
    customer = owner or make_customer()
    make_identifier(customer, device, kind=Identifier.Kind.ANONYMOUS_ID)
    return customer


def test_the_first_exposure_of_a_new_visitor_counts_for_the_customer_of_the_device() -> None:
    offer = make_offer()
    returning, once, held_out = (
        make_new_visitor(offer, name, arm=arm) for name, arm in (("a", "shown"), ("b", "shown"), ("c", "held_out"))
    )
    make_new_visitor(offer, "a-phone", owner=returning)
    make_exposure(offer, returning, anonymous_id="a", decided_at=NOON + timedelta(days=1))
    make_exposure(offer, held_out, anonymous_id="c2", decided_at=NOON + timedelta(days=1))  # the first group counts
    make_exposure(offer, None, anonymous_id="nobody")
    make_exposure(offer, None)  # without consent
    for customer in (returning, once):
        make_order(customer, placed_at=NOON + timedelta(hours=1))
    results = measure_offer(offer=offer, as_of=NOON + timedelta(days=2))
    assert (results.shown.people, results.shown.buyers, results.held_out.people) == (2, 2, 1)
    assert results.visitors == 4, "two customers, the one who was held out first, and the device of nobody"


def test_exposures_of_a_device_stay_in_the_results_when_the_customer_is_erased() -> None:
    offer = make_offer()
    customer, replacement = make_new_visitor(offer, "a"), make_customer()
    make_new_visitor(offer, "b")
    anonymize_exposures(customer_id=customer.pk, replacement_id=replacement.pk)
    rows = OfferExposure.objects.order_by("pk").values_list("customer_id", "anonymous_id")
    assert list(rows) == [(replacement.pk, ""), (None, "b")]
    assert measure_offer(offer=offer, as_of=NOON).shown.people == 2


def test_offers_shown_to_a_device_are_explained_to_its_customer() -> None:
    offer = make_offer(name="Sale")
    customer = make_new_visitor(offer, "a")
    make_exposure(offer, None, anonymous_id="b")
    make_exposure(offer, None)
    [decision] = list_offer_decisions(customer.pk, NOON, 10)
    assert "Sale" in decision.text


def test_clicks_are_counted_once_and_only_for_shown_offers() -> None:
    offer = make_offer()
    shown, held_out = make_exposure(offer, make_customer()), make_exposure(offer, make_customer(), arm="held_out")
    for _ in range(2):
        assert record_reaction(exposure_id=shown.exposure_id, reaction=Reaction.CLICKED, now=NOON)
    assert not record_reaction(exposure_id=held_out.exposure_id, reaction=Reaction.CLICKED, now=NOON)
    assert not record_reaction(exposure_id=uuid4(), reaction=Reaction.CLICKED, now=NOON)
    results = measure_offer(offer=offer, as_of=NOON)
    assert (results.clicks, results.click_through_rate) == (1, 1.0)
    assert results.difference is not None


@pytest.mark.parametrize(
    ("holdout_share", "arms", "reason"),
    [
        (0, ["shown"], "Without a holdout group"),
        ("0.1", [], "not to a known customer yet"),
        ("0.1", ["shown"], "No known customer is in its holdout group yet"),
        (0, ["held_out"], "not to a known customer yet"),  # the holdout share was set to 0 later
        ("0.1", ["shown", "held_out"], "No effect on buyers found yet"),
    ],
)
def test_the_headline_says_why_groups_cannot_be_compared(holdout_share: Any, arms: list[str], reason: str) -> None:
    offer = make_offer(holdout_share=holdout_share)
    make_exposure(offer, None, anonymous_id="device-1")
    for arm in arms:
        make_exposure(offer, make_customer(), arm=arm)
    assert reason in describe_results(offer, measure_offer(offer=offer, as_of=NOON + timedelta(days=8)))


def test_exposures_follow_a_merged_customer() -> None:
    offer, kept, merged = make_offer(), make_customer("kept"), make_customer()
    make_exposure(offer, merged)
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    assert OfferExposure.objects.get().customer_id == kept.pk


def test_orders_per_person_are_compared_with_the_holdout_group() -> None:
    offer = make_offer(ends_at=NOON)
    for arm, orders in (("shown", (2, 1, 1, 0)), ("held_out", (1, 0, 0, 0))):
        for number in orders:
            customer = make_customer()
            make_exposure(offer, customer, arm=arm)
            for _order in range(number):
                make_order(customer, placed_at=NOON + timedelta(days=1))
    results = measure_offer(offer=offer, as_of=NOON + timedelta(days=8))
    assert (results.shown.orders_per_person, results.held_out.orders_per_person) == (1.0, 0.25)
    assert results.order_difference == 0.75
    # Welch by hand: variances 2/3 and 1/4, 5 degrees of freedom
    assert (results.order_low, results.order_high) == (pytest.approx(-0.48, abs=0.02), pytest.approx(1.98, abs=0.02))
    assert describe_order_effect(results).startswith("Orders per customer: +0.75 compared")


def test_the_results_of_a_running_offer_may_be_looked_at_every_day() -> None:
    """An offer without an end is read again and again: 33 of 100 offers without an effect would show one on one of 60 days."""
    offer = make_offer()
    for arm, orders in (("shown", (1, 1, 1, 1)), ("held_out", (1, 0, 0, 0))):
        for number in orders:
            customer = make_customer()
            make_exposure(offer, customer, arm=arm)
            for _order in range(number):
                make_order(customer, placed_at=NOON + timedelta(days=1))
    now = NOON + timedelta(days=9)
    running = measure_offer(offer=offer, as_of=now)
    fraction = 0.1**2  # visitors arrive over time, and their orders add up
    valid = compare_shares(4, 4, 1, 4, critical_value=compute_critical_value(fraction))
    assert (running.difference, running.low, running.high) == (valid.value, valid.low, valid.high)
    offer.ends_at = NOON + timedelta(days=2)
    final = measure_offer(offer=offer, as_of=now)
    once = compare_shares(4, 4, 1, 4)
    assert (final.low, final.high) == (once.low, once.high)
    assert running.low < 0 < once.low


def test_the_orders_of_a_running_offer_have_an_always_valid_interval() -> None:
    treated, held_out, started = OfferGroup(400, 80, 90, 110), OfferGroup(100, 12, 12, 12), NOON
    running = Timeline(started, NOON + timedelta(days=9), NOON + timedelta(days=90), is_final=False, ends=False)
    value, low, high = compare_orders(treated, held_out, running)
    _value, once_low, once_high = compare_orders(treated, held_out, replace(running, is_final=True))
    assert value == pytest.approx(0.225 - 0.12)
    assert low is not None
    assert high is not None
    assert once_low is not None
    assert once_high is not None
    assert low < once_low < value < once_high < high


def test_without_an_order_in_a_group_orders_per_person_are_not_compared() -> None:
    offer = make_offer()
    shown = [make_customer() for _ in range(3)]
    for customer in shown:
        make_exposure(offer, customer)
    for _ in range(2):
        make_exposure(offer, make_customer(), arm="held_out")
    make_order(shown[0], placed_at=NOON + timedelta(days=1))
    results = measure_offer(offer=offer, as_of=NOON + timedelta(days=8))
    assert (results.order_difference, results.order_low, results.order_high) == (None, None, None)
    assert describe_order_effect(results) == ""
    assert results.difference == pytest.approx(1 / 3)


def test_old_exposures_are_deleted_and_offers_end_in_time() -> None:
    offer = make_offer(ends_at=NOON)
    later = make_offer(ends_at=NOON + timedelta(seconds=1))
    draft = make_offer(ends_at=NOON, status=Offer.Status.DRAFT)
    assert end_offers(now=NOON) == 1
    statuses = [Offer.objects.get(pk=made.pk).status for made in (offer, later, draft)]
    assert statuses == ["ended", "running", "draft"]


def test_first_exposures_of_customers_are_kept_and_those_of_visitors_until_the_offer_ends() -> None:
    ended, running = make_offer(status=Offer.Status.ENDED, ends_at=NOON - timedelta(days=405)), make_offer()
    for offer in (ended, running):
        customer = make_customer()
        for days in (420, 410, 399):
            at = NOON - timedelta(days=days)
            make_exposure(offer, customer, decided_at=at)
            make_exposure(offer, None, anonymous_id="device", decided_at=at)
    make_exposure(running, None, decided_at=NOON - timedelta(days=401))  # of an erased customer
    make_exposure(ended, None, anonymous_id="owned", decided_at=NOON - timedelta(days=420))
    make_identifier(make_customer(), "owned", kind=Identifier.Kind.ANONYMOUS_ID)
    assert purge_exposures(before=NOON - timedelta(days=400)) == 6
    kept = OfferExposure.objects.order_by("offer_id", "anonymous_id", "decided_at")
    assert [(row.offer, row.anonymous_id, (NOON - row.decided_at).days) for row in kept] == [
        (ended, "", 420),
        (ended, "", 399),
        (ended, "device", 399),
        (ended, "owned", 420),
        (running, "", 420),
        (running, "", 399),
        (running, "device", 420),
        (running, "device", 399),
    ]
