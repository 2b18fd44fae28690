"""The probability active over time: each point uses only the orders before it."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from customers.identity.models import Customer
from customers.lifecycle.clv.active_history import MAX_POINTS, compute_active_history
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.refresh.score_models import load_latest_score_models
from tests.makers import NOON, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db

BG_NBD = {"name": "bg_nbd", "r": 0.9, "alpha": 30.0, "a": 0.8, "b": 2.5}


@pytest.fixture
def purchase_model() -> None:
    from customers.lifecycle.scoring.clv.fitting import PurchaseModelFit, serialize_fit
    from customers.lifecycle.scoring.clv.models.bg_nbd import BgNbd

    run = LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    fit = PurchaseModelFit(BgNbd.from_dict(BG_NBD), None, 1.0, 100, 50)
    ScoreModel.objects.create(
        run=run, kind=ScoreModel.Kind.PURCHASE_MODEL, algorithm="bg_nbd", parameters=serialize_fit(fit)
    )


@pytest.fixture
def anna() -> Customer:
    anna, tea = make_customer("anna"), make_product("tea")
    for days in (90, 60, 30, 27):
        make_order(anna, placed_at=NOON - timedelta(days=days, hours=2), products=[tea])
    return anna


def test_the_last_point_equals_the_formula_and_time_without_orders_lowers_it(
    purchase_model: None, anna: Customer
) -> None:
    history = compute_active_history(customer_id=anna.pk, as_of=NOON, score_models=load_latest_score_models())
    assert history is not None
    x, t_x, age = 3, 63.0, 90.0
    r, alpha, a, b = (BG_NBD[name] for name in ("r", "alpha", "a", "b"))
    expected = 1 / (1 + a / (b + x - 1) * ((alpha + age) / (alpha + t_x)) ** (r + x))
    assert history.p_alive[-1] == pytest.approx(expected)
    assert history.p_alive[-2] > history.p_alive[-1]
    assert history.at[-1] == NOON
    assert len(history.at) == 91
    assert len(history.ordered) == 4


def test_days_are_those_of_the_shop(purchase_model: None, settings: Any) -> None:
    """Two orders of an afternoon in California are one day with an order, which begins at its midnight, also in summer time."""
    settings.TIME_ZONE = "America/Los_Angeles"
    zone = ZoneInfo("America/Los_Angeles")
    bob, tea = make_customer("bob"), make_product("tea")
    for hour in (15, 17):
        make_order(bob, placed_at=datetime(2025, 2, 3, hour, tzinfo=zone), products=[tea])
    as_of = datetime(2025, 4, 4, 0, 30, tzinfo=zone)
    history = compute_active_history(customer_id=bob.pk, as_of=as_of, score_models=load_latest_score_models())
    assert history is not None
    assert [at.astimezone(zone) for at in history.ordered] == [datetime(2025, 2, 3, tzinfo=zone)]
    assert history.p_alive == [1.0] * 61  # a customer without a repeat is active for certain in this model
    days = [at.astimezone(zone).date() for at in history.at]
    assert days == [date(2025, 2, 3) + timedelta(days=number) for number in range(61)]


def test_each_point_uses_only_the_orders_before_it(purchase_model: None, anna: Customer) -> None:
    complete = compute_active_history(customer_id=anna.pk, as_of=NOON, score_models=load_latest_score_models())
    earlier = compute_active_history(
        customer_id=anna.pk, as_of=NOON - timedelta(days=40), score_models=load_latest_score_models()
    )
    assert complete is not None
    assert earlier is not None
    assert complete.at[: len(earlier.at)] == earlier.at
    assert complete.p_alive[: len(earlier.p_alive)] == pytest.approx(earlier.p_alive)


def test_a_long_history_is_thinned_to_the_points_of_a_chart(purchase_model: None) -> None:
    old, tea = make_customer("old"), make_product("tea")
    make_order(old, placed_at=NOON - timedelta(days=365 * 70), products=[tea])
    make_order(old, placed_at=NOON - timedelta(days=3), products=[tea])
    history = compute_active_history(customer_id=old.pk, as_of=NOON, score_models=load_latest_score_models())
    assert history is not None
    assert MAX_POINTS * 0.9 < len(history.at) <= MAX_POINTS
    assert np.isfinite(history.p_alive).all()


def test_there_is_no_history_without_an_order_or_a_purchase_model(anna: Customer) -> None:
    assert compute_active_history(customer_id=anna.pk, as_of=NOON, score_models=load_latest_score_models()) is None


def test_there_is_no_history_of_a_customer_without_orders(purchase_model: None) -> None:
    assert (
        compute_active_history(customer_id=make_customer("bob").pk, as_of=NOON, score_models=load_latest_score_models())
        is None
    )
