"""Alerts about wrong forecasts and about customers who have changed since the training."""

from dataclasses import dataclass
from typing import Any, Literal

from customers.lifecycle.clv.backtest import is_forecast_off
from customers.lifecycle.clv.held_coverage import is_coverage_off, list_held_coverage
from customers.lifecycle.facts.histories import from_microseconds
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.refresh.score_models import load_latest_score_models

MAX_CALIBRATION_ERROR = 0.10  # between the mean predicted probability and the actual rate
MIN_AUC = 0.55  # 0.5 is random
MIN_CUSTOMERS_FOR_AUC = 200  # an AUC of fewer customers is too noisy


@dataclass(frozen=True)
class ModelAlert:
    """One alert.

    code: what is wrong; score_model: the model it is about; figures: the backtest or drift behind it.
    """

    code: Literal["orders_off", "intervals_off", "propensity_miscalibrated", "propensity_low_auc", "drift"]
    score_model: ScoreModel
    figures: dict[str, Any]


def find_model_alerts() -> list[ModelAlert]:
    """Return the alerts of the latest refresh, at most one per code and model."""
    score_models = load_latest_score_models()
    alerts = []
    if purchase_model := score_models.get(ScoreModel.Kind.PURCHASE_MODEL):
        alerts += [
            ModelAlert("orders_off", purchase_model, backtest)
            for backtest in get_backtests(purchase_model)
            if is_forecast_off(backtest)
        ][:1]
        alerts += [
            ModelAlert("intervals_off", purchase_model, figures)
            for figures in list_coverage(purchase_model)
            if is_coverage_off(share=figures["coverage"], customers=figures["customers"])
        ][:1]
    for score_model in (score_models[kind] for kind in PROPENSITY_KINDS if kind in score_models):
        alerts += [
            ModelAlert("propensity_miscalibrated", score_model, backtest)
            for backtest in get_backtests(score_model)
            if is_miscalibrated(backtest)
        ][:1]
        alerts += [
            ModelAlert("propensity_low_auc", score_model, backtest)
            for backtest in get_backtests(score_model)
            if has_low_auc(backtest)
        ][:1]
        drift = score_model.figures.get("drift")
        if drift and drift["score_level"] == "large":
            alerts.append(ModelAlert("drift", score_model, drift))
    return alerts


def get_backtests(score_model: ScoreModel) -> list[dict[str, Any]]:
    backtests: list[dict[str, Any]] = score_model.figures.get("backtests", [])
    return backtests


def list_coverage(score_model: ScoreModel) -> list[dict[str, Any]]:
    """Return the coverage of the intervals of earlier refreshes, then that of the test, longest horizon first.

    Each entry has as_of, days, customers and coverage.
    """
    tested = [
        {
            "as_of": from_microseconds(row["cutoff"]).isoformat(),
            "days": row["days"],
            "customers": row["customers"],
            "coverage": row["orders"],
        }
        for row in reversed(list_held_coverage(score_model))
    ]
    return get_backtests(score_model) + tested


def is_miscalibrated(backtest: dict[str, Any]) -> bool:
    """Return whether the mean probability is off by over 10 points and outside the 95% interval of the actual rate."""
    predicted, rate = backtest["mean_predicted"], backtest["rate"]
    return abs(predicted - rate) > MAX_CALIBRATION_ERROR and not backtest["low"] <= predicted <= backtest["high"]


def has_low_auc(backtest: dict[str, Any]) -> bool:
    """Return whether the model ranks customers hardly better than random."""
    return backtest["auc"] is not None and backtest["customers"] >= MIN_CUSTOMERS_FOR_AUC and backtest["auc"] < MIN_AUC
