"""Scores the estimates in the profile of each customer: active, orders, spend, churn, purchases and stages."""

from typing import Any

import numpy as np

from benchmarks.truth_measures import measure_coverage, score_probability, score_quantity
from benchmarks.truth_shop import ShopTruth, find_customers
from config.foundation.array_types import Floats
from config.simulation.plan import HORIZON, PURCHASE_DAYS

FIELDS = (
    "p_alive",
    "expected_orders",
    "expected_orders_low",
    "expected_orders_high",
    "expected_order_value",
    "spend_low",
    "spend_high",
    "interval_probability",
    "churn",
    "purchase_7",
    "purchase_30",
    "purchase_90",
)
STAGES = ("new", "active", "loyal", "reactivated", "at_risk", "dormant", "churned")


def score_customers(truth: ShopTruth) -> dict[str, Any]:
    """Return the scores of all estimates, each for the customers who have it."""
    profiles, stage = read_profiles(truth)
    customers = truth.customers
    orders, spend = truth.sum_future(HORIZON), truth.sum_future(HORIZON, values=True)
    expected = profiles["expected_orders"] * profiles["expected_order_value"]
    figures = {
        "p_active": select(score_probability, profiles["p_alive"], customers["is_alive"], customers["p_alive"]),
        "orders": select(score_quantity, profiles["expected_orders"], orders, customers[f"expected_{HORIZON}_orders"])
        | score_interval(
            orders, profiles["expected_orders_low"], profiles["expected_orders_high"], profiles["interval_probability"]
        ),
        "spend": select(score_quantity, expected, spend, customers[f"expected_{HORIZON}_revenue"])
        | score_interval(spend, profiles["spend_low"], profiles["spend_high"], profiles["interval_probability"]),
    }
    for days in (7, 30, 90):
        happened = truth.sum_future(days) > 0
        figures[f"purchase_{days}"] = select(
            score_probability, profiles[f"purchase_{days}"], happened, customers[f"p_order_{days}"]
        )
    figures["churn"] = score_churn(truth, profiles["churn"])
    figures["stages"] = score_stages(truth, stage)
    return figures


def read_profiles(truth: ShopTruth) -> tuple[dict[str, Floats], Any]:
    """Return the fields of the profiles in the row order of the truth, NaN where there is none, and the stages."""
    from customers.lifecycle.models import CustomerProfile

    stored = {row[0]: row[1:] for row in CustomerProfile.objects.values_list("customer_id", "stage", *FIELDS)}
    keys = find_customers()
    nothing = ("", *[None] * len(FIELDS))
    rows = [stored.get(keys.get(customer_id, -1), nothing) for customer_id in truth.customers["customer_id"]]
    values = np.array([[np.nan if value is None else float(value) for value in row[1:]] for row in rows])
    return dict(zip(FIELDS, values.T, strict=True)), np.array([row[0] for row in rows])


def select(score: Any, estimate: Floats, truth: Any, oracle: Floats) -> dict[str, Any]:
    known = ~np.isnan(estimate)
    return dict(score(truth[known], estimate[known], oracle[known])) if known.any() else {"customers": 0}


def score_interval(truth: Floats, low: Floats, high: Floats, stated: Floats) -> dict[str, Any]:
    known = ~(np.isnan(low) | np.isnan(high))
    return {
        "inside": measure_coverage(truth[known], low[known], high[known]),
        "stated": float(np.nanmean(stated[known])),
    }


def score_churn(truth: ShopTruth, churn: Floats) -> dict[str, Any]:
    """Score churn, which is no order within a horizon derived from the shop's gaps; the ceiling is that of the nearest known horizon."""
    from customers.lifecycle.models import ScoreModel

    model = ScoreModel.objects.filter(kind=ScoreModel.Kind.CHURN).latest("run_id")
    horizon = int(model.parameters["horizon_days"])
    nearest = min(PURCHASE_DAYS, key=lambda days: abs(days - horizon))
    happened = truth.sum_future(horizon) == 0
    return {
        "horizon_days": horizon,
        "oracle_days": nearest,
        "model": model.algorithm,
        **select(score_probability, churn, happened, 1 - truth.customers[f"p_order_{nearest}"]),
    }


def score_stages(truth: ShopTruth, stage: Any) -> dict[str, Any]:
    orders = truth.sum_future(91)
    return {
        name: {
            "customers": int((stage == name).sum()),
            "alive": float(truth.customers["is_alive"][stage == name].mean()),
            "ordered_91": float((orders[stage == name] > 0).mean()),
        }
        for name in STAGES
        if (stage == name).any()
    }
