"""Values, next orders and clusters of everybody: written by a refresh, shown with what they rest on, absent with their reason."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils.translation import override

from customers.identity.models import Customer
from customers.lifecycle.clv.backtest import is_forecast_off
from customers.lifecycle.clv.queries import make_bin_edges, query_value_deciles, query_value_histogram
from customers.lifecycle.models import CustomerProfile, LifecycleRun, NextOrderReason, ScoreModel
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.refresh.nightly import refresh_outdated_scores, refresh_profiles
from customers.lifecycle.refresh.profile_updates import recount_customers
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.clv.models.gamma_gamma import deserialize_spend_fit
from customers.orders.models import Order
from tests.customers.lifecycle.trade import PEOPLE, make_trade
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db

PAGE = "/admin/lifecycle/customerprofile/lifecycle/"


@pytest.fixture
def trade(db: None) -> list[Customer]:
    customers = make_trade()
    refresh_profiles(as_of=NOON, started_at=NOON)
    return customers


def test_every_buyer_has_a_value_with_its_interval_and_who_has_not_ordered_has_none(trade: list[Customer]) -> None:
    visitor = make_customer("visitor")
    refresh_profiles(as_of=NOON + timedelta(days=400), started_at=NOON)
    refresh_profiles(as_of=NOON, started_at=NOON)
    buyers = CustomerProfile.objects.filter(orders__gt=0)
    assert buyers.count() == PEOPLE
    for one in buyers:
        assert 0 <= one.p_alive <= 1
        assert one.expected_orders >= 0
        assert one.expected_orders_low <= one.expected_orders_high
        assert 0 <= one.spend_low <= one.spend_high
        assert one.value >= 0
        assert 0 < one.interval_probability <= 1
        assert (one.next_order_from is None) == bool(one.next_order_reason)
        if one.next_order_from:
            assert NOON.date() <= one.next_order_from <= one.next_order_likely <= one.next_order_to
    told = build_customer_profile(customer_id=visitor.pk)
    assert told is None or told["value"]["reason"] == "no_order"


def test_those_who_have_stopped_are_worth_less_than_those_who_order(trade: list[Customer]) -> None:
    last = CustomerProfile.objects.order_by("last_order_at").first()
    newest = CustomerProfile.objects.filter(orders__gte=8).order_by("-last_order_at").first()
    assert last is not None
    assert newest is not None
    assert last.p_alive < 0.5 < newest.p_alive
    assert last.expected_orders < newest.expected_orders


def test_the_cards_say_what_was_computed_with_and_how_well_it_foretold(trade: list[Customer]) -> None:
    run = LifecycleRun.objects.get()
    score_models = {score_model.kind: score_model for score_model in run.score_models.all()}
    assert set(score_models) == set(ScoreModel.Kind.values)
    buying = score_models["purchase_model"]
    best = max(buying.figures["held_out"], key=lambda name: buying.figures["held_out"][name]["log_likelihood"])
    assert buying.algorithm == best
    fit = deserialize_fit(buying.parameters)
    assert fit.model is not None
    assert fit.customers == PEOPLE
    assert deserialize_spend_fit(score_models["spend"].parameters).model is not None
    weeks = buying.figures["weeks"]
    assert len(weeks["actual"]) == len(weeks["expected"]) > 20
    assert sum(buying.figures["repeats"]["actual"]) == PEOPLE
    clusters = score_models["clusters"].parameters["words"]["clusters"]
    assert sum(cluster["customers"] for cluster in clusters) == PEOPLE
    ids = {cluster["id"] for cluster in clusters}
    assert set(CustomerProfile.objects.values_list("cluster", flat=True)) == ids


def test_a_refresh_again_says_the_same_and_keeps_the_clusters(trade: list[Customer]) -> None:
    fields = ("pk", "p_alive", "value", "spend_low", "spend_high", "next_order_from", "next_order_to", "cluster")
    before = list(CustomerProfile.objects.order_by("pk").values_list(*fields))
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    assert list(CustomerProfile.objects.order_by("pk").values_list(*fields)) == before


def test_what_comes_later_changes_no_value(trade: list[Customer]) -> None:
    fields = ("pk", "p_alive", "value", "next_order_from", "cluster")
    before = list(CustomerProfile.objects.order_by("pk").values_list(*fields))
    for customer in trade[:10]:
        make_order(customer, placed_at=NOON + timedelta(minutes=1), total=Decimal(5000))
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    assert list(CustomerProfile.objects.order_by("pk").values_list(*fields)) == before


def test_somebody_with_orders_in_two_currencies_has_no_value_in_money_and_is_told_why(trade: list[Customer]) -> None:
    make_order(trade[0], placed_at=NOON - timedelta(days=2), currency="CNY", total=Decimal(70))
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    told = build_customer_profile(customer_id=trade[0].pk)
    assert told is not None
    assert (told["value"]["value"], told["value"]["spend_low"]) == (None, None)
    assert told["value"]["expected_orders"] > 0
    assert told["value"]["reason"] == "several_currencies"
    score_model = ScoreModel.objects.filter(kind="spend").first()
    assert score_model is not None
    assert score_model.figures["several_currencies"] == 1
    assert CustomerProfile.objects.filter(value__isnull=False).count() == PEOPLE - 1


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], "no_order"),
        ([5], "no_repeats"),
        ([0.001], "no_time"),
        ([50, 30, 10], "few_repeat_buyers"),
    ],
)
def test_where_too_little_is_known_the_reason_is_told_in_words(
    admin_client: Client, days: list[float], expected: str
) -> None:
    only = make_customer("only")
    for ago in days:
        make_order(only, placed_at=NOON - timedelta(days=ago), total=Decimal(0))
    if not days:
        Customer.objects.update(first_seen_at=NOON - timedelta(days=1))
    refresh_profiles(as_of=NOON, started_at=NOON)
    told = build_customer_profile(customer_id=only.pk)
    assert told is not None
    assert told["value"]["reason"] == expected
    assert told["value"]["value"] is None
    for language in ("en", "zh-hans"):
        page = admin_client.get(
            f"/admin/lifecycle/customerprofile/customer/{only.pk}/", headers={"accept-language": language}
        )
        with override(language):
            assert str(build_customer_profile(customer_id=only.pk)["value"]["reason_name"]) in page.content.decode()  # type: ignore[index]
        assert not re.search(r"\bnan\b", page.content.decode(), re.IGNORECASE)
    assert admin_client.get(PAGE).status_code == 200


@pytest.mark.parametrize("total", [Decimal(0), Decimal("99999999.99")])
def test_odd_amounts_never_become_nan(trade: list[Customer], total: Decimal) -> None:
    for customer in trade[:40]:
        make_order(customer, placed_at=NOON - timedelta(days=1), total=total)
    make_order(trade[0], placed_at=datetime(1969, 5, 1, 12, tzinfo=NOON.tzinfo), total=total)
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    for one in CustomerProfile.objects.filter(orders__gt=0):
        for name in ("p_alive", "expected_orders", "interval_probability"):
            value = getattr(one, name)
            assert value is None or np.isfinite(value), name
        assert one.value is None or one.value.is_finite()


def test_the_page_shows_value_and_groups_and_leads_to_their_people(admin_client: Client, trade: list[Customer]) -> None:
    page = admin_client.get(PAGE)
    assert page.status_code == 200
    told = page.context["value"]
    assert [row["customers"] for row in told["deciles"]] == [PEOPLE // 10] * 10
    assert sum(row["share"] for row in told["deciles"]) == pytest.approx(1)
    assert sum(told["histogram"]["traces"][0]["y"]) == PEOPLE
    for link, expected in zip(
        told["histogram"]["traces"][0]["customdata"], told["histogram"]["traces"][0]["y"], strict=True
    ):
        assert admin_client.get(link).context["pages"].paginator.count == expected
    for row in told["deciles"]:
        assert admin_client.get(row["url"]).context["pages"].paginator.count >= row["customers"]
    groups = page.context["clusters"]
    for row in groups["rows"]:
        assert admin_client.get(row["url"]).context["pages"].paginator.count == row["customers"]
    assert sum(row["serves"] for row in told["models"]) == 1


def test_the_customers_page_says_what_the_guess_rests_on(admin_client: Client, trade: list[Customer]) -> None:
    text = admin_client.get(f"/admin/lifecycle/customerprofile/customer/{trade[1].pk}/").content.decode()
    assert "Tried on the last" in text
    assert "of the orders that came" in text


@pytest.mark.parametrize(
    ("most", "edges"),
    [
        (Decimal("0"), [0]),
        (Decimal("7.5"), [0, Decimal("0.01"), Decimal("0.02"), Decimal("0.05")]),
        (Decimal("2500"), [0, 10, 20, 50, 100]),
    ],
)
def test_bars_end_at_round_numbers(most: Decimal, edges: list[Any]) -> None:
    found = make_bin_edges(most)
    assert found[: len(edges)] == edges
    assert found[-1] <= most


def test_without_values_there_are_no_bars(db: None) -> None:
    assert query_value_histogram() == []
    assert query_value_deciles() == []
    assert NextOrderReason.NEVER_ORDERED.label


def test_an_order_brings_value_and_next_order_up_to_date_by_what_the_refresh_has_learnt(trade: list[Customer]) -> None:
    sleeper = CustomerProfile.objects.filter(p_alive__lt=0.3).order_by("-orders").first()
    assert sleeper is not None
    others = CustomerProfile.objects.exclude(pk=sleeper.pk).order_by("pk")
    fields = ("pk", "value", "p_alive", "next_order_from", "valued_at")
    before = list(others.values_list(*fields))
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=5)) == 0, "nobody has ordered since"
    make_order(sleeper.customer, placed_at=NOON + timedelta(minutes=10), total=Decimal(90))
    recount_customers(customer_ids=[sleeper.pk], as_of=NOON + timedelta(minutes=11))
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=12)) == 1
    found = CustomerProfile.objects.get(pk=sleeper.pk)
    assert found.p_alive > sleeper.p_alive + 0.3
    assert found.value > sleeper.value
    assert found.next_order_from is not None
    assert found.valued_at == NOON + timedelta(minutes=12)
    assert list(others.values_list(*fields)) == before
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=20)) == 0
    told = {name: getattr(found, name) for name in ("p_alive", "expected_orders", "next_order_likely")}
    refresh_profiles(as_of=NOON + timedelta(minutes=12), started_at=NOON)
    again = CustomerProfile.objects.get(pk=sleeper.pk)
    # everybody's parameters moved a little with one order more
    assert again.p_alive == pytest.approx(told["p_alive"], abs=0.05)
    assert again.expected_orders == pytest.approx(told["expected_orders"], rel=0.1)
    assert abs((again.next_order_likely - told["next_order_likely"]).days) <= 2


def test_before_the_first_refresh_no_value_is_brought_up_to_date(db: None) -> None:
    anna = make_customer("anna")
    make_order(anna, placed_at=NOON - timedelta(days=1), total=Decimal(10))
    recount_customers(customer_ids=[anna.pk], as_of=NOON)
    assert refresh_outdated_scores(as_of=NOON) == 0
    assert CustomerProfile.objects.get(customer=anna).valued_at is None


def test_earlier_refreshes_are_judged_by_what_then_came(admin_client: Client, db: None) -> None:
    make_trade(until=NOON)
    for ago in (120, 40, 20):
        refresh_profiles(as_of=NOON - timedelta(days=ago), started_at=NOON)
    refresh_profiles(as_of=NOON, started_at=NOON)
    score_model = ScoreModel.objects.filter(kind="purchase_model").first()
    assert score_model is not None
    told = score_model.figures["backtests"]
    assert [(row["as_of"][:10], row["days"]) for row in told] == [("2026-10-15", 40), ("2026-07-27", 120)]
    young = told[0]
    known = Order.objects.filter(placed_at__lt=NOON - timedelta(days=40)).values("customer")
    since = Order.objects.filter(placed_at__gte=NOON - timedelta(days=40), customer__in=known)
    came = {(order.customer_id, order.placed_at.date()) for order in since}
    assert young["happened"] == len(came)
    assert young["low"] < young["ratio"] < young["high"]
    assert young["ratio"] == pytest.approx(young["happened"] / young["expected"])
    assert 0.6 < young["held"] <= 1
    page = admin_client.get(PAGE)
    assert len(page.context["value"]["backtests"]) == 2
    assert not page.context["value"]["backtests"][0]["wrong"]


@pytest.mark.parametrize(
    ("low", "high", "wrong"),
    [(0.9, 1.1, False), (0.5, 0.74, True), (1.26, 2, True), (0.6, 0.9, False), (None, None, False)],
)
def test_a_forecast_is_wrong_beyond_chance_and_a_quarter(low: float | None, high: float | None, wrong: bool) -> None:
    assert is_forecast_off({"low": low, "high": high}) is wrong
