"""Chooses the next best action of every customer from the scores, and stores it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import connection, transaction
from psycopg import sql

from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.database.temporary_tables import load_temporary_table
from recommendations.measurement.statistics.uplift.targeting import choose_targets
from recommendations.uplift.kinds.action_kind import Pool
from recommendations.uplift.models import NO_ACTION_KIND, MessageEffect, UpliftSettings
from recommendations.uplift.scoring import NO_ACTION, ActionCandidate, ActionScores

# codes of `action_texts.REASONS`; the choice uses their positions
REASONS = (
    "largest_increment",
    "largest_increment_offer",
    "explored",
    "no_action",
    "lowers_orders",
    "negative_estimate",
    "below_cost",
    "displaced",
    "over_budget",
)
INCREMENT, OFFER_INCREMENT, EXPLORED, IMPOSSIBLE, LOWERS, NEGATIVE_ESTIMATE, BELOW_COST, DISPLACED, OVER_BUDGET = range(
    len(REASONS)
)
TABLE = "uplift_chosen"
# leaves out customers who were erased or deleted since they were read, or have objected to profiling
CHOSEN = sql.SQL("""
    {table} t JOIN identity_customer c ON c.id = t.customer AND c.erased_at IS NULL AND NOT EXISTS (
        SELECT FROM identity_processingrestriction r
        WHERE r.customer_id = c.id AND r.lifted_at IS NULL AND r.scope IN ('all', 'profiling')
    )
""").format(table=sql.Identifier(TABLE))
# Rows that stay the same are not written again: on most nights nothing changes for most customers.
UPSERT = sql.SQL("""
INSERT INTO uplift_customeraction AS a
    (customer_id, kind, key, expected_margin, low, high, effect, message_effect, reasons, is_explored, computed_at)
SELECT t.customer, coalesce(n.kind, {none}), coalesce(n.key, ''), nullif(t.margin, 'NaN'), nullif(t.low, 'NaN'), nullif(t.high, 'NaN'),
       nullif(t.effect, 'NaN'), (%(effects)s::text[])[t.message_effect + 1], ARRAY[(%(reasons)s::text[])[t.reason + 1]],
       t.reason = {explored}, %(as_of)s
FROM {chosen}
LEFT JOIN unnest(%(kinds)s::text[], %(keys)s::text[]) WITH ORDINALITY AS n (kind, key, number) ON n.number = t.candidate + 1
ON CONFLICT (customer_id) DO UPDATE SET (kind, key, expected_margin, low, high, effect, message_effect, reasons, is_explored, computed_at)
    = (excluded.kind, excluded.key, excluded.expected_margin, excluded.low, excluded.high, excluded.effect, excluded.message_effect,
       excluded.reasons, excluded.is_explored, excluded.computed_at)
WHERE (a.kind, a.key, a.expected_margin, a.low, a.high, a.effect, a.message_effect, a.reasons, a.is_explored)
    IS DISTINCT FROM (excluded.kind, excluded.key, excluded.expected_margin, excluded.low, excluded.high, excluded.effect,
                      excluded.message_effect, excluded.reasons, excluded.is_explored)
""")
# Runs after the other statement, so that it also deletes the rows of customers who were erased in between.
DELETE_OTHERS = sql.SQL("""
DELETE FROM uplift_customeraction a WHERE NOT EXISTS (SELECT FROM {chosen} WHERE t.customer = a.customer_id)
""")


@dataclass(frozen=True, eq=False)
class ActionChoice:
    """The actions of n customers. candidate: row numbers, NO_ACTION for none. reason: positions in REASONS.

    margin, low, high: of the action; without one, of the best possible one; NaN if none was possible.
    """

    candidate: Ints
    reason: Ints
    margin: Floats
    low: Floats
    high: Floats
    figures: Mapping[str, float]


def choose_actions(scores: ActionScores, *, settings: UpliftSettings, seed: int) -> ActionChoice:
    """Choose messages by how far their margin exceeds their cost and the margin of the best offer, within budget and maximum number.

    Customers who get no message get the best offer if it adds margin, because an offer costs no contact.
    """
    message, offer = scores.pools[Pool.MESSAGE], scores.pools[Pool.OFFER]
    cost = float(settings.contact_cost)
    offer_gain = np.where(offer.is_possible, np.maximum(offer.margin, 0), 0.0)
    gain = np.where(message.is_possible, message.margin - offer_gain, -np.inf)
    plan = choose_targets(
        gain,
        cost=cost,
        allowed=message.is_possible,
        budget=None if settings.budget is None else float(settings.budget),
        limit=settings.max_customers,
        exploration=float(settings.exploration_share),
        seed=seed,
    )
    shown = ~plan.chosen & (offer_gain > 0)
    # without an action, the figures are those of the best message, or of the offer where no message is possible
    from_offer = shown | (~plan.chosen & ~message.is_possible)

    def pick(name: str) -> Floats:
        return np.where(from_offer, getattr(offer, name), getattr(message, name))

    candidate = np.select([plan.chosen, shown], [message.candidate, offer.candidate], NO_ACTION)
    margin, low, high = pick("margin"), pick("low"), pick("high")
    reason = np.select(
        [
            plan.explored,
            plan.chosen,
            shown,
            ~message.is_possible & ~offer.is_possible,
            high < 0,
            margin < 0,
            margin <= np.where(message.is_possible, cost, 0.0),
            plan.displaced,
        ],
        [EXPLORED, INCREMENT, OFFER_INCREMENT, IMPOSSIBLE, LOWERS, NEGATIVE_ESTIMATE, BELOW_COST, DISPLACED],
        OVER_BUDGET,
    )
    acts = plan.chosen | shown
    figures = {
        "customers": len(scores.customer),
        "possible": int((message.is_possible | offer.is_possible).sum()),
        "profitable": int((message.is_possible & (gain > cost)).sum()),
        "chosen": int(plan.chosen.sum()),
        "offers": int(shown.sum()),
        "explored": int(plan.explored.sum()),
        "expected_margin": round(float(np.nansum(margin[acts])), 2),
        # all customers of a group share its error, so the ends of their intervals add up
        "expected_low": round(float(np.nansum(low[acts])), 2),
        "expected_high": round(float(np.nansum(high[acts])), 2),
        "cost": round(plan.cost, 2),
        "negative": int((scores.effect < 0).sum()),
    }
    return ActionChoice(candidate, reason.astype(np.int64), margin, low, high, figures)


def store_actions(
    scores: ActionScores,
    choice: ActionChoice,
    candidates: Sequence[ActionCandidate],
    *,
    as_of: datetime,
) -> None:
    """Replace the actions of all customers in one transaction: readers see the old or the new ones, and a killed job changes nothing."""
    with transaction.atomic(), connection.cursor() as cursor:
        load_temporary_table(
            TABLE,
            {
                "customer": scores.customer,
                "candidate": choice.candidate.astype(np.int64),
                "reason": choice.reason,
                "message_effect": classify_effects(scores.low, scores.high),
                "margin": choice.margin,
                "low": choice.low,
                "high": choice.high,
                "effect": scores.effect,
            },
        )
        cursor.execute(
            UPSERT.format(chosen=CHOSEN, none=sql.Literal(NO_ACTION_KIND), explored=sql.Literal(EXPLORED)),
            {
                "effects": ["", *MessageEffect.values],
                "reasons": list(REASONS),
                "kinds": [candidate.action.kind for candidate in candidates],
                "keys": [candidate.action.key for candidate in candidates],
                "as_of": as_of,
            },
        )
        cursor.execute(DELETE_OTHERS.format(chosen=CHOSEN))


def classify_effects(low: Floats, high: Floats) -> Ints:
    """Return what the interval of each effect shows: the position in MessageEffect from 1, or 0 for an unknown effect."""
    positive, none, negative = (MessageEffect.values.index(effect) + 1 for effect in ("positive", "none", "negative"))
    return np.select([np.isnan(low), low > 0, high < 0], [0, positive, negative], none).astype(np.int64)


def count_chosen(choice: ActionChoice, candidates: Sequence[ActionCandidate]) -> list[int]:
    """Return for how many customers each candidate was chosen."""
    counts: Flags = choice.candidate >= 0
    return np.bincount(choice.candidate[counts], minlength=len(candidates)).tolist() if len(candidates) else []
