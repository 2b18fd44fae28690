"""Values, next orders and clusters: written by a refresh and shown with their accuracy."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.test import Client

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.refresh.nightly import refresh_outdated_scores, refresh_profiles
from customers.lifecycle.refresh.profile_updates import recount_customers
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.clv.models.gamma_gamma import deserialize_spend_fit
from tests.customers.lifecycle.linked_customers import count_linked_customers
from tests.customers.lifecycle.sample_shop import CUSTOMERS, make_sample_shop, share_rows
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db

PAGE = "/admin/lifecycle/customerprofile/lifecycle/value/"
CLUSTERS_PAGE = "/admin/lifecycle/customerprofile/lifecycle/clusters/"


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[Customer]]:
    """The customers of the sample shop, refreshed once for all tests here."""
    with share_rows(django_db_blocker):
        customers = make_sample_shop()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 40)
            refresh_profiles(as_of=NOON, started_at=NOON)
        with django_db_blocker.block():
            yield customers


def test_every_buyer_has_a_value_with_its_interval_and_a_visitor_has_none(shop: list[Customer]) -> None:
    visitor = make_customer("visitor")
    refresh_profiles(as_of=NOON + timedelta(days=400), started_at=NOON)
    refresh_profiles(as_of=NOON, started_at=NOON)
    buyers = CustomerProfile.objects.filter(orders__gt=0)
    assert buyers.count() == CUSTOMERS
    for buyer in buyers:
        assert 0 <= buyer.p_alive <= 1
        assert buyer.expected_orders >= 0
        assert buyer.expected_orders_low <= buyer.expected_orders_high
        assert 0 <= buyer.spend_low <= buyer.spend_high
        assert buyer.value >= 0
        assert 0 < buyer.interval_probability <= 1
        assert (buyer.next_order_from is None) == bool(buyer.next_order_reason)
        if buyer.next_order_from:
            assert NOON.date() <= buyer.next_order_from <= buyer.next_order_likely <= buyer.next_order_to
    profile = build_customer_profile(customer_id=visitor.pk)
    assert profile is None or profile["value"]["reason"] == "no_order"


def test_customers_who_stopped_ordering_are_worth_less_than_active_ones(shop: list[Customer]) -> None:
    last = CustomerProfile.objects.order_by("last_order_at").first()
    newest = CustomerProfile.objects.filter(orders__gte=8).order_by("-last_order_at").first()
    assert last is not None
    assert newest is not None
    assert last.p_alive < 0.5 < newest.p_alive
    assert last.expected_orders < newest.expected_orders


def test_the_score_models_keep_their_parameters_and_accuracy(shop: list[Customer]) -> None:
    run = LifecycleRun.objects.get()
    score_models = {score_model.kind: score_model for score_model in run.score_models.all()}
    assert set(score_models) == set(ScoreModel.Kind.values)
    purchase_model = score_models["purchase_model"]
    best = max(
        purchase_model.figures["held_out"], key=lambda name: purchase_model.figures["held_out"][name]["log_likelihood"]
    )
    assert purchase_model.algorithm == best
    held_out = purchase_model.figures["held_out"][best]
    assert held_out["low"] < 1 / held_out["total_ratio"] < held_out["high"]
    fit = deserialize_fit(purchase_model.parameters)
    assert fit.model is not None
    assert fit.customers == CUSTOMERS
    assert deserialize_spend_fit(score_models["spend"].parameters).model is not None
    weeks = purchase_model.figures["weeks"]
    assert len(weeks["actual"]) == len(weeks["expected"]) > 20
    assert sum(purchase_model.figures["repeats"]["actual"]) == CUSTOMERS
    clusters = score_models["clusters"].parameters["words"]["clusters"]
    assert sum(cluster["customers"] for cluster in clusters) == CUSTOMERS
    ids = {cluster["id"] for cluster in clusters}
    assert set(CustomerProfile.objects.values_list("cluster", flat=True)) == ids


def test_a_second_refresh_gives_the_same_scores_and_keeps_the_clusters(shop: list[Customer]) -> None:
    fields = ("pk", "p_alive", "value", "spend_low", "spend_high", "next_order_from", "next_order_to", "cluster")
    before = list(CustomerProfile.objects.order_by("pk").values_list(*fields))
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    assert list(CustomerProfile.objects.order_by("pk").values_list(*fields)) == before


def test_orders_after_the_refresh_change_no_value(shop: list[Customer]) -> None:
    fields = ("pk", "p_alive", "value", "next_order_from", "cluster")
    before = list(CustomerProfile.objects.order_by("pk").values_list(*fields))
    for customer in shop[:10]:
        make_order(customer, placed_at=NOON + timedelta(minutes=1), total=Decimal(5000))
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    assert list(CustomerProfile.objects.order_by("pk").values_list(*fields)) == before


def test_a_customer_with_orders_in_two_currencies_has_no_monetary_value_but_a_reason(shop: list[Customer]) -> None:
    make_order(shop[0], placed_at=NOON - timedelta(days=2), currency="CNY", total=Decimal(70))
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    profile = build_customer_profile(customer_id=shop[0].pk)
    assert profile is not None
    assert (profile["value"]["value"], profile["value"]["spend_low"]) == (None, None)
    assert profile["value"]["expected_orders"] > 0
    assert profile["value"]["reason"] == "several_currencies"
    score_model = ScoreModel.objects.filter(kind="spend").first()
    assert score_model is not None
    assert score_model.figures["several_currencies"] == 1
    assert CustomerProfile.objects.filter(value__isnull=False).count() == CUSTOMERS - 1


@pytest.mark.parametrize("total", [Decimal(0), Decimal("99999999.99")])
def test_unusual_amounts_never_become_nan(shop: list[Customer], total: Decimal) -> None:
    for customer in shop[:40]:
        make_order(customer, placed_at=NOON - timedelta(days=1), total=total)
    make_order(shop[0], placed_at=datetime(1969, 5, 1, 12, tzinfo=NOON.tzinfo), total=total)
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    for profile in CustomerProfile.objects.filter(orders__gt=0):
        for name in ("p_alive", "expected_orders", "interval_probability"):
            value = getattr(profile, name)
            assert value is None or np.isfinite(value), name
        assert profile.value is None or profile.value.is_finite()


def test_the_page_shows_values_and_clusters_with_links_to_their_customers(
    admin_client: Client, shop: list[Customer]
) -> None:
    page = admin_client.get(PAGE)
    assert page.status_code == 200
    panel = page.context["value"]
    assert [row["customers"] for row in panel["deciles"]] == [CUSTOMERS // 10] * 10
    assert sum(row["share"] for row in panel["deciles"]) == pytest.approx(1)
    assert sum(panel["histogram"]["traces"][0]["y"]) == CUSTOMERS
    for link, expected in zip(
        panel["histogram"]["traces"][0]["customdata"], panel["histogram"]["traces"][0]["y"], strict=True
    ):
        assert count_linked_customers(admin_client, link) == expected
    for row in panel["deciles"]:
        assert count_linked_customers(admin_client, row["url"]) >= row["customers"]
    groups = admin_client.get(CLUSTERS_PAGE).context["clusters"]
    for row in groups["rows"]:
        assert count_linked_customers(admin_client, row["url"]) == row["customers"]
    assert sum(row["is_used"] for row in panel["models"]) == 1


def test_the_customer_page_shows_the_accuracy_of_the_prediction(admin_client: Client, shop: list[Customer]) -> None:
    text = admin_client.get(f"/admin/lifecycle/customerprofile/customer/{shop[1].pk}/?tab=predictions").content.decode()
    assert "In a test on the last" in text
    assert "actual orders were" in text


def test_an_order_updates_value_and_next_order_with_the_models_of_the_last_refresh(shop: list[Customer]) -> None:
    sleeper = CustomerProfile.objects.filter(p_alive__lt=0.3).order_by("-orders", "pk").first()
    assert sleeper is not None
    others = CustomerProfile.objects.exclude(pk=sleeper.pk).order_by("pk")
    fields = ("pk", "value", "p_alive", "next_order_from", "valued_at")
    before = list(others.values_list(*fields))
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=5)) == 0, "nobody has ordered since"
    make_order(sleeper.customer, placed_at=NOON + timedelta(minutes=10), total=Decimal(90))
    recount_customers(customer_ids=[sleeper.pk], as_of=NOON + timedelta(minutes=11))
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=12)) == 1
    updated = CustomerProfile.objects.get(pk=sleeper.pk)
    assert updated.p_alive > sleeper.p_alive + 0.3
    assert updated.value > sleeper.value
    assert updated.next_order_from is not None
    assert updated.valued_at == NOON + timedelta(minutes=12)
    assert list(others.values_list(*fields)) == before
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=20)) == 0
    earlier = {name: getattr(updated, name) for name in ("p_alive", "expected_orders", "next_order_likely")}
    refresh_profiles(as_of=NOON + timedelta(minutes=12), started_at=NOON)
    refreshed = CustomerProfile.objects.get(pk=sleeper.pk)
    # one more order changes the parameters, and so all scores, slightly
    assert refreshed.p_alive == pytest.approx(earlier["p_alive"], abs=0.05)
    assert refreshed.expected_orders == pytest.approx(earlier["expected_orders"], rel=0.1)
    assert abs((refreshed.next_order_likely - earlier["next_order_likely"]).days) <= 2


def test_an_order_that_arrives_late_updates_the_scores(shop: list[Customer]) -> None:
    sleeper = CustomerProfile.objects.filter(p_alive__lt=0.3).order_by("-orders", "pk").first()
    assert sleeper is not None
    recount_customers(customer_ids=[sleeper.pk], as_of=NOON + timedelta(minutes=5))
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=5)) == 0, "no order has changed"
    make_order(sleeper.customer, placed_at=NOON - timedelta(days=1), total=Decimal(90))
    recount_customers(customer_ids=[sleeper.pk], as_of=NOON + timedelta(minutes=11))
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=12)) == 1
    updated = CustomerProfile.objects.get(pk=sleeper.pk)
    assert updated.p_alive > sleeper.p_alive + 0.3
    assert updated.churn < sleeper.churn
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=20)) == 0
