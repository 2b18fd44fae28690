"""Scores of different models that contradict each other, one kind per test."""

import numpy as np
import pytest

from customers.lifecycle.backoffice.labels.difference_labels import describe_differences
from customers.lifecycle.models import CustomerProfile, RfmGroup, Stage
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.refresh.score_consistency import reconcile_scores
from customers.lifecycle.scoring.next_order.forecast import FORECAST, LEFT, LONG_OVERDUE

TODAY = 20_000.5


def reconcile(*, purchase: tuple[float, float, float], p_alive: float, churn: float, reason: int) -> dict[str, float]:
    """Return the reconciled columns of one customer."""
    columns = {
        "p_alive": np.array([p_alive]),
        "churn": np.array([churn]),
        **{f"purchase_{days}": np.array([share]) for days, share in zip((7, 30, 90), purchase, strict=True)},
        **{name: np.array([-1]) for name in ("next_order_from", "next_order_likely", "next_order_to")},
        "next_order_reason": np.array([reason]),
    }
    scores = reconcile_scores(ProfileScores(np.array([1]), columns), today=TODAY)
    return {name: values[0] for name, values in scores.columns.items()}


def make_profile(**values: object) -> CustomerProfile:
    return CustomerProfile(
        **{"stage": Stage.LOYAL, "rfm_group": RfmGroup.LOYAL, "p_alive": 0.95, "churn": 0.1} | values
    )


def test_who_probably_orders_soon_has_not_probably_churned():
    scores = reconcile(purchase=(0.92, 0.99, 0.99), p_alive=0.99, churn=0.01, reason=LEFT)
    assert scores["next_order_reason"] == FORECAST
    assert TODAY - 1 < scores["next_order_from"] <= scores["next_order_likely"] <= scores["next_order_to"] < TODAY + 7


def test_a_purchase_is_never_more_probable_than_being_active():
    scores = reconcile(purchase=(0.2, 0.5, 0.87), p_alive=0.0001, churn=0.4, reason=LEFT)
    assert scores["p_alive"] == 0.87
    assert reconcile(purchase=(0.1, 0.2, 0.3), p_alive=0.6, churn=0.8, reason=FORECAST)["p_alive"] == 0.6


def test_probably_churned_is_only_said_of_customers_who_are_probably_inactive():
    late = {"purchase": (0.1, 0.2, 0.3), "churn": 0.8, "reason": LEFT}
    assert reconcile(p_alive=0.7, **late)["next_order_reason"] == LONG_OVERDUE
    assert reconcile(p_alive=0.2, **late)["next_order_reason"] == LEFT


def test_the_likeliest_day_is_not_within_a_month_if_a_purchase_within_a_month_is_improbable():
    scores = reconcile(purchase=(0.1, 0.25, 0.52), p_alive=0.55, churn=0.6, reason=LONG_OVERDUE)
    assert scores["next_order_reason"] in (FORECAST, LONG_OVERDUE)
    assert scores["next_order_likely"] == -1 or scores["next_order_likely"] > TODAY + 30


def test_the_orders_expected_in_a_year_are_at_least_the_probability_of_one_within_90_days():
    columns = {
        "p_alive": np.array([0.0001, 0.9]),
        "churn": np.array([0.2, 0.2]),
        **{f"purchase_{days}": np.array([0.6, 0.6]) for days in (7, 30)},
        "purchase_90": np.array([0.95, 0.95]),
        "next_order_reason": np.array([FORECAST, FORECAST]),
        **{name: np.array([20_001, 20_001]) for name in ("next_order_from", "next_order_likely", "next_order_to")},
        "expected_orders": np.array([0.02, 40.0]),
        "expected_orders_low": np.array([0.0, 0.0]),
        "expected_orders_high": np.array([0.0, 50.0]),
        "expected_order_value": np.array([10.0, 10.0]),
        "value": np.array([0.2, 400.0]),
        "spend_high": np.array([0.0, 500.0]),
        "interval_probability": np.array([0.98, 0.81]),
    }
    raised = reconcile_scores(ProfileScores(np.array([1, 2]), columns), today=TODAY).columns
    assert raised["expected_orders"].tolist() == [0.95, 40.0]
    assert raised["expected_orders_low"].tolist() == [1.0, 1.0]
    assert raised["expected_orders_high"].tolist() == [1.0, 50.0]
    assert raised["value"] == pytest.approx([9.5, 400.0])
    assert raised["spend_high"].tolist() == [10.0, 500.0]
    assert raised["interval_probability"].tolist() == [0.8, 0.81], "0.98 was the probability of 0 to 0"


def test_unknown_scores_stay_unknown():
    scores = reconcile(purchase=(np.nan,) * 3, p_alive=0.4, churn=np.nan, reason=LEFT)
    assert (scores["p_alive"], scores["next_order_reason"]) == (0.4, LEFT)
    assert np.isnan(scores["purchase_30"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"churn": None}, []),
        ({"churn": 0.6}, ["at any time"]),
        ({"stage": Stage.CHURNED, "rfm_group": RfmGroup.HIBERNATING, "churn": 0.8}, ["at any time"]),
        ({"stage": Stage.CHURNED, "rfm_group": RfmGroup.HIBERNATING, "p_alive": 0.1, "churn": 0.9}, []),
        ({"stage": Stage.ACTIVE, "p_alive": 0.3, "churn": 0.7}, ["70% of customers with a similar history"]),
        (
            {"stage": Stage.DORMANT, "rfm_group": RfmGroup.CANT_LOSE, "churn": 0.1},
            ["90% of customers with a similar history order again within 32 days"],
        ),
        ({"rfm_group": RfmGroup.HIBERNATING}, ["compares this customer with all others"]),
        (
            {"stage": Stage.AT_RISK, "rfm_group": RfmGroup.CHAMPIONS, "churn": 0.2},
            ["unusually long", "compares this customer with all others"],
        ),
    ],
)
def test_metrics_that_measure_different_things_are_explained(values, expected):
    texts = describe_differences(make_profile(**values), churn_days=32)
    assert len(texts) == len(expected)
    for text, part in zip(texts, expected, strict=True):
        assert part in text
