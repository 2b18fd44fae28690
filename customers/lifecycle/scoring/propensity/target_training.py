"""Trains a propensity of a target from orders, on all outcomes known by a moment."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix, OrderLines, VisitEvents
from customers.lifecycle.scoring.propensity.features.labels import CutoffPlan, PropensityTarget, plan_cutoffs
from customers.lifecycle.scoring.propensity.features.samples import (
    MAX_ROWS,
    ColumnProvider,
    TrainingSample,
    collect_sample,
)
from customers.lifecycle.scoring.propensity.training import PropensityModel, train_propensity

TIME_BLOCKS = 4  # of messages, by time: trained on the first three, evaluated on the last


def train_target(
    *,
    orders: OrderLines,
    target: PropensityTarget,
    as_of: int,
    seed: int,
    visits: VisitEvents | None = None,
    columns: ColumnProvider | None = None,
    purchase_model_column: str | None = None,
    max_rows: int = MAX_ROWS,
) -> PropensityModel:
    """Plan the cutoffs, collect customers as they were then, and compare the candidates.

    All cutoffs are before `as_of` (microseconds).
    columns: additional columns of all customers as of a moment, by name; their values must have been known by that moment.
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
    validation = all_rows.select_cutoffs([plan.validation_at])
    return train_propensity(
        all_rows=all_rows,
        train=earlier[0],
        validation=validation,
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


def plan_target_cutoffs(*, orders: OrderLines, target: PropensityTarget, as_of: int) -> CutoffPlan:
    """Plan the cutoffs before the moment, from the first order on."""
    order_times = orders.at[~orders.is_return & (orders.at < as_of)]
    began_at = int(order_times.min()) if len(order_times) else as_of
    return plan_cutoffs(began_at=began_at, test_at=as_of, horizon_days=target.horizon_days)


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
