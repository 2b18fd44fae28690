"""Scores the estimated effects of campaigns, and the choice of customers to write to, against the true effects."""

from datetime import datetime
from typing import Any

import numpy as np

from benchmarks.truth_measures import compute_rank_correlation
from benchmarks.truth_shop import ShopTruth, find_customers
from config.foundation.array_types import Floats

TARGETED = 0.3


def score_lift(truth: ShopTruth, as_of: datetime) -> dict[str, Any]:
    """Return how many 95% intervals of conversion and of revenue contain the true mean effect on both groups."""
    from recommendations.campaigns.models import Campaign
    from recommendations.campaigns.results.summary import compute_results

    members = truth.read("campaigns")
    rows = []
    for number, campaign in enumerate(Campaign.objects.filter(is_simulated=True).order_by("pk")):
        own = members["campaign"] == number
        comparison = compute_results(campaign, as_of=as_of).comparison
        row: dict[str, Any] = {"customers": int(own.sum())}
        for name, column in (("conversion", "orders"), ("revenue", "revenue")):
            measure = getattr(comparison, name)
            true = float((members[f"{column}1"][own].astype(float) - members[f"{column}0"][own]).mean())
            if measure is not None:
                effect = measure.effect
                row[name] = {"true": true, "estimate": effect.value, "low": effect.low, "high": effect.high}
        rows.append(row)
    figures: dict[str, Any] = {"campaigns": rows, "stated": 0.95}
    for name in ("conversion", "revenue"):
        known = [row[name] for row in rows if name in row]
        figures[name] = {
            "intervals": len(known),
            "inside": sum(row["low"] <= row["true"] <= row["high"] for row in known),
            "mean_true": float(np.mean([row["true"] for row in known])) if known else None,
            "mean_estimate": float(np.mean([row["estimate"] for row in known])) if known else None,
        }
    return figures


def score_uplift(truth: ShopTruth, as_of: datetime) -> dict[str, Any]:
    """Return how well the stored effects rank the customers by the true effect of a message sent at the end."""
    from recommendations.uplift.models import CustomerAction
    from recommendations.uplift.refresh import refresh_actions

    model = refresh_actions(as_of=as_of)
    if model.problem:
        return {"problem": model.problem, "figures": model.figures}
    effects = dict(CustomerAction.objects.exclude(effect=None).values_list("customer_id", "effect"))
    keys = find_customers()
    estimate = np.array([effects.get(keys.get(customer, -1), np.nan) for customer in truth.customers["customer_id"]])
    known = ~np.isnan(estimate)
    true = truth.customers["message_effect"][known]
    estimate = estimate[known]
    # this baseline knows order rates and who has left, but not how a customer reacts, which a shop cannot know before its first message
    p_order = truth.customers["p_order_30"][known]
    return {
        "customers": int(known.sum()),
        "true_mean": float(true.mean()),
        "estimated_mean": float(estimate.mean()),
        "rank_correlation": compute_rank_correlation(true, estimate),
        "top30_true_effect": mean_of_best(true, estimate),
        "oracle_top30_true_effect": mean_of_best(true, true),
        "without_kinds_top30_true_effect": mean_of_best(true, truth.customers["p_alive"][known] * (1 - p_order)),
        "learner": model.figures["learner"],
        "qini": model.figures["learners"][model.figures["learner"]],
    }


def mean_of_best(true: Floats, score: Floats) -> float:
    best = np.argsort(-score, kind="stable")[: max(1, round(TARGETED * len(score)))]
    return float(true[best].mean())
