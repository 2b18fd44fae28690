"""Trains a propensity of a target from orders, on all outcomes known by a moment."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix, OrderLines, VisitEvents
from customers.lifecycle.scoring.propensity.features.labels import (
    CutoffPlan,
    LevelPlan,
    PropensityTarget,
    plan_cutoffs,
    plan_levels,
)
from customers.lifecycle.scoring.propensity.features.samples import (
    MAX_ROWS,
    ColumnProvider,
    TrainingSample,
    collect_sample,
)
from customers.lifecycle.scoring.propensity.levels import LevelPeriod
from customers.lifecycle.scoring.propensity.training import PropensityModel, find_shortage, train_propensity

TIME_BLOCKS = 4  # of messages, by time: trained on the first three, evaluated on the last


def train_target(
    *,
    orders: OrderLines,
    target: PropensityTarget,
    as_of: int,
    seed: int,
    visits: VisitEvents | None = None,
    columns: ColumnProvider | None = None,
    has_columns: Callable[[int], bool] | None = None,
    purchase_model_column: str | None = None,
    max_rows: int = MAX_ROWS,
) -> PropensityModel:
    """Plan the cutoffs, collect customers as they were then, and compare the candidates.

    All cutoffs are before `as_of` (microseconds).
    columns: additional columns of all customers as of a moment, by name; their values must have been known by that moment. has_columns:
    whether there are any as of a moment at which only the level is compared; by default there are.
    purchase_model_column: the one of them with the purchase model's probability of the target (for churn: of no order). The result scores
    `measure_features(..., columns=columns(as_of)).matrix` of the same columns. Where no label window has ended by `as_of` the reason
    is "history_too_short".
    """
    plan, samples = collect_target_samples(
        orders=orders, target=target, as_of=as_of, seed=seed, visits=visits, columns=columns, max_rows=max_rows
    )
    if not samples:
        return train_propensity(all_rows=None, seed=seed)
    all_rows, *earlier = samples
    if not earlier or plan.validation_at is None:
        return train_propensity(all_rows=all_rows, purchase_model_column=purchase_model_column, seed=seed)
    periods, season = collect_level_samples(
        orders=orders,
        target=target,
        as_of=as_of,
        seed=seed,
        visits=visits,
        columns=columns,
        has_columns=has_columns,
        max_rows=max_rows,
    )
    return train_propensity(
        all_rows=all_rows,
        train=earlier[0],
        validation=all_rows.select_cutoffs([plan.validation_at]),
        periods=periods,
        season=season,
        purchase_model_column=purchase_model_column,
        seed=seed,
    )


def collect_target_samples(
    *,
    orders: OrderLines,
    target: PropensityTarget,
    as_of: int,
    seed: int,
    visits: VisitEvents | None = None,
    columns: ColumnProvider | None = None,
    max_rows: int = MAX_ROWS,
) -> tuple[CutoffPlan, list[TrainingSample]]:
    """Return the plan of cutoffs, and the samples of all and of the training cutoffs.

    A sample without cutoffs is left out.
    """
    plan = plan_target_cutoffs(orders=orders, target=target, as_of=as_of)
    samples = [
        collect_sample(
            orders=orders, target=target, cutoffs=cutoffs, seed=seed, visits=visits, columns=columns, max_rows=max_rows
        )
        for cutoffs in (plan.all_cutoffs, plan.train_cutoffs)
        if cutoffs
    ]
    return plan, samples


def collect_level_samples(
    *,
    orders: OrderLines,
    target: PropensityTarget,
    as_of: int,
    seed: int,
    visits: VisitEvents | None = None,
    columns: ColumnProvider | None = None,
    has_columns: Callable[[int], bool] | None = None,
    max_rows: int = MAX_ROWS,
) -> tuple[list[LevelPeriod], TrainingSample | None]:
    """Return the periods at which the level is compared, latest first, and the customers of a year before the moment.

    The list ends before the first period with too few positive or negative customers or missing columns; such a year before is left out.
    """

    def collect(cutoffs: Sequence[int], rows: int) -> TrainingSample | None:
        if has_columns is not None and not all(has_columns(cutoff) for cutoff in cutoffs):
            return None
        sample = collect_sample(
            orders=orders, target=target, cutoffs=cutoffs, seed=seed, visits=visits, columns=columns, max_rows=rows
        )
        return None if find_shortage(sample) else sample

    def collect_season(moment: int | None) -> TrainingSample | None:
        return None if moment is None else collect([moment], max_rows // 2)

    plan = plan_target_levels(orders=orders, target=target, as_of=as_of)
    periods: list[LevelPeriod] = []
    for cutoff, train_cutoffs, season_at in plan.periods:
        train, sample = collect(train_cutoffs, max_rows), collect([cutoff], max_rows // 2)
        if train is None or sample is None:
            break
        periods.append(LevelPeriod(train, sample, collect_season(season_at)))
    return periods, collect_season(plan.season_at)


def plan_target_cutoffs(*, orders: OrderLines, target: PropensityTarget, as_of: int) -> CutoffPlan:
    """Plan the cutoffs before the moment, from the first order on."""
    return plan_cutoffs(began_at=_find_start(orders, as_of), test_at=as_of, horizon_days=target.horizon_days)


def plan_target_levels(*, orders: OrderLines, target: PropensityTarget, as_of: int) -> LevelPlan:
    """Plan the periods at which the level is compared, from the first order on."""
    return plan_levels(began_at=_find_start(orders, as_of), test_at=as_of, horizon_days=target.horizon_days)


def _find_start(orders: OrderLines, as_of: int) -> int:
    """Return the moment of the first order, or `as_of` without one before it."""
    order_times = orders.at[~orders.is_return & (orders.at < as_of)]
    return int(order_times.min()) if len(order_times) else as_of


def train_response(
    *, names: tuple[str, ...], matrix: Matrix, customer: Ints, sent_at: Ints, answered: Flags, seed: int
) -> PropensityModel:
    """Train the probability that customers respond on a channel, one row per message.

    matrix: (n, k) of the columns `names`, as known when it was sent; customer, sent_at (microseconds), answered: (n,).
    The last quarter of the messages evaluates what was trained on the earlier ones. With fewer than 50 customers who answered, or who
    didn't, there is no model and the reason is "few_positives" or "few_negatives".
    Errors: ValueError for arrays of different length.
    """
    if not len(matrix) == len(customer) == len(sent_at) == len(answered) or matrix.shape[1:] != (len(names),):
        raise ValueError(
            f"matrix has shape {matrix.shape}, names {len(names)}, customer {customer.shape}, sent_at {sent_at.shape} and "
            f"answered {answered.shape}; pass one row per message and one name per column"
        )
    # Blocks of messages by time take the role of cutoffs, so the selection and the calibration also split by time.
    order = np.argsort(sent_at, kind="stable")
    block: npt.NDArray[np.int64] = np.empty(len(order), np.int64)
    block[order] = np.arange(len(order)) * TIME_BLOCKS // max(len(order), 1)
    all_rows = TrainingSample(names, matrix, answered, customer, block)
    return train_propensity(
        all_rows=all_rows,
        train=all_rows.select(block < TIME_BLOCKS - 1),
        validation=all_rows.select(block == TIME_BLOCKS - 1),
        seed=seed,
    )
