"""From orders to a propensity: what the shop asks, learnt from all that has come true by a moment."""

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix, Orders, Visits
from customers.lifecycle.scoring.propensity.features.labels import Cuts, Target, plan_cuts
from customers.lifecycle.scoring.propensity.features.samples import MOST_ROWS, Columns, Sample, collect_sample
from customers.lifecycle.scoring.propensity.training import Propensity, learn_propensity

BLOCKS = 4  # of messages, by time: the last one judges what the first three taught


def learn_target(
    *,
    orders: Orders,
    target: Target,
    as_of: int,
    seed: int,
    visits: Visits | None = None,
    columns: Columns | None = None,
    given: str | None = None,
    most_rows: int = MOST_ROWS,
) -> Propensity:
    """Plans the cuts before `as_of` (microseconds), takes customers as they were then, and lets the candidates compete.

    columns: further columns of all customers as of a moment, by name; whatever they hold must have been known by that moment.
    given: the one of them that is the buying process' probability of the target (for churn: of no order). The result scores
    `measure_features(..., columns=columns(as_of)).matrix` of the same columns. Where no window has ended by `as_of` the reason
    is "history_too_short".
    """
    plan, samples = sample_of(
        orders=orders, target=target, as_of=as_of, seed=seed, visits=visits, columns=columns, most_rows=most_rows
    )
    if not samples:
        return learn_propensity(every=None, seed=seed)
    every, *earlier = samples
    if not earlier or plan.validation is None:
        return learn_propensity(every=every, given=given, seed=seed)
    validation = every.at([plan.validation])
    return learn_propensity(every=every, train=earlier[0], validation=validation, given=given, seed=seed)


def sample_of(
    *,
    orders: Orders,
    target: Target,
    as_of: int,
    seed: int,
    visits: Visits | None = None,
    columns: Columns | None = None,
    most_rows: int = MOST_ROWS,
) -> tuple[Cuts, list[Sample]]:
    """The plan of cuts, and the samples of its `every` and of its `train` cuts, as far as there are any."""
    plan = plan_of(orders=orders, target=target, as_of=as_of)
    found = [
        collect_sample(
            orders=orders, target=target, cuts=cuts, seed=seed, visits=visits, columns=columns, most_rows=most_rows
        )
        for cuts in (plan.every, plan.train)
        if cuts
    ]
    return plan, found


def plan_of(*, orders: Orders, target: Target, as_of: int) -> Cuts:
    """The cuts before the moment, from the first order on."""
    counted = orders.at[~orders.is_return & (orders.at < as_of)]
    began_at = int(counted.min()) if len(counted) else as_of
    return plan_cuts(began_at=began_at, test_at=as_of, horizon_days=target.horizon_days)


def learn_response(
    *, names: tuple[str, ...], matrix: Matrix, customer: Ints, sent_at: Ints, answered: Flags, seed: int
) -> Propensity:
    """How likely customers answer on a channel. One row a message: matrix (n, k) of the columns `names`, what was known when it was
    sent; customer, sent_at (microseconds), answered: (n,).

    The last quarter of the messages judges what the earlier ones taught. With fewer than 50 customers who answered, or who didn't,
    there is no model and the reason is "few_positives" or "few_negatives". Errors: ValueError for arrays that don't fit together.
    """
    if not len(matrix) == len(customer) == len(sent_at) == len(answered) or matrix.shape[1:] != (len(names),):
        raise ValueError(
            f"matrix has shape {matrix.shape}, names {len(names)}, customer {customer.shape}, sent_at {sent_at.shape} and "
            f"answered {answered.shape}; give one row a message and one name a column"
        )
    order = np.argsort(sent_at, kind="stable")
    block: npt.NDArray[np.int64] = np.empty(len(order), np.int64)
    block[order] = np.arange(len(order)) * BLOCKS // max(len(order), 1)
    every = Sample(names, matrix, answered, customer, block)
    return learn_propensity(
        every=every, train=every.taken(block < BLOCKS - 1), validation=every.taken(block == BLOCKS - 1), seed=seed
    )
