"""The correction of intervals is stored, used by every update, and shown with the share that the intervals really held."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db.models import QuerySet
from django.test import Client
from django.utils.translation import override

from customers.identity.models import Customer
from customers.lifecycle.alerts import find_model_alerts
from customers.lifecycle.backoffice.labels.alert_messages import format_alert
from customers.lifecycle.backoffice.labels.clv_labels import describe_held
from customers.lifecycle.clv.held_coverage import get_held_coverage, is_coverage_off, list_held_coverage
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.refresh.incremental import rescore_customers
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.lifecycle.scoring.clv.prediction.interval_calibration import deserialize_calibration
from tests.customers.lifecycle.rest.test_api import make_client
from tests.customers.lifecycle.sample_shop import CUSTOMERS, make_sample_shop, share_rows
from tests.makers import NOON

pytestmark = pytest.mark.django_db

PAGE = "/admin/lifecycle/customerprofile/lifecycle/value/"
FIELDS = ("expected_orders_low", "expected_orders_high", "spend_low", "spend_high", "interval_probability")


@pytest.fixture(scope="module")
def shop(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[Customer]]:
    """The sample shop, refreshed once, with a correction although it has only 120 customers."""
    with share_rows(django_db_blocker):
        customers = make_sample_shop()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("customers.lifecycle.propensity.scoring.MAX_TRAINING_CUSTOMERS", 40)
            patch.setattr("customers.lifecycle.scoring.clv.interval_learning.MIN_CUSTOMERS", 60)
            refresh_profiles(as_of=NOON, started_at=NOON)
        with django_db_blocker.block():
            yield customers


def load_purchase_model() -> ScoreModel:
    return load_latest_score_models()["purchase_model"]


def read_intervals(profiles: QuerySet[CustomerProfile]) -> np.ndarray:
    """Return the interval columns, (customers, columns)."""
    return np.array(list(profiles.values_list(*FIELDS)), np.float64)


def test_the_correction_is_stored_with_the_parameters(shop: list[Customer]) -> None:
    calibration = deserialize_calibration(load_purchase_model().parameters["intervals"])
    assert set(calibration.tables) == {"purchases", "spend"}
    # The customers of this shop order at even gaps, so intervals shorter than the model's suffice for a month.
    assert calibration.tables["purchases"].levels[0].max() < 0.8


def test_an_update_between_refreshes_gives_the_intervals_of_the_refresh(shop: list[Customer]) -> None:
    ids = [customer.pk for customer in shop[:20]]
    profiles = CustomerProfile.objects.filter(pk__in=ids).order_by("pk")
    before = read_intervals(profiles)
    assert rescore_customers(customer_ids=ids, as_of=NOON) == 20
    # Quantiles of spend are interpolated between points that depend on the customers scored together.
    assert read_intervals(profiles) == pytest.approx(before, rel=0.02, abs=0.01)
    score_model = load_purchase_model()
    score_model.parameters |= {"intervals": None}
    score_model.save()
    rescore_customers(customer_ids=ids, as_of=NOON)
    assert read_intervals(profiles) != pytest.approx(before, rel=0.02, abs=0.01)


def test_a_backtest_uses_the_correction_of_its_refresh(shop: list[Customer], monkeypatch: pytest.MonkeyPatch) -> None:
    early = NOON - timedelta(days=40)
    monkeypatch.setattr("customers.lifecycle.scoring.clv.interval_learning.MIN_CUSTOMERS", 60)
    refresh_profiles(as_of=early, started_at=NOON)
    coverage = []
    for intervals in ("kept", "removed"):
        score_model = ScoreModel.objects.get(kind="purchase_model", run__as_of=early)
        if intervals == "removed":
            score_model.parameters.pop("intervals")
            score_model.save()
        refresh_profiles(as_of=NOON, started_at=NOON + timedelta(minutes=len(coverage)))
        latest = LifecycleRun.objects.filter(as_of=NOON).latest("pk").score_models.get(kind="purchase_model")
        coverage.append(latest.figures["backtests"][0]["coverage"])
    assert abs(coverage[0] - 0.8) < abs(coverage[1] - 0.8)


def test_rest_returns_the_share_held_at_the_longest_horizon_tested(shop: list[Customer]) -> None:
    body = make_client("customers:read").get("/api/v1/customers/buyer-1/profile/").json()
    held = body["value"]["interval_held"]
    rows = list_held_coverage(load_purchase_model())
    assert [row["days"] for row in rows] == [28, 56, 112, 182]
    assert held == {
        "stated": 0.8,
        "days": 182,
        "customers": rows[-1]["customers"],
        "orders": rows[-1]["orders"],
        "spend": rows[-1]["spend"],
    }
    assert held["customers"] == CUSTOMERS


def test_a_customer_without_predictions_has_no_share(shop: list[Customer]) -> None:
    CustomerProfile.objects.filter(pk=shop[0].pk).update(p_alive=None)
    profile = build_customer_profile(customer_id=shop[0].pk)
    assert profile is not None
    assert profile["value"]["interval_held"] is None
    assert get_held_coverage(None) is None


def test_both_pages_show_the_share_in_both_languages(admin_client: Client, shop: list[Customer]) -> None:
    held = get_held_coverage(load_purchase_model())
    customer_page = f"/admin/lifecycle/customerprofile/customer/{shop[1].pk}/?tab=predictions"
    for language, start in (
        ("en", "In a test on the last 182 days, 80% intervals"),
        ("zh-hans", "在最近 182 天的测试中"),
    ):
        with override(language):
            orders, spend = describe_held(held, "orders"), describe_held(held, "spend")
        assert orders.startswith(start)
        for path, texts in ((customer_page, (orders, spend)), (PAGE, (orders,))):
            content = admin_client.get(path, headers={"Accept-Language": language}).content.decode()
            for text in texts:
                assert text in content, (language, path)
    rows = admin_client.get(PAGE).context["value"]["held_rows"]
    assert [row["days"] for row in rows] == ["28", "56", "112", "182"]
    assert all(row["orders"].endswith("%") and row["uncorrected_orders"].endswith("%") for row in rows)


def test_without_a_test_the_pages_say_so(admin_client: Client, shop: list[Customer]) -> None:
    score_model = load_purchase_model()
    score_model.figures |= {"held_coverage": []}
    score_model.save()
    content = admin_client.get(
        f"/admin/lifecycle/customerprofile/customer/{shop[1].pk}/?tab=predictions"
    ).content.decode()
    assert "The intervals are not tested yet. A test needs about three months of orders." in content
    assert admin_client.get(PAGE).context["value"]["held_rows"] == []


@pytest.mark.parametrize(
    ("share", "customers", "is_off"),
    [
        (0.8, 5000, False),
        (0.76, 5000, False),
        (0.74, 5000, True),
        (0.86, 250, True),
        (0.6, 249, False),
        (None, 5000, False),
    ],
)
def test_coverage_is_off_by_more_than_5_points_among_enough_customers(
    share: float | None, customers: int, is_off: bool
) -> None:
    assert is_coverage_off(share=share, customers=customers) is is_off


def make_backtest(coverage: float, customers: int = 1_000) -> dict[str, Any]:
    return {
        "as_of": (NOON - timedelta(days=91)).isoformat(), "days": 91.0, "customers": customers, "expected": 100.0,
        "actual": 100, "ratio": 1.0, "low": 0.9, "high": 1.1, "coverage": coverage,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("coverage", "text", "chinese"),
    [(0.63, "too narrow: of those predicted on Aug 25, 2026, only 63%", "区间过窄"), (0.91, "too wide", "区间过宽")],
)
def test_intervals_that_do_not_hold_raise_one_alert(coverage: float, text: str, chinese: str) -> None:
    run = LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    score_model = ScoreModel.objects.create(
        run=run, kind="purchase_model", algorithm="bg_nbd", figures={"backtests": [make_backtest(coverage)] * 2}
    )
    (alert,) = find_model_alerts()
    assert (alert.code, alert.score_model) == ("intervals_off", score_model)
    assert text in format_alert(alert).text
    assert format_alert(alert).url == PAGE
    with override("zh-hans"):
        assert chinese in format_alert(alert).text


def test_the_test_of_a_first_refresh_raises_the_alert_too() -> None:
    run = LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    figures = {
        "quantity": "purchases",
        "horizon_days": 91,
        "cutoff": 0,
        "customers": 900,
        "share": 0.7,
        "uncorrected": 0.6,
    }
    ScoreModel.objects.create(run=run, kind="purchase_model", algorithm="bg_nbd", figures={"held_coverage": [figures]})
    assert [alert.code for alert in find_model_alerts()] == ["intervals_off"]
