"""Monitors propensity models: drift since the training, and backtests.

As in `clv.backtest`, only the models are stored; customers are rebuilt from the facts before a time. Both use the training sample of the
refresh, so the cost does not grow with the shop.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.statistics import compute_wilson_bounds
from customers.lifecycle.clv.backtest import BACKTEST_AGES
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.propensity.models import (
    MODEL_RETENTION,
    PROPENSITY_KINDS,
    build_matrix,
    load_served_model,
    load_served_models,
    make_snapshot,
    predict_probabilities,
)
from customers.lifecycle.scoring.propensity.drift import DRIFT_LEVELS, classify_drift
from customers.lifecycle.scoring.propensity.features.event_facts import OrderLines
from customers.lifecycle.scoring.propensity.features.labels import find_eligible_customers, label_customers
from customers.lifecycle.scoring.propensity.features.snapshots import CustomerSnapshot
from customers.lifecycle.scoring.propensity.metrics import evaluate_scores


def measure_drift(earlier: Sequence[ScoreModel], *, today: CustomerSnapshot, as_of: datetime) -> dict[str, Any] | None:
    """Return how far today's eligible customers differ from those of the day on which the latest earlier model was trained.

    earlier: latest first.
    """
    score_model = next((score_model for score_model in earlier if score_model.run.as_of < as_of), None)
    if score_model is None:
        return None
    served = load_served_model(score_model)
    rows = find_eligible_customers(orders=today.orders, target=served.target, as_of=today.as_of)
    matrix = build_matrix(today, served, rows)
    if served.propensity is None or matrix is None or not len(rows):
        return None
    index, score = served.propensity.measure_drift(matrix)
    levels = classify_drift(index)
    return {
        "trained_at": score_model.run.as_of.isoformat(),
        "customers": len(rows),
        "score": score,
        "score_level": DRIFT_LEVELS[int(classify_drift(np.array([score]))[0])],
        "features": [
            {
                "feature": served.propensity.names[column],
                "index": float(index[column]),
                "level": DRIFT_LEVELS[levels[column]],
            }
            for column in np.argsort(-index, kind="stable")
        ],
    }


def backtest_propensities(*, orders: OrderLines, as_of: datetime) -> dict[str, list[dict[str, Any]]]:
    """Return, by kind, the accuracy of earlier predictions against the actual orders.

    Backtested are the latest refresh whose horizon has passed, and the latest that are at least four weeks, a quarter and a year old. Each
    backtest has the metrics of `PropensityMetrics`; low, high: 95 % interval of the actual rate.
    """
    runs_by_kind = select_runs_to_backtest(as_of)
    runs = {run for kind_runs in runs_by_kind.values() for run in kind_runs}
    score_models = ScoreModel.objects.filter(run__in=runs, kind__in=(*PROPENSITY_KINDS, ScoreModel.Kind.PURCHASE_MODEL))
    by_run: dict[int, dict[str, ScoreModel]] = {}
    for score_model in score_models.select_related("run").defer("arrays", "figures"):
        by_run.setdefault(score_model.run_id, {})[score_model.kind] = score_model
    predictions = {run: predict_as_of_run(score_models, orders) for run, score_models in by_run.items()}
    return {
        kind: [
            backtest
            for run in kind_runs
            if (backtest := evaluate_backtest(by_run[run][kind], predictions[run], orders)) is not None
        ]
        for kind, kind_runs in runs_by_kind.items()
    }


def predict_as_of_run(score_models: Mapping[str, ScoreModel], orders: OrderLines) -> dict[str, Floats]:
    """Return what a refresh predicted for these customers by kind, shape (n_customers,).

    A value is NaN without an order before the refresh. Return {} if a model that it used was deleted.
    """
    if not {*PROPENSITY_KINDS, ScoreModel.Kind.PURCHASE_MODEL} <= set(score_models):
        return {}
    run = score_models[ScoreModel.Kind.PURCHASE_MODEL].run
    served = load_served_models(score_models)
    if any(served_model.propensity is None and not score_models[kind].reason for kind, served_model in served.items()):
        return {}
    snapshot = make_snapshot(orders=orders, as_of=run.as_of, score_models=score_models)
    predictions: dict[str, Floats] = {kind: np.full(orders.n_customers, np.nan) for kind in PROPENSITY_KINDS}
    for kind, values in predict_probabilities(snapshot, served, snapshot.buyers).items():
        predictions[kind][snapshot.buyers] = values
    return predictions


def evaluate_backtest(
    score_model: ScoreModel, predictions: Mapping[str, Floats], orders: OrderLines
) -> dict[str, Any] | None:
    """Return the accuracy of one backtest; None without customers or predictions."""
    target, then = load_served_model(score_model).target, to_microseconds(score_model.run.as_of)
    rows = find_eligible_customers(orders=orders, target=target, as_of=then)
    if score_model.kind not in predictions or not len(rows) or np.isnan(predictions[score_model.kind][rows]).any():
        return None
    quality = evaluate_scores(
        score=predictions[score_model.kind][rows], label=label_customers(orders=orders, target=target, as_of=then)[rows]
    )
    low, high = compute_wilson_bounds(quality.positives, quality.customers)
    return {
        "as_of": score_model.run.as_of.isoformat(),
        "days": target.horizon_days,
        "algorithm": score_model.algorithm,
        "low": float(low),
        "high": float(high),
        **quality.to_dict(),
    }


def select_runs_to_backtest(as_of: datetime) -> dict[str, list[int]]:
    """Return, by kind, the latest run of each age whose horizon has passed.

    Each run is included once, latest first.
    """
    score_models = ScoreModel.objects.filter(kind__in=PROPENSITY_KINDS, run__status=LifecycleRun.Status.DONE).exclude(
        algorithm=""
    )
    recent = score_models.filter(run__as_of__gt=as_of - MODEL_RETENTION, run__as_of__lt=as_of).order_by(
        "-run__as_of", "-run_id"
    )
    rows = list(recent.values_list("kind", "run_id", "run__as_of", "parameters__horizon_days"))
    runs_by_kind: dict[str, list[int]] = {}
    for kind in PROPENSITY_KINDS:
        kind_runs = [(run, as_of - at, timedelta(days=days)) for name, run, at, days in rows if name == kind]
        latest_runs = [
            next((run for run, age_of_run, horizon in kind_runs if age_of_run >= max(age, horizon)), None)
            for age in (timedelta(0), *BACKTEST_AGES)
        ]
        # One run can be the latest of several ages.
        runs_by_kind[kind] = list(dict.fromkeys(run for run in latest_runs if run is not None))
    return runs_by_kind
