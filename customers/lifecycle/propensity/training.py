"""Trains the propensity models, or reuses those of an earlier refresh.

Fields of a score model of churn, purchase_7, purchase_30 or purchase_90:
algorithm: the model in use (`model_selection.CANDIDATES`); empty without predictions.
reason: why no model could be trained, so that the purchase model is used as a fallback or there are no predictions.
parameters: propensity (`PropensityModel.serialize`), horizon_days, given (whether the purchase model's probability is the last feature),
trained_at, orders (of the shop at that time), shop_gap_days (as of the run).
figures, plain JSON:
horizon_days; rate (share of positive rows); customers, positives, negatives (distinct customers); trained_at; kept (reused from an
earlier run). After training also:
winner (the model that serves); why (see `scoring.propensity.training.TRAINED_REASONS`); compared_winner (of the comparison);
evaluated_by (time: a later period; customers: other customers of the same times);
evaluation_rows; evaluation_rate; baseline (name of the better simple candidate); level (see `levels.summarize_level`);
candidates: [{name, brier, auc, mean_predicted, brier_gain, auc_gain}], gains over the baseline as [gain, low, high] of 95% or null;
quality: of what serves, at a later moment than the training where there is one: {customers, positives, rate, mean_predicted, auc, brier,
skill, calibration_error, lift: [10, highest scores first] or null, curve: {predicted, actual, low, high, customers: [lowest scores first]}};
rules: of a decision tree, most probable first, [{conditions: [{feature, operator, value}], share, probability}];
drift: today's customers against those of the day of the latest earlier model, or null: {trained_at, customers, score, score_level,
features: [{feature, index, level}, largest first]}, population stability indices with the levels none, slight, large;
backtests: [{as_of, days, algorithm, low, high and all of quality}], see `monitoring.backtest_propensities`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

from config.foundation.processes.thread_limits import limit_numeric_threads
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.models import (
    PROPENSITY_KINDS,
    PURCHASE_MODEL,
    RETRAIN_AFTER,
    ServedModel,
    build_matrix,
    load_served_model,
)
from customers.lifecycle.scoring.propensity.drift import measure_reference
from customers.lifecycle.scoring.propensity.features.event_facts import OrderLines
from customers.lifecycle.scoring.propensity.features.labels import (
    PURCHASE_DAYS,
    PropensityTarget,
    derive_churn_target,
    find_eligible_customers,
)
from customers.lifecycle.scoring.propensity.features.snapshots import (
    PURCHASE_MODEL_COLUMN,
    CustomerSnapshot,
    PurchaseModelColumns,
)
from customers.lifecycle.scoring.propensity.model_selection import BASELINES
from customers.lifecycle.scoring.propensity.models.serialization import serialize_arrays
from customers.lifecycle.scoring.propensity.target_training import (
    plan_target_cutoffs,
    plan_target_levels,
    train_target,
)
from customers.lifecycle.scoring.propensity.training import TRAINED_REASONS, PropensityModel

SEED = 1
MAX_TRAINING_ROWS = 8_000
# A model is retrained if imports or corrections changed the number of orders before its training by more than this factor.
MAX_ORDER_RATIO = 1.25
MAX_TREE_RULES = 6
THREADS = 2


def reuse_models(
    earlier: Sequence[ScoreModel], *, orders: OrderLines, today: CustomerSnapshot, as_of: datetime
) -> dict[str, tuple[ScoreModel, ServedModel]]:
    """Return score models, by kind, that reuse the latest trained model, if it is still current.

    A model is retrained when it is a week old, but only one per night, the oldest first, so that nights take about equally long. A model
    that is two weeks old, or whose past orders have changed, is retrained immediately.
    """
    latest = {
        kind: next((score_model for score_model in earlier if score_model.kind == kind), None)
        for kind in PROPENSITY_KINDS
    }
    reused: dict[str, tuple[ScoreModel, ServedModel]] = {}
    for kind, former in latest.items():
        served = None if former is None else load_if_current(former, orders=orders, today=today, as_of=as_of)
        if former is not None and served is not None:
            score_model = ScoreModel(
                kind=kind,
                algorithm=former.algorithm,
                parameters=dict(former.parameters),
                figures={**former.figures, "kept": True},
                trained_by=former,
            )
            reused[kind] = score_model, served
    trained_at: dict[str, datetime] = {kind: former.run.as_of for kind, former in latest.items() if former is not None}
    aged = [kind for kind in reused if as_of - trained_at[kind] >= RETRAIN_AFTER]
    if aged and as_of not in trained_at.values():  # a repeated refresh of the same time retrains nothing
        del reused[min(aged, key=lambda kind: trained_at[kind])]
    return reused


def load_if_current(
    former: ScoreModel, *, orders: OrderLines, today: CustomerSnapshot, as_of: datetime
) -> ServedModel | None:
    """Return the model.

    Return None if it is too old, was trained with other orders, or cannot be loaded or scored with.
    """
    if as_of - former.run.as_of >= 2 * RETRAIN_AFTER:
        return None
    then, now = former.parameters["orders"], count_orders_before(orders, to_microseconds(former.run.as_of))
    if not then / MAX_ORDER_RATIO <= now <= then * MAX_ORDER_RATIO:
        return None
    served = load_served_model(former)
    return None if served.propensity is None or (served.uses_purchase_model and today.fit.model is None) else served


def train_models(
    kinds: Sequence[ScoreModel.Kind],
    *,
    purchase_model: str,
    orders: OrderLines,
    today: CustomerSnapshot,
    as_of: datetime,
) -> dict[str, tuple[ScoreModel, ServedModel]]:
    """Train these targets with the customers of `today`.

    Return the score models and models by kind. orders: of the whole shop. purchase_model: name of the purchase model.
    """
    sample_orders, as_of_microseconds = today.orders, today.as_of
    targets = {kind: make_target(kind, orders=sample_orders, as_of=as_of_microseconds) for kind in kinds}
    plans = {
        kind: plan_target_cutoffs(orders=sample_orders, target=target, as_of=as_of_microseconds)
        for kind, target in targets.items()
    }
    cutoffs = {kind: [*plan.all_cutoffs, *plan.train_cutoffs] for kind, plan in plans.items()}
    level_plans = [
        plan_target_levels(orders=sample_orders, target=target, as_of=as_of_microseconds) for target in targets.values()
    ]
    columns = PurchaseModelColumns(
        orders=sample_orders,
        name=purchase_model,
        cutoffs=[
            *(cutoff for kind_cutoffs in cutoffs.values() for cutoff in kind_cutoffs),
            *(cutoff for level_plan in level_plans for cutoff in level_plan.cutoffs),
        ],
    )
    uses_purchase_model = {kind: today.fit.model is not None and columns.is_available(cutoffs[kind]) for kind in kinds}

    def train(kind: ScoreModel.Kind) -> PropensityModel:
        target = targets[kind]
        return train_target(
            orders=sample_orders,
            target=target,
            as_of=as_of_microseconds,
            seed=SEED,
            columns=(lambda cutoff: {PURCHASE_MODEL_COLUMN: columns.predict(as_of=cutoff, target=target)})
            if uses_purchase_model[kind]
            else None,
            has_columns=(lambda cutoff: columns.is_available([cutoff])) if uses_purchase_model[kind] else None,
            purchase_model_column=PURCHASE_MODEL_COLUMN if uses_purchase_model[kind] else None,
            max_rows=MAX_TRAINING_ROWS,
        )

    # The targets are trained in parallel; each limits its own numeric threads, and this limit holds until all have ended.
    with limit_numeric_threads(), ThreadPoolExecutor(THREADS) as threads:
        trained = dict(zip(kinds, threads.map(train, kinds), strict=True))
    total_orders = count_orders_before(orders, as_of_microseconds)
    fallback = PURCHASE_MODEL if today.fit.model is not None else ""
    models_by_kind: dict[str, tuple[ScoreModel, ServedModel]] = {}
    for kind, propensity in trained.items():
        propensity = measure_todays_customers(propensity, today, targets[kind], uses_purchase_model[kind])
        score_model = make_score_model(kind, propensity, targets[kind], as_of=as_of, fallback=fallback)
        score_model.parameters |= {"given": uses_purchase_model[kind], "orders": total_orders}
        models_by_kind[kind] = (
            score_model,
            ServedModel(targets[kind], None if score_model.reason else propensity, uses_purchase_model[kind]),
        )
    return models_by_kind


def measure_todays_customers(
    propensity: PropensityModel, today: CustomerSnapshot, target: PropensityTarget, uses_purchase_model: bool
) -> PropensityModel:
    """Return the model with today's eligible customers as the reference for drift.

    The customers at the earlier times with whom it was trained always differ from those of today in a young or growing shop.
    """
    rows = find_eligible_customers(orders=today.orders, target=target, as_of=today.as_of)
    if propensity.model is None or not len(rows):
        return propensity
    matrix = build_matrix(today, ServedModel(target, propensity, uses_purchase_model), rows)
    if matrix is None:
        return propensity
    scores = propensity.score(matrix)[:, None]
    return replace(propensity, features=measure_reference(matrix), scores=measure_reference(scores))


def make_score_model(
    kind: ScoreModel.Kind, propensity: PropensityModel, target: PropensityTarget, *, as_of: datetime, fallback: str
) -> ScoreModel:
    """Return the score model of a trained target.

    fallback: the algorithm if no model could be trained.
    """
    parameters = {"horizon_days": target.horizon_days, "trained_at": as_of.isoformat()}
    figures = summarize_training(propensity, target, as_of)
    if propensity.reason not in TRAINED_REASONS:
        return ScoreModel(
            kind=kind, algorithm=fallback, reason=propensity.reason, parameters=parameters, figures=figures
        )
    arrays, plain = propensity.serialize()
    plain["details"] = {name: value for name, value in plain["details"].items() if name not in figures}
    return ScoreModel(
        kind=kind,
        algorithm=propensity.winner or "",
        parameters={**parameters, "propensity": plain},
        figures=figures,
        arrays=serialize_arrays(arrays),
    )


def make_target(kind: ScoreModel.Kind, *, orders: OrderLines, as_of: int) -> PropensityTarget:
    if kind == ScoreModel.Kind.CHURN:
        return derive_churn_target(orders=orders, as_of=as_of)
    return PropensityTarget("purchase", dict(zip(PROPENSITY_KINDS[1:], PURCHASE_DAYS, strict=True))[kind])


def count_orders_before(orders: OrderLines, until: int) -> int:
    return int((~orders.is_return & (orders.at < until)).sum())


def summarize_training(propensity: PropensityModel, target: PropensityTarget, as_of: datetime) -> dict[str, Any]:
    figures = {
        "horizon_days": target.horizon_days,
        "rate": propensity.rate,
        "customers": propensity.customers,
        "positives": propensity.positives,
        "negatives": propensity.negatives,
        "trained_at": as_of.isoformat(),
        "kept": False,
    }
    if propensity.reason not in TRAINED_REASONS:
        return figures
    details, results_by_name = propensity.details, {result.name: result for result in propensity.results}
    baseline = min(
        (results_by_name[name] for name in BASELINES if name in results_by_name), key=lambda result: result.brier
    )
    return figures | {
        "winner": propensity.winner,
        "why": propensity.reason,
        "compared_winner": details["compared_winner"],
        "evaluated_by": details["evaluated_by"],
        "evaluation_rows": details["evaluation_rows"],
        "evaluation_rate": details["evaluation_rate"],
        "baseline": baseline.name,
        "candidates": [vars(result) for result in propensity.results],
        "level": details["level"],
        "quality": details["quality"],
        "rules": details["rules"][:MAX_TREE_RULES],
    }
