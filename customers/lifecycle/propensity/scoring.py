"""Scores the propensities and the next category of all customers.

Models are trained weekly and used every night.
Fields of the score model of next_category. parameters: categories, popularity, half_life_days, prior. figures: judged, the metrics on
the last fifth of the time: {history, last, popularity: {customers, hit_1, hit_3, log_likelihood}}, empty without orders in it.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.lifecycle.clv.scoring import FALLBACK_MODEL
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel
from customers.lifecycle.propensity.models import (
    PROPENSITY_KINDS,
    ServedModel,
    list_earlier_models,
    load_served_models,
    make_snapshot,
    predict_probabilities,
    to_orders,
)
from customers.lifecycle.propensity.monitoring import backtest_propensities, measure_drift
from customers.lifecycle.propensity.next_category import score_next_category, train_next_category
from customers.lifecycle.propensity.training import SEED, THREADS, reuse_models, train_models
from customers.lifecycle.refresh.score_columns import ProfileScores, merge_scores
from customers.lifecycle.refresh.step_timer import StepTimer
from customers.lifecycle.scoring.clv.fitting import deserialize_fit
from customers.lifecycle.scoring.propensity.features.snapshots import CustomerSnapshot
from customers.lifecycle.scoring.stages.derivation import OrderHistories

MAX_TRAINING_CUSTOMERS = 20_000
ROWS_PER_BLOCK = 65_536


def score_propensities(
    *, histories: OrderHistories, as_of: datetime, run: LifecycleRun, purchase_model: ScoreModel, timer: StepTimer
) -> ProfileScores:
    """Return the propensities and next categories of all buyers, with their score models.

    purchase_model: its score model of this refresh. timer: records the time of training and scoring.
    """
    orders, moment = to_orders(histories), to_microseconds(as_of)
    all_customers = CustomerSnapshot(orders=orders, as_of=moment, fit=deserialize_fit(purchase_model.parameters))
    sample_orders = orders.select_customers(sample_buyers(all_customers.buyers))
    today = CustomerSnapshot(
        orders=sample_orders, as_of=moment, fit=all_customers.fit, shop_gap_days=all_customers.shop_gap_days
    )
    earlier = list_earlier_models(as_of)
    # Weekly retraining keeps the nightly refresh short; scores are predicted every night with the current features.
    models_by_kind = reuse_models(earlier, orders=orders, today=today, as_of=as_of)
    models_by_kind |= train_models(
        [kind for kind in PROPENSITY_KINDS if kind not in models_by_kind],
        purchase_model=purchase_model.algorithm or FALLBACK_MODEL,
        orders=orders,
        today=today,
        as_of=as_of,
    )
    backtests = backtest_propensities(orders=sample_orders, as_of=as_of)
    for kind, (score_model, _served) in models_by_kind.items():
        earlier_of_kind = [model for model in earlier if model.kind == kind]
        score_model.parameters["shop_gap_days"] = all_customers.shop_gap_days
        score_model.figures |= {
            "drift": measure_drift(earlier_of_kind, today=today, as_of=as_of),
            "backtests": backtests[kind],
        }
    category = train_next_category(orders=sample_orders, names=histories.categories, as_of=moment, seed=SEED)
    score_models = [*(models_by_kind[kind][0] for kind in PROPENSITY_KINDS), category]
    for score_model in score_models:
        score_model.run = run
    timer.record("learn")
    scores = predict_scores(
        all_customers, histories, {kind: models_by_kind[kind][1] for kind in PROPENSITY_KINDS}, category
    )
    timer.record("propensities")
    return replace(scores, score_models=score_models)


def rescore_propensities(
    *, histories: OrderHistories, as_of: datetime, score_models: Mapping[str, ScoreModel]
) -> ProfileScores:
    """Score some customers with the models of the latest refresh. score_models: of all kinds."""
    snapshot = make_snapshot(orders=to_orders(histories), as_of=as_of, score_models=score_models)
    return predict_scores(
        snapshot, histories, load_served_models(score_models), score_models[ScoreModel.Kind.NEXT_CATEGORY]
    )


def predict_scores(
    snapshot: CustomerSnapshot, histories: OrderHistories, served: Mapping[str, ServedModel], category: ScoreModel
) -> ProfileScores:
    """Return the scores of all customers in the histories who ordered."""
    rows = snapshot.buyers
    columns: dict[str, Floats | Ints] = {kind: np.empty(len(rows)) for kind in served}
    # The snapshot caches both per target. The caches are filled here, so that the threads only read them and compute nothing twice.
    for model in served.values():
        snapshot.predict_with_purchase_model(model.target)
        snapshot.is_eligible(model.target)

    def predict_block(low: int) -> None:
        for kind, values in predict_probabilities(snapshot, served, rows[low : low + ROWS_PER_BLOCK]).items():
            columns[kind][low : low + ROWS_PER_BLOCK] = values

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(predict_block, range(0, len(rows), ROWS_PER_BLOCK)))
    customer = histories.customer[rows]
    names = histories.categories
    category_scores = score_next_category(
        score_model=category, orders=snapshot.orders, names=names, as_of=snapshot.as_of, rows=rows, customer=customer
    )
    return merge_scores([ProfileScores(customer, columns), category_scores])


def sample_buyers(buyers: Ints) -> Ints:
    """Return the rows of the customers to train with; the same buyers give the same sample."""
    if len(buyers) <= MAX_TRAINING_CUSTOMERS:
        return buyers
    return np.sort(np.random.default_rng(SEED).choice(buyers, MAX_TRAINING_CUSTOMERS, replace=False))
