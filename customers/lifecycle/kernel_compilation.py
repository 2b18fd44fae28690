"""Compiles the kernels of a profile refresh into the disk cache, with made-up orders of a small shop.

A new installation compiles them once, which takes half a minute of one processor. `compile_kernels` needs no database, so that it can run
while the first data are loaded.
"""

from datetime import UTC, datetime

import numpy as np

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.clusters.scoring import FEATURES
from customers.lifecycle.clv.scoring import FALLBACK_MODEL, compute_value_columns, summarize_purchase_model
from customers.lifecycle.facts.counters import MAX_FAVORITES
from customers.lifecycle.facts.histories import select_purchases, summarize_histories, to_microseconds
from customers.lifecycle.models import LifecycleRun, ScoreModel, StageRules
from customers.lifecycle.next_order.forecast import forecast_next_orders
from customers.lifecycle.propensity.models import to_orders
from customers.lifecycle.propensity.next_category import train_next_category
from customers.lifecycle.propensity.scoring import predict_scores
from customers.lifecycle.propensity.training import SEED, train_models
from customers.lifecycle.scoring.clusters.clustering import find_clusters
from customers.lifecycle.scoring.clv.fitting import PurchaseModelFit, fit_purchase_model
from customers.lifecycle.scoring.clv.interval_learning import learn_intervals
from customers.lifecycle.scoring.clv.model_selection import select_purchase_model
from customers.lifecycle.scoring.clv.models.gamma_gamma import fit_gamma_gamma
from customers.lifecycle.scoring.clv.purchase_histories import group_histories
from customers.lifecycle.scoring.interests.favorite_kernels import find_top_codes, group_by_customer
from customers.lifecycle.scoring.interests.favorites import encode_copy_rows, merge_favorites, rank_favorites
from customers.lifecycle.scoring.propensity.features.snapshots import CustomerSnapshot
from customers.lifecycle.scoring.rfm.rfm_scores import measure_rfm
from customers.lifecycle.scoring.stages.derivation import OrderHistories, StageThresholds, derive_stages
from customers.lifecycle.scoring.stages.history_diff import diff_stage_changes
from customers.lifecycle.scoring.stages.order_gaps import DAY
from customers.lifecycle.stages.rules import (
    get_default_revenue_quantile,
    measure_shop_gaps,
    measure_values,
    to_thresholds,
)

CUSTOMERS, DAYS, GAP_DAYS = 150, 400, 20.0
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = ("Bakery", "Drinks", "Fruit")


def compile_kernels() -> None:
    """Run the computations of a refresh for made-up customers; kernels that are not in the cache are compiled and saved."""
    histories = make_histories()
    compile_stages(histories)
    compile_rfm(histories)
    fit = compile_values(histories)
    forecast_next_orders(histories=histories, as_of=AS_OF, run=LifecycleRun(as_of=AS_OF))
    compile_propensities(histories, fit)
    compile_favorites(histories)
    features = np.random.default_rng(SEED).lognormal(size=(CUSTOMERS, len(FEATURES)))
    find_clusters(features=features, names=FEATURES, previous=None)


def make_histories() -> OrderHistories:
    """Return orders and returns of CUSTOMERS customers, each with their own order rate and time of leaving within DAYS days."""
    rng = np.random.default_rng(SEED)
    end = to_microseconds(AS_OF)
    first = end - rng.integers(30 * DAY, DAYS * DAY, CUSTOMERS)
    leaves = np.minimum(first + (rng.exponential(200, CUSTOMERS) * DAY).astype(np.int64), end)
    gap = GAP_DAYS * rng.gamma(2.0, 0.5, CUSTOMERS) + 2
    orders = []
    for row in range(CUSTOMERS):
        gaps = (rng.exponential(gap[row], DAYS) * DAY).astype(np.int64)
        at = first[row] + np.concatenate(([0], np.cumsum(gaps)))
        orders.append(at[at < leaves[row]] if leaves[row] > first[row] else at[:1])
    at = np.concatenate(orders)
    start = np.concatenate(([0], np.cumsum([len(times) for times in orders]))).astype(np.int64)
    is_order = rng.random(len(at)) > 0.05
    is_order[start[:-1]] = True
    amount = rng.integers(500, 10_000, len(at))
    return OrderHistories(
        customer=np.arange(1, CUSTOMERS + 1, dtype=np.int64),
        known_at=first,
        identified_at=first,
        start=start,
        at=at,
        amount=np.where(is_order, amount, -amount // 4),
        is_order=is_order,
        clock=UTC_CLOCK,
        category=np.where(is_order, rng.integers(len(CATEGORIES), size=len(at)), -1),
        categories=CATEGORIES,
    )


def compile_stages(histories: OrderHistories) -> None:
    """Measure the stage rules, derive the stages, and compare them with stored ones."""
    moment = to_microseconds(AS_OF)
    stages = derive_stages(histories=histories, versions=[measure_thresholds(histories)], as_of=moment)
    start = np.searchsorted(stages.customer, np.append(histories.customer, np.iinfo(np.int64).max))
    stored_row = np.searchsorted(histories.customer, stages.customer)
    diff_stage_changes(
        start, stages.at, stages.to_stage, *group_by_customer(stored_row, CUSTOMERS), stages.at, stages.to_stage
    )


def measure_thresholds(histories: OrderHistories) -> StageThresholds:
    values = measure_values(
        histories=histories,
        quantiles=measure_shop_gaps(histories),
        as_of=AS_OF,
        revenue_quantile=get_default_revenue_quantile(),
    )
    return to_thresholds(StageRules(version=1, **values))


def compile_rfm(histories: OrderHistories) -> None:
    """Score recency, frequency and revenue at two moments."""
    moment = to_microseconds(AS_OF)
    for figures in measure_rfm(
        start=histories.start,
        at=histories.at,
        amount=histories.amount,
        is_order=histories.is_order,
        moments=[moment - 30 * DAY, moment],
    ):
        figures.compute_scores()


def compile_values(histories: OrderHistories) -> PurchaseModelFit:
    """Select and fit a purchase model, and predict the value of all customers."""
    customer, at, value = select_purchases(histories)
    moment = to_microseconds(AS_OF)
    selection = select_purchase_model(customer=customer, at=at, value=value, as_of=moment, clock=histories.clock)
    name = selection.name or FALLBACK_MODEL
    learned = learn_intervals(
        customer=customer,
        at=at,
        value=value,
        as_of=moment,
        clock=histories.clock,
        name=name,
        no_spend=np.array([], np.int64),
    )
    purchases = summarize_histories(histories, as_of=AS_OF)
    groups = group_histories(histories=purchases)
    fit = fit_purchase_model(name=name, groups=groups)
    spend = fit_gamma_gamma(x=purchases.x, mean_value=purchases.mean_value)
    compute_value_columns(
        model=fit.model,
        spend=spend.model,
        calibration=learned.calibration,
        purchases=purchases,
        groups=groups,
        one_currency=np.ones(len(purchases), np.bool_),
    )
    summarize_purchase_model(selection, fit, groups, customer=customer, at=at, as_of=moment, clock=histories.clock)
    return fit


def compile_propensities(histories: OrderHistories, fit: PurchaseModelFit) -> None:
    """Train one propensity, since all use the same kernels, and the next category, and predict both."""
    orders = to_orders(histories)
    snapshot = CustomerSnapshot(orders=orders, as_of=to_microseconds(AS_OF), fit=fit)
    models = train_models(
        [ScoreModel.Kind.PURCHASE_30],
        purchase_model=fit.model.name if fit.model is not None else FALLBACK_MODEL,
        orders=orders,
        today=snapshot,
        as_of=AS_OF,
    )
    category = train_next_category(orders=orders, names=CATEGORIES, as_of=to_microseconds(AS_OF), seed=SEED)
    predict_scores(snapshot, histories, {kind: model for kind, (_score_model, model) in models.items()}, category)


def compile_favorites(histories: OrderHistories) -> None:
    """Find the main categories of orders, and rank and encode the favorite ones, from one line per order."""
    assert histories.category is not None
    n_orders = len(histories.at)
    find_top_codes(np.arange(n_orders), histories.category, histories.amount, n_orders)
    totals = np.diff(histories.start)
    favorites = rank_favorites(
        start=histories.start, code=histories.category, total=totals, names=CATEGORIES, limit=MAX_FAVORITES
    )
    hours = rank_favorites(
        start=histories.start, code=histories.category, total=totals, names=range(24), limit=MAX_FAVORITES
    )
    columns = (merge_favorites(favorites, favorites), favorites, hours)
    for _block in encode_copy_rows(customer=histories.customer, columns=columns):
        pass
