"""Propensities: trained and written by a refresh, kept for a week, explained and evaluated."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.translation import override
from rest_framework.test import APIClient

from config.access.grants import Grant
from customers.identity.models import Customer
from customers.lifecycle.backoffice.labels.difference_labels import describe_differences
from customers.lifecycle.backoffice.labels.propensity_labels import (
    CANDIDATE_LABELS,
    FAMILY_LABELS,
    FEATURE_LABELS,
    format_reason,
)
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.facts.order_facts import read_order_facts
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.propensity.explanations import PropensityReason, explain_propensities
from customers.lifecycle.propensity.models import (
    MODEL_RETENTION,
    PROPENSITY_KINDS,
    delete_old_arrays,
    load_served_model,
    to_orders,
)
from customers.lifecycle.refresh.nightly import refresh_outdated_scores, refresh_profiles
from customers.lifecycle.refresh.profile_updates import recount_customers
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.lifecycle.scoring.propensity.features.features import group_by_family
from customers.lifecycle.scoring.propensity.metrics import evaluate_scores
from customers.lifecycle.scoring.propensity.model_selection import CANDIDATES
from customers.lifecycle.scoring.propensity.training import TRAINED_REASONS
from customers.orders.models import Order, OrderLine
from tests.customers.lifecycle.sample_shop import make_sample_shop, share_rows
from tests.makers import NOON, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db

SCORES = ("churn", "purchase_7", "purchase_30", "purchase_90", "next_category", "next_category_probability")
CUSTOMERS = 300
EARLIER = NOON - timedelta(days=40)


@pytest.fixture(autouse=True)
def limit_training_customers() -> None:
    """Train on all customers."""


@pytest.fixture(scope="module")
def trained(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[int, dict[str, Any]]]:
    """Return the first scores of a shop that is refreshed 40 days before noon and at noon.

    All tests here share it.
    """
    with share_rows(django_db_blocker):
        customers = make_sample_shop(customers=CUSTOMERS)
        tea, cup = make_product("tea", category="Drinks > Tea"), make_product("cup", category="Home")
        make_lines(customers, (tea, cup))
        refresh_profiles(as_of=EARLIER, started_at=NOON)
        then = read_scores()
        refresh_profiles(as_of=NOON, started_at=NOON)
        with django_db_blocker.block():
            yield then


def make_lines(customers: list[Customer], products: tuple[Any, Any]) -> None:
    """Add lines to all orders.

    The first customer and every second one after it buy the first product, the others the second.
    """
    first = customers[0].pk  # a multiple of two or not, depending on the tests before
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order, line_number=1, product=products[(order.customer_id - first) % 2], quantity=1, unit_price=order.total,
            total=order.total,
        )
        for order in Order.objects.filter(customer__in=customers)
    )  # fmt: skip


def read_scores() -> dict[int, dict[str, Any]]:
    return {
        row["customer_id"]: row for row in CustomerProfile.objects.filter(orders__gt=0).values("customer_id", *SCORES)
    }


def get_score_models(as_of: datetime = NOON) -> dict[str, ScoreModel]:
    run = LifecycleRun.objects.filter(as_of=as_of).latest("id")
    return {score_model.kind: score_model for score_model in run.score_models.all()}


def test_every_buyer_has_all_probabilities_and_a_visitor_has_none(trained: Any) -> None:
    scores_by_customer = read_scores()
    assert len(scores_by_customer) == CUSTOMERS
    for row in scores_by_customer.values():
        assert all(0 < row[kind] < 1 for kind in PROPENSITY_KINDS)
        assert 0 < row["next_category_probability"] <= 1
        assert row["purchase_7"] <= row["purchase_30"] + 1e-9
        assert row["purchase_30"] <= row["purchase_90"] + 1e-9
    visitor = make_customer("visitor", first_seen_at=NOON - timedelta(days=1))
    refresh_profiles(as_of=NOON, started_at=NOON)
    scores = CustomerProfile.objects.filter(customer=visitor).values(*SCORES).get()
    assert set(scores.values()) == {None, ""}
    reasons = {row["reason"] for row in build_customer_profile(customer_id=visitor.pk)["propensities"]}  # type: ignore[index]
    assert reasons == {"no_order"}


def test_no_score_of_a_customer_contradicts_another_one_without_an_explanation(trained: Any) -> None:
    churn_days = get_score_models()["churn"].parameters["horizon_days"]
    for profile in CustomerProfile.objects.filter(orders__gt=0):
        assert profile.p_alive is not None
        assert profile.churn is not None
        assert profile.purchase_90 <= profile.p_alive + 1e-9
        assert 1 - profile.churn <= profile.p_alive + 1e-9
        assert profile.expected_orders is not None
        assert profile.purchase_90 <= profile.expected_orders + 1e-9
        if profile.next_order_reason == "left":
            assert profile.p_alive < 0.5
        if profile.next_order_reason == "long_overdue" and profile.purchase_90 >= 0.5:
            assert profile.purchase_90 < 0.75, "the interval of the date would be longer than a year"
        good = profile.stage in ("new", "active", "loyal", "reactivated")
        if good == (profile.churn >= 0.5):
            assert describe_differences(profile, churn_days=churn_days), (profile.stage, profile.churn)


def test_each_probability_has_an_interval_by_the_level_of_earlier_predictions(trained: Any) -> None:
    anna = CustomerProfile.objects.filter(orders__gte=5).first()
    assert anna is not None
    profile = build_customer_profile(customer_id=anna.pk)
    assert profile is not None
    rows = sorted(profile["propensities"][1:], key=lambda row: row["horizon_days"])
    for row in profile["propensities"]:
        assert 0 < row["low"] <= row["probability"] <= row["high"] < 1
        level = get_score_models()[row["key"]].figures["level"]
        assert row["level"]["cutoffs"] == len(level["periods"])
        assert row["level"]["known"] == (row["level"]["reason"] == "") == (row["level"]["reason_name"] == "")
    assert [row["low"] for row in rows] == sorted(row["low"] for row in rows)
    assert [row["high"] for row in rows] == sorted(row["high"] for row in rows)


def test_a_customer_who_stopped_ordering_has_a_higher_churn_probability(trained: Any) -> None:
    last = CustomerProfile.objects.order_by("last_order_at").first()
    newest = CustomerProfile.objects.filter(orders__gte=8).order_by("-last_order_at").first()
    assert last is not None
    assert newest is not None
    assert last.churn > newest.churn
    assert last.purchase_30 < newest.purchase_30
    assert last.purchase_90 < newest.purchase_90


def test_the_next_category_is_the_one_a_customer_buys(trained: Any) -> None:
    scores_by_customer = read_scores()
    for customer_id, row in scores_by_customer.items():
        assert row["next_category"] == ("Home" if (customer_id - min(scores_by_customer)) % 2 else "Drinks")
        assert row["next_category_probability"] > 0.6
    results_by_name = get_score_models()["next_category"].figures["judged"]
    assert results_by_name["history"]["hit_1"] == pytest.approx(1)
    assert results_by_name["popularity"]["hit_1"] < 0.9


def test_the_score_models_describe_the_training_in_json(trained: Any) -> None:
    for kind in PROPENSITY_KINDS:
        score_model = get_score_models()[kind]
        figures = score_model.figures
        assert json.loads(json.dumps(figures, allow_nan=False)) == figures
        assert (score_model.reason, score_model.algorithm) == ("", figures["winner"])
        assert figures["why"] in TRAINED_REASONS
        assert figures["horizon_days"] == load_served_model(score_model).target.horizon_days
        results_by_name = {row["name"]: row for row in figures["candidates"]}
        assert {"recency", "purchase_model", figures["winner"], figures["baseline"]} <= set(results_by_name)
        quality = figures["quality"]
        (serving,) = [option for option in figures["level"]["options"] if option["serves"]] or [None]
        if serving is None:
            # the winner serves as it is, and its mean before the calibration is that of the comparison
            winner = results_by_name[figures["winner"]]
            assert quality["mean_predicted"] == pytest.approx(winner["mean_predicted"])
            assert quality["brier"] >= winner["brier"] * 0.9
        else:
            assert (serving["candidate"], serving["adjustment"]) == (figures["winner"], figures["level"]["adjustment"])
            assert quality["brier"] == pytest.approx(serving["brier"][0])
            assert quality["mean_predicted"] == pytest.approx(figures["level"]["periods"][0]["predicted"])
        assert (len(quality["lift"]), quality["customers"]) == (10, figures["evaluation_rows"])
        assert sum(quality["curve"]["customers"]) == quality["customers"]
        assert 0 < sum(rule["share"] for rule in figures["rules"]) <= 1 + 1e-9
        assert {condition["operator"] for rule in figures["rules"] for condition in rule["conditions"]} <= {"<=", ">"}
        drift = figures["drift"]
        assert drift["trained_at"] == EARLIER.isoformat()
        assert drift["score"] >= 0
        assert [row["index"] for row in drift["features"]] == sorted(
            (row["index"] for row in drift["features"]), reverse=True
        )


def test_customers_have_not_drifted_minutes_after_the_training(trained: Any) -> None:
    later = NOON + timedelta(minutes=6)
    refresh_profiles(as_of=later, started_at=NOON)
    for kind in PROPENSITY_KINDS:
        drift = get_score_models(later)[kind].figures["drift"]
        assert drift["trained_at"] == NOON.isoformat()
        assert max(drift["score"], *(row["index"] for row in drift["features"])) < 0.05, kind


def test_earlier_models_are_compared_with_the_actual_orders_since(trained: dict[int, dict[str, Any]]) -> None:
    for kind, days in (("purchase_7", 7), ("purchase_30", 30)):
        (backtest,) = get_score_models()[kind].figures["backtests"]
        window = Order.objects.filter(placed_at__gte=EARLIER, placed_at__lt=EARLIER + timedelta(days=days))
        bought = set(window.values_list("customer_id", flat=True))
        predictions = np.array([row[kind] for row in trained.values()])
        quality = evaluate_scores(score=predictions, label=np.array([customer_id in bought for customer_id in trained]))
        assert (backtest["as_of"], backtest["days"]) == (EARLIER.isoformat(), days)
        assert (backtest["customers"], backtest["positives"]) == (quality.customers, quality.positives)
        for name in ("auc", "brier", "mean_predicted", "rate"):
            assert backtest[name] == pytest.approx(getattr(quality, name)), name
        assert backtest["low"] < backtest["rate"] < backtest["high"]
    assert get_score_models()["purchase_90"].figures["backtests"] == []


def test_the_stored_model_is_the_trained_one(trained: Any) -> None:
    facts = read_order_facts(as_of=NOON)
    orders = to_orders(facts.histories)
    as_of_microseconds = to_microseconds(NOON)
    for kind in PROPENSITY_KINDS:
        score_model = get_score_models()[kind]
        assert score_model.trained_by is None
        served = load_served_model(score_model)
        assert served.propensity is not None
        assert served.propensity.winner == score_model.algorithm
        assert score_model.parameters["orders"] == int((~orders.is_return & (orders.at < as_of_microseconds)).sum())
        assert len(bytes(get_score_models()[kind].arrays or b"")) < 1_000_000
    assert "arrays" in load_latest_score_models()["churn"].get_deferred_fields()


def test_the_same_refresh_again_gives_the_same_scores_without_training(trained: Any) -> None:
    before = read_scores()
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    assert read_scores() == before
    first = LifecycleRun.objects.filter(as_of=NOON).earliest("id")
    for kind in PROPENSITY_KINDS:
        score_model = get_score_models()[kind]
        assert score_model.trained_by is not None
        assert (score_model.trained_by.run, score_model.arrays, score_model.figures["kept"]) == (first, None, True)


def test_later_orders_change_nothing_even_when_trained_again(trained: Any) -> None:
    before = read_scores()
    for customer_id in list(before)[:30]:
        make_order(Customer.objects.get(pk=customer_id), placed_at=NOON + timedelta(minutes=1), total=Decimal(5000))
    ScoreModel.objects.all().delete()
    refresh_profiles(as_of=NOON, started_at=NOON + timedelta(hours=1))
    assert read_scores() == before
    assert {score_model.trained_by for score_model in get_score_models().values()} == {None}


def test_one_model_per_refresh_is_trained_again_after_a_week(trained: Any) -> None:
    refresh_profiles(as_of=NOON + timedelta(days=6), started_at=NOON)
    assert not [
        kind for kind in PROPENSITY_KINDS if get_score_models(NOON + timedelta(days=6))[kind].trained_by is None
    ]
    for _repeat in range(2):
        week = NOON + timedelta(days=7)
        refresh_profiles(as_of=week, started_at=NOON)
        trained_kinds = {
            kind
            for kind in PROPENSITY_KINDS
            if ScoreModel.objects.filter(kind=kind, run__as_of=week, trained_by=None).exists()
        }
        assert trained_kinds == {"churn"}


def test_models_are_trained_again_when_many_past_orders_were_added(trained: Any) -> None:
    copied_orders = Order.objects.all()[: Order.objects.count() // 2]
    Order.objects.bulk_create(
        Order(
            source=order.source, order_id=f"late/{order.order_id}", customer=order.customer, currency="EUR",
            placed_at=order.placed_at - timedelta(hours=20), subtotal=order.total, total=order.total,
        )
        for order in copied_orders
    )  # fmt: skip
    refresh_profiles(as_of=NOON + timedelta(days=1), started_at=NOON)
    assert {score_model.trained_by for score_model in get_score_models(NOON + timedelta(days=1)).values()} == {None}


def test_arrays_that_no_backtest_needs_are_deleted(trained: Any) -> None:
    score_models = get_score_models()
    much_later = NOON + MODEL_RETENTION
    kept_id = score_models["churn"].pk
    assert delete_old_arrays(as_of=much_later, keep_ids=[kept_id]) == 2 * len(PROPENSITY_KINDS) - 1
    assert ScoreModel.objects.filter(arrays__isnull=False).get().pk == kept_id


def test_an_order_updates_the_scores_with_the_stored_models(trained: Any) -> None:
    sleeper = CustomerProfile.objects.order_by("-churn").filter(orders__gte=5).first()
    assert sleeper is not None
    before = read_scores()
    make_order(sleeper.customer, placed_at=NOON + timedelta(minutes=10), total=Decimal(90))
    recount_customers(customer_ids=[sleeper.pk], as_of=NOON + timedelta(minutes=11))
    assert refresh_outdated_scores(as_of=NOON + timedelta(minutes=12)) == 1
    after = read_scores()
    assert after[sleeper.pk]["churn"] < before[sleeper.pk]["churn"]
    assert after[sleeper.pk]["purchase_30"] > before[sleeper.pk]["purchase_30"]
    assert {pk: row for pk, row in after.items() if pk != sleeper.pk} == {
        pk: row for pk, row in before.items() if pk != sleeper.pk
    }
    refresh_profiles(as_of=NOON + timedelta(minutes=12), started_at=NOON)
    rescored = read_scores()[sleeper.pk]
    for kind in PROPENSITY_KINDS:
        assert rescored[kind] == pytest.approx(after[sleeper.pk][kind], abs=0.05)


def test_each_probability_has_the_reasons_that_change_it_most(trained: Any) -> None:
    anna = CustomerProfile.objects.filter(orders__gte=5).first()
    assert anna is not None
    assert anna.valued_at is not None
    score_models = load_latest_score_models()
    with CaptureQueriesContext(connection) as first:
        reasons_by_kind = explain_propensities(customer_id=anna.pk, as_of=anna.valued_at, score_models=score_models)
    with CaptureQueriesContext(connection) as queries:
        assert (
            explain_propensities(customer_id=anna.pk, as_of=anna.valued_at, score_models=score_models)
            == reasons_by_kind
        )
    assert len(queries) == 3, "categories, customer, orders: models are loaded once"
    assert len(first) >= len(queries)
    assert set(reasons_by_kind) == set(PROPENSITY_KINDS)
    for kind, reasons in reasons_by_kind.items():
        served = load_served_model(score_models[kind])
        assert served.propensity is not None
        assert 1 <= len(reasons) <= 3
        assert len({reason.family for reason in reasons}) == len(reasons)
        assert {reason.feature for reason in reasons} <= set(served.propensity.names)
    days = (NOON - anna.last_order_at).total_seconds() / 86400
    values = [
        reason.value for reasons in reasons_by_kind.values() for reason in reasons if reason.feature == "recency_days"
    ]
    assert values == pytest.approx([days] * len(values))
    assert explain_propensities(customer_id=anna.pk, as_of=anna.first_order_at, score_models=score_models) == {}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_customer_page_shows_the_predictions(admin_client: Client, trained: Any, language: str) -> None:
    anna = CustomerProfile.objects.filter(orders__gte=5).first()
    assert anna is not None
    url = f"/admin/lifecycle/customerprofile/customer/{anna.pk}/"
    page = admin_client.get(url, {"tab": "predictions"}, headers={"accept-language": language})
    text = page.content.decode()
    assert [row["share"] for row in page.context["predictions"][:4]] != ["–"] * 4
    assert page.context["predictions"][4]["meaning"] == anna.next_category
    with override(language):
        profile = build_customer_profile(customer_id=anna.pk)
    assert profile is not None
    for propensity in profile["propensities"]:
        for reason in propensity["reasons"]:
            assert reason["text"] in text
    assert "AUC" in text
    assert "nan" not in text.lower().replace("finance", "")


def test_the_profile_has_the_propensities_over_rest(trained: Any) -> None:
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="test", scopes=frozenset({"customers:read"})))
    profile = client.get("/api/v1/customers/buyer-3/profile/").json()
    assert [row["key"] for row in profile["propensities"]] == list(PROPENSITY_KINDS)
    for row in profile["propensities"]:
        assert 0 < row["probability"] < 1
        assert (row["fallback"], row["reason"]) == (False, "")
        assert row["trained_at"] == NOON.isoformat().replace("+00:00", "Z")
        assert {reason["direction"] for reason in row["reasons"]} <= {"raises", "lowers"}
        assert all(reason["text"] and reason["family"] for reason in row["reasons"])
    assert profile["propensities"][2]["horizon_days"] == 30
    assert profile["next_category"]["reason"] == ""


def test_customers_with_orders_in_two_currencies_have_propensities(trained: Any) -> None:
    customer = Customer.objects.get(pk=next(iter(read_scores())))
    make_order(customer, placed_at=NOON - timedelta(days=2), currency="CNY", total=Decimal("99999999.99"))
    refresh_profiles(as_of=NOON, started_at=NOON)
    assert all(0 < read_scores()[customer.pk][kind] < 1 for kind in PROPENSITY_KINDS)
    assert CustomerProfile.objects.get(customer=customer).value is None


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [
        ("recency_days", 14.0, "days since the last order: 14"),
        ("active_weeks_12", 12.0, "weeks with an order, last 12 weeks: 12"),
        ("gap_days", 3.456, "days between orders: 3.5"),
        ("overdue", 1.239, "time since the last order ÷ usual gap: 1.24"),
        ("return_share", 0.125, "return rate: 12%"),
        ("orders_trend", 0.6931, "orders, last 90 days vs. previous 90: × 2"),
        ("spend", 1234.56, "total spend: €1,234.56"),
        ("purchase_probability", 0.991, "probability from the purchase model: 99%"),
    ],
)
def test_a_reason_has_the_feature_and_its_value(feature: str, value: float, expected: str) -> None:
    assert format_reason(PropensityReason(feature, "recency", value, raises=True), currency="EUR") == expected


def test_every_feature_and_family_of_the_models_has_a_label(trained: Any) -> None:
    for kind in PROPENSITY_KINDS:
        served = load_served_model(get_score_models()[kind])
        assert served.propensity is not None
        assert set(served.propensity.names) <= set(FEATURE_LABELS)
        assert set(group_by_family(served.propensity.names)[0]) <= set(FAMILY_LABELS)
    assert set(CANDIDATES) == set(CANDIDATE_LABELS)
