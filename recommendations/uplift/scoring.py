"""Scores the actions that each customer could get with the models of past actions, in blocks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db.models import F
from psycopg import sql

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.database.binary_copy import iterate_numbers
from config.foundation.processes.thread_limits import limit_numeric_threads
from recommendations.uplift.features import FEATURES, RECENT, read_features
from recommendations.uplift.kinds.action_kind import PastAction, Pool
from recommendations.uplift.kinds.registry import KINDS
from recommendations.uplift.training import EffectModel

MEMBERS = sql.SQL("""
    SELECT c.id AS customer_id, %(as_of)s::timestamptz AS since, p.value AS predicted_value
    FROM identity_customer c LEFT JOIN lifecycle_customerprofile p ON p.customer_id = c.id
    WHERE c.erased_at IS NULL AND NOT EXISTS (
        SELECT FROM identity_processingrestriction r
        WHERE r.customer_id = c.id AND r.lifted_at IS NULL AND r.scope IN ('all', 'profiling')
    )
""")
NO_ACTION = -1
VISIT_DAYS = FEATURES.index("recent_visit_days")


@dataclass(frozen=True, eq=False)
class ActionCandidate:
    """An action that can be done now. margin: per additional customer with an order. allowed: IDs of who could get it, ascending."""

    action: PastAction
    model: EffectModel
    margin: float
    allowed: Ints


@dataclass(frozen=True, eq=False)
class PoolScores:
    """The best candidate of a pool for n customers.

    candidate: row numbers, NO_ACTION if none is possible. margin, low, high: its expected incremental margin with the measured interval.
    effect, effect_low, effect_high: on the probability of an order, likewise. NaN without a candidate.
    """

    candidate: Ints
    margin: Floats
    low: Floats
    high: Floats
    effect: Floats
    effect_low: Floats
    effect_high: Floats

    @property
    def is_possible(self) -> Flags:
        possible: Flags = self.candidate >= 0
        return possible


@dataclass(frozen=True, eq=False)
class ActionScores:
    """Scores of n customers.

    effect, low, high: of the best message on the probability of an order, with the measured interval; where no message is possible, of a
    message in general, by the model of all messages; NaN without it.
    """

    customer: Ints
    pools: Mapping[Pool, PoolScores]
    effect: Floats
    low: Floats
    high: Floats


def list_allowed_ids(action: PastAction, as_of: datetime) -> Ints | None:
    """Return who could get the action now, ascending; None if it cannot be done."""
    customers = action.find_customers(as_of)
    if customers is None:
        return None
    statement, parameters = customers.order_by().values(number=F("pk")).query.sql_with_params()
    query = sql.SQL("SELECT number::bigint FROM ({}) AS allowed").format(sql.SQL(statement))
    blocks = iterate_numbers(query, {"number": "i"}, parameters=parameters)
    return np.sort(np.concatenate([block["number"] for block in blocks]))


def score_customers(
    message_model: EffectModel | None, candidates: Sequence[ActionCandidate], *, as_of: datetime
) -> ActionScores:
    """Score all customers, in blocks, so that only their scores stay in memory."""
    with limit_numeric_threads():
        blocks = [score_block(customer, matrix, message_model, candidates) for customer, matrix in read_blocks(as_of)]
    return ActionScores(
        np.concatenate([block.customer for block in blocks]),
        {pool: join_scores([block.pools[pool] for block in blocks]) for pool in Pool},
        *(np.concatenate([getattr(block, name) for block in blocks]) for name in ("effect", "low", "high")),
    )


def join_scores(blocks: Sequence[PoolScores]) -> PoolScores:
    return PoolScores(
        *(np.concatenate([getattr(block, name) for block in blocks]) for name in PoolScores.__dataclass_fields__)
    )


def read_blocks(as_of: datetime) -> Iterator[tuple[Ints, Floats]]:
    for columns, matrix in read_features(MEMBERS, {"as_of": as_of}, {"customer_id": "i"}):
        yield columns["customer_id"], matrix


def score_block(
    customer: Ints, matrix: Floats, message_model: EffectModel | None, candidates: Sequence[ActionCandidate]
) -> ActionScores:
    """Return the best candidate of each pool for the customers of a block."""
    predictions = BlockPredictions(matrix)
    pools = {pool: score_pool(pool, customer, matrix, predictions, candidates) for pool in Pool}
    message = pools[Pool.MESSAGE]
    unknown = np.full(len(customer), np.nan)
    general = predictions.predict(message_model) if message_model else (unknown, unknown, unknown)
    own = (message.effect, message.effect_low, message.effect_high)
    effect, low, high = np.where(message.is_possible, own, general)
    return ActionScores(customer, pools, effect, low, high)


class BlockPredictions:
    """The predictions of a block of customers; candidates that share a model predict once."""

    def __init__(self, matrix: Floats) -> None:
        self.matrix = matrix
        self.known: dict[int, tuple[Floats, Floats, Floats]] = {}

    def predict(self, model: EffectModel) -> tuple[Floats, Floats, Floats]:
        """Return the effect of each customer and the ends of its interval."""
        if id(model) not in self.known:
            self.known[id(model)] = (
                model.predict(self.matrix) if len(self.matrix) else (np.empty(0), np.empty(0), np.empty(0))
            )
        return self.known[id(model)]


def score_pool(
    pool: Pool, customer: Ints, matrix: Floats, predictions: BlockPredictions, candidates: Sequence[ActionCandidate]
) -> PoolScores:
    n = len(customer)
    best, margin = np.full(n, NO_ACTION), np.full(n, -np.inf)
    shown = np.full((5, n), np.nan)  # the other fields of PoolScores
    for number, candidate in enumerate(candidates):
        if candidate.action.pool != pool:
            continue
        effect, low, high = predictions.predict(candidate.model)
        worth = candidate.margin * compute_reach(candidate.action, matrix)
        value = np.where(contains(candidate.allowed, customer) & (worth > 0), effect * worth, -np.inf)
        is_better = value > margin
        best[is_better], margin[is_better] = number, value[is_better]
        shown[:, is_better] = np.stack([low * worth, high * worth, effect, low, high])[:, is_better]
    return PoolScores(best, np.where(best < 0, np.nan, margin), *shown)


def compute_reach(action: PastAction, matrix: Floats) -> Floats:
    """Return the probability that each customer sees the action, (n,): 1 for a message.

    An offer needs a visit within its window: 1 − exp(−window · days with a visit / 90 days), as if visits came at a constant rate.
    """
    window = KINDS[action.kind].window
    if window is None:
        return np.ones(len(matrix))
    reach: Floats = -np.expm1(-(window / RECENT) * matrix[:, VISIT_DAYS])
    return reach


def contains(ids: Ints, wanted: Ints) -> Flags:
    """Return which of the wanted IDs are among ``ids``, which are ascending; much faster than np.isin for small blocks."""
    if not len(ids):
        return np.zeros(len(wanted), np.bool_)
    found: Flags = ids[np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)] == wanted
    return found
