"""Predictions of earlier refreshes compared with actual orders."""

from datetime import timedelta

import pytest
from django.test import Client

from customers.lifecycle.clv.backtest import is_forecast_off
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.orders.models import Order
from tests.customers.lifecycle.sample_shop import make_sample_shop
from tests.makers import NOON

pytestmark = pytest.mark.django_db

PAGE = "/admin/lifecycle/customerprofile/lifecycle/value/"


def test_earlier_refreshes_are_compared_with_the_actual_orders_since(admin_client: Client, db: None) -> None:
    make_sample_shop(until=NOON)
    for ago in (120, 40, 20):
        refresh_profiles(as_of=NOON - timedelta(days=ago), started_at=NOON)
    refresh_profiles(as_of=NOON, started_at=NOON)
    score_model = ScoreModel.objects.filter(kind="purchase_model").first()
    assert score_model is not None
    backtests = score_model.figures["backtests"]
    assert [(row["as_of"][:10], row["days"]) for row in backtests] == [("2026-10-15", 40), ("2026-07-27", 120)]
    latest = backtests[0]
    known = Order.objects.filter(placed_at__lt=NOON - timedelta(days=40)).values("customer")
    since = Order.objects.filter(placed_at__gte=NOON - timedelta(days=40), customer__in=known)
    actual = {(order.customer_id, order.placed_at.date()) for order in since}
    assert latest["actual"] == len(actual)
    assert latest["low"] < latest["ratio"] < latest["high"]
    assert latest["ratio"] == pytest.approx(latest["actual"] / latest["expected"])
    assert 0.6 < latest["coverage"] <= 1
    page = admin_client.get(PAGE)
    assert len(page.context["value"]["backtests"]) == 2
    assert not page.context["value"]["backtests"][0]["is_off"]


@pytest.mark.parametrize(
    ("low", "high", "is_off"),
    [(0.9, 1.1, False), (0.5, 0.74, True), (1.26, 2, True), (0.6, 0.9, False), (None, None, False)],
)
def test_a_forecast_is_off_if_significantly_and_by_more_than_a_quarter(
    low: float | None, high: float | None, is_off: bool
) -> None:
    assert is_forecast_off({"low": low, "high": high}) is is_off
