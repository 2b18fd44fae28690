"""Chooses the next best action of every customer and stores it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection, transaction
from psycopg import sql

from config.foundation.array_types import Flags, Floats, Ints
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.campaigns.audience import query_reasons
from recommendations.campaigns.models import Campaign
from recommendations.measurement.statistics.uplift.targeting import choose_targets
from recommendations.uplift.features import build_matrix, read_members
from recommendations.uplift.models import ActionKind, CustomerAction, MessageEffect, UpliftSettings
from recommendations.uplift.training import EffectModel

BLOCK_CUSTOMERS = 50_000
MEMBERS = sql.SQL("""
    SELECT c.id AS customer_id, %(as_of)s::timestamptz AS since, p.value AS predicted_value
    FROM identity_customer c LEFT JOIN lifecycle_customerprofile p ON p.customer_id = c.id
    WHERE c.erased_at IS NULL AND c.id > %(after)s ORDER BY c.id LIMIT %(limit)s
""")
COPY = """COPY uplift_customeraction
    (customer_id, kind, key, expected_margin, low, high, effect, message_effect, reasons, is_explored, computed_at) FROM STDIN"""

# those who were erased or deleted since they were read
DELETE_ERASED = """DELETE FROM uplift_customeraction a WHERE NOT EXISTS (
    SELECT FROM identity_customer c WHERE c.id = a.customer_id AND c.erased_at IS NULL)"""


@dataclass(frozen=True, eq=False)
class CampaignCandidate:
    """A campaign that can be sent. margin: per additional customer with an order. allowed: IDs of who can get it, ascending."""

    campaign: Campaign
    model: EffectModel
    margin: float
    allowed: Ints


@dataclass(frozen=True, eq=False)
class Scores:
    """The best candidate of n customers.

    customer: IDs. action: row number of the candidate, −1 if none can be sent. margin, low, high: of that candidate. effect, group: of a
    message in general, by the model of all campaigns.
    """

    customer: Ints
    action: Ints
    margin: Floats
    low: Floats
    high: Floats
    effect: Floats
    group: Ints


def list_allowed_ids(campaign: Campaign, as_of: datetime) -> Ints:
    """Return who could get the campaign now: in its segment, reachable, with consent, not in the global holdout."""
    try:
        rows = query_reasons(campaign, as_of).filter(reason="").order_by().values_list("pk", flat=True)
        ids = np.fromiter(rows.iterator(chunk_size=BLOCK_CUSTOMERS), dtype=np.int64)
    except ConditionError:  # a segment that was broken after the campaign
        return np.empty(0, np.int64)
    return np.sort(ids)


def score_customers(model: EffectModel, candidates: Sequence[CampaignCandidate], *, as_of: datetime) -> Scores:
    """Score all customers, in blocks."""
    blocks = [score_block(customer, matrix, model, candidates) for customer, matrix in read_blocks(as_of)]
    if not blocks:
        blocks = [score_block(np.empty(0, np.int64), build_matrix([]), model, candidates)]
    names = Scores.__dataclass_fields__
    return Scores(**{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names})


def read_blocks(as_of: datetime) -> Iterator[tuple[Ints, Floats]]:
    after = 0
    while rows := read_members(MEMBERS, {"as_of": as_of, "after": after, "limit": BLOCK_CUSTOMERS}):
        customer = np.array([row[0] for row in rows], dtype=np.int64)
        yield customer, build_matrix(rows)
        after = int(customer.max())


def score_block(customer: Ints, matrix: Floats, model: EffectModel, candidates: Sequence[CampaignCandidate]) -> Scores:
    """Return the best candidate of each customer of a block."""
    n = len(customer)
    effect, group = predict(model, matrix)
    action, margin, low, high = np.full(n, -1), np.full(n, -np.inf), np.full(n, np.nan), np.full(n, np.nan)
    for number, candidate in enumerate(candidates):
        own_effect, own_group = (effect, group) if candidate.model is model else predict(candidate.model, matrix)
        value = np.where(np.isin(customer, candidate.allowed), own_effect * candidate.margin, -np.inf)
        is_better = value > margin
        ends = np.array([(entry.low, entry.high) for entry in candidate.model.groups]) * candidate.margin
        action[is_better], margin[is_better] = number, value[is_better]
        low[is_better] = np.minimum(ends[own_group, 0], value)[is_better]
        high[is_better] = np.maximum(ends[own_group, 1], value)[is_better]
    return Scores(customer, action, np.where(action < 0, np.nan, margin), low, high, effect, group)


def predict(model: EffectModel, matrix: Floats) -> tuple[Floats, Ints]:
    return model.predict(matrix) if len(matrix) else (np.empty(0), np.empty(0, np.int64))


def write_actions(
    model: EffectModel, candidates: Sequence[CampaignCandidate], *, as_of: datetime, settings: UpliftSettings
) -> Mapping[str, float]:
    """Choose and store the actions of all customers; return the figures of the choice."""
    scores = score_customers(model, candidates, as_of=as_of)
    cost = float(settings.contact_cost)
    allowed = scores.action >= 0
    plan = choose_targets(
        np.where(allowed, scores.margin, -np.inf),
        cost=cost,
        allowed=allowed,
        budget=None if settings.budget is None else float(settings.budget),
        limit=settings.max_customers,
        exploration=float(settings.exploration_share),
        seed=as_of.toordinal(),
    )
    store_actions(scores, candidates, model, plan.chosen, plan.explored, cost=cost, as_of=as_of)
    return {
        "customers": len(scores.customer),
        "possible": int(allowed.sum()),
        "profitable": int((allowed & (scores.margin > cost)).sum()),
        "chosen": int(plan.chosen.sum()),
        "explored": int(plan.explored.sum()),
        "expected_margin": round(float(np.nansum(scores.margin[plan.chosen])), 2),
        "cost": round(plan.cost, 2),
        "negative": int((scores.effect < 0).sum()),
    }


def store_actions(
    scores: Scores,
    candidates: Sequence[CampaignCandidate],
    model: EffectModel,
    chosen: Flags,
    explored: Flags,
    *,
    cost: float,
    as_of: datetime,
) -> None:
    """Replace the actions of all customers in one transaction, so that readers see the old or the new ones."""
    effects = [classify_effect(group.low, group.high) for group in model.groups]
    with transaction.atomic(), connection.cursor() as cursor:
        CustomerAction.objects.all().delete()
        with cursor.copy(COPY) as copy:
            for row in range(len(scores.customer)):
                copy.write_row(
                    build_row(scores, row, candidates, effects, bool(chosen[row]), bool(explored[row]), cost, as_of)
                )
        cursor.execute(DELETE_ERASED)


def build_row(
    scores: Scores,
    row: int,
    candidates: Sequence[CampaignCandidate],
    effects: Sequence[MessageEffect],
    is_chosen: bool,
    is_explored: bool,
    cost: float,
    as_of: datetime,
) -> tuple[object, ...]:
    action, margin = int(scores.action[row]), float(scores.margin[row])
    has_action = action >= 0
    return (
        int(scores.customer[row]),
        (ActionKind.CAMPAIGN if is_chosen else ActionKind.NONE).value,
        candidates[action].campaign.key if is_chosen else "",
        margin if has_action else None,
        float(scores.low[row]) if has_action else None,
        float(scores.high[row]) if has_action else None,
        float(scores.effect[row]),
        effects[int(scores.group[row])].value,
        [choose_reason(is_chosen, is_explored, has_action, margin, cost)],
        is_explored,
        as_of,
    )


def choose_reason(is_chosen: bool, is_explored: bool, has_action: bool, margin: float, cost: float) -> str:
    """Return a code of `action_texts.REASONS`."""
    if is_explored:
        return "explored"
    if is_chosen:
        return "largest_increment"
    if not has_action:
        return "no_campaign"
    if margin < 0:
        return "lowers_orders"
    return "below_cost" if margin <= cost else "over_budget"


def classify_effect(low: float, high: float) -> MessageEffect:
    """Return what the interval of an effect shows."""
    if low > 0:
        return MessageEffect.POSITIVE
    return MessageEffect.NEGATIVE if high < 0 else MessageEffect.NONE
