"""Estimate the click rate of a placement with other settings from its impressions (off-policy evaluation).

Only the first product of lists that rotation ordered counts: its propensity is known, and no product above it decided whether it was
seen. The candidates of each logged list are computed again, with what was known about the visitor then, for the present settings and for
the variant. A list is left out if the present settings do not reproduce its logged propensity: it came from a request with filters, or
from another catalog.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from scipy import sparse

from config.foundation.array_types import Floats, Rows
from config.foundation.statistics import ConfidenceInterval
from customers.events.recent.interactions import RecentActivity
from recommendations.engine import Histories
from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.placements import PLACEMENTS, PlacementInput
from recommendations.experiments.assignment import RunningVariant
from recommendations.experiments.log_estimates import (
    LOOKBACK,
    MIN_CLICKS,
    MIN_DECISIONS,
    MIN_EFFECTIVE,
    MIN_REPRODUCED,
    MIN_SUPPORTED,
    EstimateProblem,
    LogEstimate,
)
from recommendations.experiments.subjects import Config
from recommendations.measurement.statistics.off_policy import (
    compute_skewed_mean_interval,
    compute_weights,
    evaluate_policy,
)
from recommendations.measurement.statistics.reward_model import ActionLog, predict_rewards
from recommendations.serving.experiments.names import PLACEMENT
from recommendations.serving.experiments.variant_states import NO_VARIANTS, vary_state
from recommendations.serving.impressions.attribution import CLICKED_PRODUCTS, build_click_parameters
from recommendations.serving.pipeline.candidates import find_candidates
from recommendations.serving.pipeline.context import Candidates, RecommendationContext, build_context
from recommendations.serving.pipeline.fallback import apply_fallback
from recommendations.serving.pipeline.ordering import POOL_SIZE, compute_log_weights
from recommendations.serving.pipeline.rerank import get_max_purchased_share
from recommendations.serving.pipeline.visitor import read_activity
from recommendations.serving.pipeline.workspaces import WorkspacePool
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.loader import ServingState, StateLoader, loader

MAX_DECISIONS = 1_000
TOLERANCE = 0.02  # of a reproduced propensity
SEED = 1
# One list per visitor and rotation period, which has one random order; the same sample in every run.
RANDOM_DECISIONS = f"""
WITH list AS (
    SELECT DISTINCT ON (user_id, anonymous_id, floor(extract(epoch FROM served_at) / %(period)s))
           recommendation_id, served_at, user_id, anonymous_id, product_ids[1] AS product_id, propensities[1] AS propensity
    FROM serving_impression
    WHERE scenario = %(scenario)s AND model_version = %(version)s AND served_at >= %(since)s AND served_at < %(until)s
      AND first_rank = 1 AND arm = '' AND propensities[1] IS NOT NULL AND (user_id <> '' OR anonymous_id <> '')
    ORDER BY user_id, anonymous_id, floor(extract(epoch FROM served_at) / %(period)s), served_at
), sample AS (
    SELECT *, count(*) OVER () AS decisions FROM list ORDER BY hashtextextended(recommendation_id, 0) LIMIT %(limit)s
), clicked AS (
    SELECT DISTINCT recommendation_id FROM ({CLICKED_PRODUCTS}) AS product WHERE position = 1 AND scenario = %(scenario)s
)
SELECT decisions, user_id, anonymous_id, product_id, propensity, served_at,
       clicked.recommendation_id IS NOT NULL
FROM sample LEFT JOIN clicked USING (recommendation_id)
ORDER BY hashtextextended(recommendation_id, 0)
"""  # noqa: S608 — our own text


@dataclass(frozen=True)
class RandomDecision:
    """A first product that was chosen at random."""

    user_id: str
    anonymous_id: str
    product_id: str
    propensity: float
    served_at: datetime
    is_clicked: bool


def estimate_placement(placement: str, config: Config, *, at: datetime, source: StateLoader = loader) -> LogEstimate:
    """Return the estimated click rate of a placement with the settings of a variant."""
    if PLACEMENTS[placement].start == PlacementInput.PRODUCTS:
        return LogEstimate(0, problem=EstimateProblem.UNKNOWN_REQUEST)
    state = replace(source.get_state(now=at), variants=NO_VARIANTS)
    count, decisions = read_decisions(state, placement, at=at)
    if count < MIN_DECISIONS:
        return LogEstimate(count, problem=EstimateProblem.FEW_DECISIONS)
    variant = RunningVariant(0, "", config, is_control=False, first_bucket=0, end_bucket=0)
    varied = vary_state(state, kind=PLACEMENT, subject=placement, variant=variant) or state
    activities = [read_past_activity(decision, placement) for decision in decisions]
    present = find_policies(state, placement, decisions, activities)
    wanted = find_policies(varied, placement, decisions, activities)
    kept = [
        number
        for number, (decision, policy) in enumerate(zip(decisions, present, strict=True))
        if abs(policy.get(decision.product_id, 0.0) / decision.propensity - 1) < TOLERANCE
    ]
    return evaluate_decisions(
        [decisions[number] for number in kept],
        [wanted[number] for number in kept],
        present=[present[number] for number in kept],
        count=count,
        read=len(decisions),
    )


def read_decisions(state: ServingState, placement: str, *, at: datetime) -> tuple[int, list[RandomDecision]]:
    """Return the number of random decisions of the active model version, and a sample of them."""
    parameters = build_click_parameters() | {
        "scenario": placement,
        "version": state.version,
        "since": at - LOOKBACK,
        "until": at,
        "now": at,
        "period": 3600 * state.placements.by_name[placement].rotation_hours,
        "limit": MAX_DECISIONS,
    }
    with connection.cursor() as cursor:
        cursor.execute(RANDOM_DECISIONS, parameters)
        rows = cursor.fetchall()
    return (rows[0][0] if rows else 0), [RandomDecision(*row[1:]) for row in rows]


def make_request(decision: RandomDecision, placement: str) -> RecommendationRequest:
    return RecommendationRequest(placement, user_id=decision.user_id, anonymous_id=decision.anonymous_id, explain=False)


def read_past_activity(decision: RandomDecision, placement: str) -> RecentActivity:
    """Return the recent interactions of the visitor before the list was served."""
    activity = read_activity(make_request(decision, placement))
    before = [interaction for interaction in activity.interactions if interaction.at < decision.served_at.timestamp()]
    return replace(activity, interactions=before)


def find_policies(
    state: ServingState, placement: str, decisions: Sequence[RandomDecision], activities: Sequence[RecentActivity]
) -> list[Mapping[str, float]]:
    """Return per decision the probability of each product to be the first one."""
    policies: list[Mapping[str, float]] = []
    for decision, activity in zip(decisions, activities, strict=True):
        with WorkspacePool(state) as workspaces:
            context = build_context(
                request=make_request(decision, placement),
                state=state,
                workspaces=workspaces,
                now=decision.served_at,
                activity=activity,
                has_deadline=False,
            )
            history = context.visitor.history
            if history is not None:
                past = cut_history(history, before=decision.served_at.timestamp())
                context.visitor = replace(context.visitor, history=past)
            candidates = apply_fallback(context, find_candidates(context, placement))
            rows, shares = compute_first_shares(context, candidates)
        names = map(state.products.product_ids.__getitem__, rows.tolist())
        policies.append(dict(zip(names, shares.tolist(), strict=True)))
    return policies


def cut_history(history: Histories, *, before: float) -> Histories:
    """Return the interactions of one history before a moment."""
    is_before = history.order < before
    if is_before.all():
        return history
    return replace(
        history,
        indptr=np.array([0, int(is_before.sum())], np.int64),
        item=history.item[is_before],
        order=history.order[is_before],
        weight=history.weight[is_before],
        kind=history.kind[is_before],
    )


def compute_first_shares(context: RecommendationContext, candidates: Candidates) -> tuple[Rows, Floats]:
    """Return the candidates that can be the first product, and the probability of each."""
    rows, scores = candidates.rows[:POOL_SIZE], candidates.scores[:POOL_SIZE]
    if not len(rows) or (context.rule_effects is not None and context.rule_effects.pins):
        return rows[:0], np.zeros(0)
    can_be_first = np.ones(len(rows), np.bool_)
    if get_max_purchased_share(context, candidates) < 1:
        is_other = ~are_members(rows, context.purchased_rows)
        if is_other.any():  # then purchased products are never first
            can_be_first = is_other
    rotation = context.get_config(context.request.scenario).rotation
    if not rotation:
        return rows[can_be_first][:1], np.ones(1)
    log_weights = compute_log_weights(scores, rotation)[can_be_first]  # based on the places among all candidates
    rows, weights = rows[can_be_first], np.exp(log_weights - log_weights.max())
    return rows, weights / weights.sum()


def measure_support(
    policies: Sequence[Mapping[str, float]], present: Sequence[Mapping[str, float]], *, max_weight: float
) -> tuple[Floats, Floats]:
    """Return the share of the variant's first products with a weight of at most ``max_weight``, and that without any, (n,) each.

    Products that the present settings never put first have no weight: the log says nothing about them, although it may be worth many
    lists of the variant otherwise, because (Σw)² / Σw² does not depend on the scale of the weights.
    """
    supported, unseen = np.zeros(len(policies)), np.zeros(len(policies))
    for row, (shares, logged) in enumerate(zip(policies, present, strict=True)):
        for product_id, share in shares.items():
            propensity = logged.get(product_id, 0.0)
            supported[row] += share * (share <= propensity * max_weight)
            unseen[row] += share * (propensity <= 0)
    return supported, unseen


def evaluate_decisions(
    decisions: Sequence[RandomDecision],
    policies: Sequence[Mapping[str, float]],
    *,
    present: Sequence[Mapping[str, float]],
    count: int,
    read: int,
) -> LogEstimate:
    """Return the estimates from decisions and the probabilities of the variant; the reason if there are too few.

    present: the probabilities of the present settings.
    count: all decisions of the period; read: those in the sample, of which some could not be reproduced.
    """
    rewards = np.array([decision.is_clicked for decision in decisions], np.float64)
    estimate = LogEstimate(count, reproduced=round(count * len(decisions) / max(read, 1)), clicks=int(rewards.sum()))
    if len(decisions) < MIN_REPRODUCED * read:
        return replace(estimate, problem=EstimateProblem.CHANGED)
    if rewards.sum() < MIN_CLICKS:
        return replace(estimate, problem=EstimateProblem.FEW_CLICKS)
    target = np.array([p.get(d.product_id, 0.0) for d, p in zip(decisions, policies, strict=True)])
    weights = compute_weights(target=target, propensity=np.array([d.propensity for d in decisions]))
    effective = float(weights.sum()) ** 2 / max(float((weights**2).sum()), 1e-12)
    if effective < MIN_EFFECTIVE:
        return replace(estimate, effective=effective, problem=EstimateProblem.DIFFERENT)
    # by Markov's inequality, a variant worth MIN_EFFECTIVE lists has at most 1 - MIN_SUPPORTED of its choices above this weight
    max_weight = len(decisions) / MIN_EFFECTIVE / (1 - MIN_SUPPORTED)
    shares, unseen = measure_support(policies, present, max_weight=max_weight)
    estimate = replace(estimate, effective=effective, supported=float(shares.mean()))
    if estimate.supported < MIN_SUPPORTED:
        return replace(estimate, problem=EstimateProblem.UNSEEN)
    log, policy = build_action_log(decisions, policies, rewards)
    rewards_of = predict_rewards(log, policy, seed=SEED)
    found = evaluate_policy(rewards, weights, predicted=rewards_of.predicted, expected=rewards_of.expected)
    difference = compute_skewed_mean_interval(
        rewards_of.expected + weights * (rewards - rewards_of.predicted) - rewards
    )
    return replace(
        estimate,
        measured=compute_skewed_mean_interval(rewards),
        ips=found.ips,
        snips=found.snips,
        dr=widen_interval(found.dr, float(unseen.mean()), rate=float(rewards.mean())),
        difference=widen_interval(difference, float(unseen.mean()), rate=float(rewards.mean())),
    )


def widen_interval(interval: ConfidenceInterval, unseen: float, *, rate: float) -> ConfidenceInterval:
    """Return the interval if the click rate of the unseen share, for which the mean rate is assumed, can be anything from 0 to 1."""
    return replace(interval, low=interval.low - unseen * rate, high=interval.high + unseen * (1 - rate))


def build_action_log(
    decisions: Sequence[RandomDecision], policies: Sequence[Mapping[str, float]], rewards: Floats
) -> tuple[ActionLog, Floats]:
    """Return the log and the policy over the products that were first, with a single action for all other products."""
    numbers: dict[str, int] = {}
    action = np.array([numbers.setdefault(decision.product_id, len(numbers)) for decision in decisions], np.int64)
    policy = np.zeros((len(decisions), len(numbers) + 1))
    for row, shares in enumerate(policies):
        for product_id, share in shares.items():
            policy[row, numbers.get(product_id, len(numbers))] += share
    context: Any = sparse.csr_array(np.zeros((len(decisions), 1)))
    return ActionLog(context, action, np.arange(len(decisions)), rewards), policy
