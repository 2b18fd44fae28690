"""How likely everybody leaves or buys, and of what: learnt on some customers once a week, told of everybody every night.

The score_model of churn, purchase_7, purchase_30 and purchase_90. algorithm: the candidate that serves (`model_selection.CANDIDATES`; "purchase_model" is
the buying process), empty where nothing can be said. reason: why nothing could be learnt, so that the buying process alone says it,
or nobody does. parameters: propensity (`Propensity.to_saved`), horizon_days, given (whether the buying process' probability is the last
column), trained_at, orders (of the shop then), shop_gap_days (as of the run). figures, plain JSON:

horizon_days, rate (share of the rows learnt from that came true), customers, positives, negatives (different customers of them),
trained_at, kept (whether an earlier run has learnt it). Where it was learnt besides:
winner, why (best_candidate or baseline_not_beaten), evaluated_by (time: a later moment; customers: others of the same moments), evaluation_rows,
evaluation_rate, baseline (name of the better simple candidate), candidates: [{name, brier, auc, mean_predicted, brier_gain, auc_gain}], both gains over
the baseline as [gain, low, high] of 95 % or null, see `Judged`; quality: of the winner on what was held out, calibrated on other
customers of it, {customers, positives, rate, mean_predicted, auc, brier, skill, calibration_error, lift: [10, highest scores first] or null,
curve: {predicted, actual, low, high, customers: [lowest scores first]}}, see `Quality`; rules: of a decision tree, the most probable first,
[{conditions: [{feature, operator, value}], share, probability}].
drift: customers of today beside those of the newest earlier model, or null: {trained_at, customers, score, score_level, features: [{feature,
index, level}, the largest first]}, population stability indices with none, slight, large as levels.
looking_back: [{as_of, days, algorithm, low, high and all of quality}], see `look_back_on_propensities`.

The score_model of next_category. parameters: categories, popularity, half_life_days, prior. figures: judged: {history, last, popularity:
{customers, hit_1, hit_3, log_likelihood}} on the last fifth of the time, empty where nobody ordered in it.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.clv.scoring import FALLBACK_MODEL
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.propensity.models import (
    PROPENSITY_KINDS,
    PURCHASE_MODEL,
    RETRAIN_AFTER,
    ServedModel,
    list_earlier_models,
    load_served_model,
    load_served_models,
    make_snapshot,
    predict_probabilities,
    to_orders,
)
from customers.lifecycle.propensity.monitoring import backtest_propensities, measure_drift
from customers.lifecycle.propensity.next_category import score_next_category, train_next_category
from customers.lifecycle.refresh.score_columns import ProfileScores, merge_scores
from customers.lifecycle.refresh.step_timer import StepTimer
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.propensity.features.event_facts import OrderLines
from customers.lifecycle.scoring.propensity.features.labels import PURCHASE_DAYS, PropensityTarget, derive_churn_target
from customers.lifecycle.scoring.propensity.features.snapshots import (
    PURCHASE_MODEL_COLUMN,
    CustomerSnapshot,
    PurchaseModelColumns,
)
from customers.lifecycle.scoring.propensity.model_selection import BASELINES
from customers.lifecycle.scoring.propensity.models.serialization import serialize_arrays
from customers.lifecycle.scoring.propensity.target_training import plan_target_cutoffs, train_target
from customers.lifecycle.scoring.propensity.training import TRAINED_REASONS, PropensityModel
from customers.lifecycle.scoring.stages.derivation import OrderHistories

SEED = 1
MAX_TRAINING_CUSTOMERS, MAX_TRAINING_ROWS = 20_000, 8_000
MAX_ORDER_RATIO = 1.25  # times as many orders of the time before as when it was learnt, or as few
MAX_TREE_RULES = 6
ROWS_PER_BLOCK = 65_536
THREADS = 2


def score_propensities(
    *, histories: OrderHistories, as_of: datetime, run: LifecycleRun, buying: ScoreModel, seconds: StepTimer
) -> ProfileScores:
    """Propensities and next category of everybody who ordered. buying: the score_model of the process that was fitted to all of them.

    seconds: is told how long learning with its figures took, and scoring.
    """
    orders, moment = to_orders(histories), to_microseconds(as_of)
    everybody = CustomerSnapshot(orders=orders, as_of=moment, fit=deserialize_fit(buying.parameters))
    some = orders.select_customers(sample_buyers(everybody.buyers))
    today = CustomerSnapshot(orders=some, as_of=moment, fit=everybody.fit, shop_gap_days=everybody.shop_gap_days)
    earlier = list_earlier_models(as_of)
    found = reuse_models(earlier, orders=orders, today=today, as_of=as_of)
    found |= train_models(
        [kind for kind in PROPENSITY_KINDS if kind not in found],
        process=buying.algorithm or FALLBACK_MODEL,
        orders=orders,
        today=today,
        as_of=as_of,
    )
    back = backtest_propensities(orders=some, as_of=as_of)
    for kind, (score_model, _served) in found.items():
        own = [one for one in earlier if one.kind == kind]
        score_model.parameters["shop_gap_days"] = everybody.shop_gap_days
        score_model.figures |= {"drift": measure_drift(own, today=today, as_of=as_of), "backtests": back[kind]}
    category = train_next_category(orders=some, names=histories.categories, as_of=moment, seed=SEED)
    score_models = [*(found[kind][0] for kind in PROPENSITY_KINDS), category]
    for score_model in score_models:
        score_model.run = run
    seconds.record("learn")
    scores = predict_scores(everybody, histories, {kind: found[kind][1] for kind in PROPENSITY_KINDS}, category)
    seconds.record("propensities")
    return replace(scores, score_models=score_models)


def rescore_propensities(
    *, histories: OrderHistories, as_of: datetime, score_models: Mapping[str, ScoreModel]
) -> ProfileScores:
    """The same of some customers by what the newest refresh has learnt. score_models: of all kinds."""
    snapshot = make_snapshot(orders=to_orders(histories), as_of=as_of, score_models=score_models)
    return predict_scores(
        snapshot, histories, load_served_models(score_models), score_models[ScoreModel.Kind.NEXT_CATEGORY]
    )


def predict_scores(
    snapshot: CustomerSnapshot, histories: OrderHistories, served: Mapping[str, ServedModel], category: ScoreModel
) -> ProfileScores:
    """Of everybody in the histories who ordered."""
    rows = snapshot.buyers
    columns: dict[str, Floats | Ints] = {kind: np.empty(len(rows)) for kind in served}
    for one in served.values():  # before the threads ask for them
        snapshot.predict_with_purchase_model(one.target)
        snapshot.is_eligible(one.target)

    def tell(low: int) -> None:
        for kind, values in predict_probabilities(snapshot, served, rows[low : low + ROWS_PER_BLOCK]).items():
            columns[kind][low : low + ROWS_PER_BLOCK] = values

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(tell, range(0, len(rows), ROWS_PER_BLOCK)))
    customer = histories.customer[rows]
    names = histories.categories
    found = score_next_category(
        score_model=category, orders=snapshot.orders, names=names, as_of=snapshot.as_of, rows=rows, customer=customer
    )
    return merge_scores([ProfileScores(customer, columns), found])


def sample_buyers(buyers: Ints) -> Ints:
    """The customers to learn from, always the same of the same."""
    if len(buyers) <= MAX_TRAINING_CUSTOMERS:
        return buyers
    return np.sort(np.random.default_rng(SEED).choice(buyers, MAX_TRAINING_CUSTOMERS, replace=False))


def reuse_models(
    earlier: Sequence[ScoreModel], *, orders: OrderLines, today: CustomerSnapshot, as_of: datetime
) -> dict[str, tuple[ScoreModel, ServedModel]]:
    """Cards, by kind, that go on with the newest model learnt before.

    A model is learnt anew when it is a week old, but only one in a night, the oldest first; at once when it is two weeks old or the
    shop has other orders of its time than it had.
    """
    newest = {
        kind: next((score_model for score_model in earlier if score_model.kind == kind), None)
        for kind in PROPENSITY_KINDS
    }
    kept: dict[str, tuple[ScoreModel, ServedModel]] = {}
    for kind, former in newest.items():
        served = None if former is None else load_if_current(former, orders=orders, today=today, as_of=as_of)
        if former is not None and served is not None:
            score_model = ScoreModel(
                kind=kind,
                algorithm=former.algorithm,
                parameters=dict(former.parameters),
                figures={**former.figures, "kept": True},
                trained_by=former,
            )
            kept[kind] = score_model, served
    trained_at: dict[str, datetime] = {kind: former.run.as_of for kind, former in newest.items() if former is not None}
    aged = [kind for kind in kept if as_of - trained_at[kind] >= RETRAIN_AFTER]
    if aged and as_of not in trained_at.values():  # the same refresh once more learns nothing else
        del kept[min(aged, key=lambda kind: trained_at[kind])]
    return kept


def load_if_current(
    former: ScoreModel, *, orders: OrderLines, today: CustomerSnapshot, as_of: datetime
) -> ServedModel | None:
    if as_of - former.run.as_of >= 2 * RETRAIN_AFTER:
        return None
    then, now = former.parameters["orders"], count_orders_before(orders, to_microseconds(former.run.as_of))
    if not then / MAX_ORDER_RATIO <= now <= then * MAX_ORDER_RATIO:
        return None
    served = load_served_model(former)
    return None if served.propensity is None or (served.uses_purchase_model and today.fit.model is None) else served


def train_models(
    kinds: Sequence[ScoreModel.Kind], *, process: str, orders: OrderLines, today: CustomerSnapshot, as_of: datetime
) -> dict[str, tuple[ScoreModel, ServedModel]]:
    """Cards, by kind, of what is learnt from the customers of `today`. orders: of the whole shop. process: by name."""
    some, moment = today.orders, today.as_of
    targets = {kind: make_target(kind, orders=some, as_of=moment) for kind in kinds}
    plans = {kind: plan_target_cutoffs(orders=some, target=target, as_of=moment) for kind, target in targets.items()}
    cuts = {kind: [*plan.all_cutoffs, *plan.train_cutoffs] for kind, plan in plans.items()}
    columns = PurchaseModelColumns(orders=some, name=process, cutoffs=[cut for own in cuts.values() for cut in own])
    given = {kind: today.fit.model is not None and columns.is_available(cuts[kind]) for kind in kinds}

    def learn(kind: ScoreModel.Kind) -> PropensityModel:
        target = targets[kind]
        return train_target(
            orders=some,
            target=target,
            as_of=moment,
            seed=SEED,
            columns=(lambda cut: {PURCHASE_MODEL_COLUMN: columns.predict(as_of=cut, target=target)})
            if given[kind]
            else None,
            given=PURCHASE_MODEL_COLUMN if given[kind] else None,
            max_rows=MAX_TRAINING_ROWS,
        )

    with threadpool_limits(limits=1), ThreadPoolExecutor(THREADS) as threads:
        learnt = dict(zip(kinds, threads.map(learn, kinds), strict=True))
    whole = count_orders_before(orders, moment)
    stands_in = PURCHASE_MODEL if today.fit.model is not None else ""
    found: dict[str, tuple[ScoreModel, ServedModel]] = {}
    for kind, propensity in learnt.items():
        score_model = make_score_model(kind, propensity, targets[kind], as_of=as_of, stands_in=stands_in)
        score_model.parameters |= {"given": given[kind], "orders": whole}
        found[kind] = score_model, ServedModel(targets[kind], None if score_model.reason else propensity, given[kind])
    return found


def make_score_model(
    kind: ScoreModel.Kind, propensity: PropensityModel, target: PropensityTarget, *, as_of: datetime, stands_in: str
) -> ScoreModel:
    """stands_in: the algorithm where nothing could be learnt."""
    parameters = {"horizon_days": target.horizon_days, "trained_at": as_of.isoformat()}
    figures = summarize_training(propensity, target, as_of)
    if propensity.reason not in TRAINED_REASONS:
        return ScoreModel(
            kind=kind, algorithm=stands_in, reason=propensity.reason, parameters=parameters, figures=figures
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
    facts, judged = propensity.details, {one.name: one for one in propensity.results}
    baseline = min((judged[name] for name in BASELINES if name in judged), key=lambda one: one.brier)
    return figures | {
        "winner": propensity.winner,
        "why": propensity.reason,
        "evaluated_by": facts["evaluated_by"],
        "evaluation_rows": facts["evaluation_rows"],
        "evaluation_rate": facts["evaluation_rate"],
        "baseline": baseline.name,
        "candidates": [vars(one) for one in propensity.results],
        "quality": facts["quality"],
        "rules": facts["rules"][:MAX_TREE_RULES],
    }
