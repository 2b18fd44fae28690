"""Promotion criteria: better than the baselines, not worse than the active version, and within all limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings

from recommendations.engine.evaluation import Evaluation
from recommendations.training.evaluation.evaluation import ModelEvaluation
from recommendations.training.figures import round_figure
from recommendations.training.tuning.model_choice import PRIMARY_METRIC, TOP_N

BASELINES = ("popularity", "repeat")
NEW_SEGMENT = "new"
MIN_CUSTOMERS = 30  # fewer give no reliable figure for a segment

type Reason = dict[str, Any]


@dataclass(frozen=True)
class PromotionLimits:
    """Minimum shares of the active version's coverage and cold-start quality, and the maximum latency of one answer."""

    coverage_share: float
    cold_start_share: float
    latency_ms: float

    @classmethod
    def from_settings(cls) -> Self:
        return cls(
            settings.PROMOTION_COVERAGE_SHARE, settings.PROMOTION_COLD_START_SHARE, settings.PROMOTION_LATENCY_MS
        )


@dataclass(frozen=True)
class PromotionDecision:
    """Codes and values; `recommendations.training.backoffice.labels.decision_labels` has the texts."""

    is_promoted: bool
    reasons: list[Reason]


def evaluate_promotion(
    *, model_evaluation: ModelEvaluation, latency_ms: float, limits: PromotionLimits
) -> PromotionDecision:
    """Decide the promotion.

    Without an active version the new one is always promoted: a weak model is better than none. An active version that cannot be compared is
    replaced by one that meets the other criteria.
    """
    evaluation, served = model_evaluation.evaluation, model_evaluation.served
    failures = [
        *_check_baselines(evaluation, served),
        *_check_active_version(evaluation, served),
        *_check_coverage(evaluation, served, limits),
        *_check_new_customers(model_evaluation, limits),
        *_check_latency(latency_ms, limits),
    ]
    if failures and ("active" in evaluation.scores or model_evaluation.is_active_omitted):
        return PromotionDecision(False, failures)
    return PromotionDecision(True, [_explain_promotion(model_evaluation), *failures])


def make_reason(code: str, **values: float | str | None) -> Reason:
    """Return a reason with rounded values."""
    return {"code": code, "values": {name: _round_value(value) for name, value in values.items()}}


def _explain_promotion(model_evaluation: ModelEvaluation) -> Reason:
    evaluation, served = model_evaluation.evaluation, model_evaluation.served
    result = evaluation.get_result(served, PRIMARY_METRIC, TOP_N)
    figures: dict[str, float | str | None] = {
        "algorithm": served,
        "value": result.value,
        "low": result.low,
        "high": result.high,
    }
    if "active" not in evaluation.scores:
        return make_reason("not_compared" if model_evaluation.is_active_omitted else "first", **figures)
    difference = evaluation.compare(served, "active", PRIMARY_METRIC, TOP_N)
    code = "better" if difference.low > 0 else "as_good"
    return make_reason(
        code, **figures, difference=difference.value, difference_low=difference.low, difference_high=difference.high
    )


def _check_active_version(evaluation: Evaluation, served: str) -> list[Reason]:
    """Return a reason if the version is significantly worse than the active one.

    Only a significant difference counts: a nightly retraining differs by a day of data and by random variation.
    """
    if "active" not in evaluation.scores:
        return []
    difference = evaluation.compare(served, "active", PRIMARY_METRIC, TOP_N)
    if not difference.high < 0:  # also true without an interval, when too few customers were evaluated
        return []
    return [make_reason("worse_than_active", difference=difference.value, low=difference.low, high=difference.high)]


def _check_baselines(evaluation: Evaluation, served: str) -> list[Reason]:
    reasons = []
    for baseline in BASELINES:
        if baseline == served or baseline not in evaluation.scores:
            continue
        difference = evaluation.compare(served, baseline, PRIMARY_METRIC, TOP_N)
        if difference.value < 0 and difference.high < 0:
            reasons.append(
                make_reason(
                    "worse_than_baseline",
                    baseline=baseline,
                    difference=difference.value,
                    low=difference.low,
                    high=difference.high,
                )
            )
    return reasons


def _check_coverage(evaluation: Evaluation, served: str, limits: PromotionLimits) -> list[Reason]:
    if "active" not in evaluation.scores:
        return []
    own, active = (evaluation.get_result(name, "coverage", TOP_N).value for name in (served, "active"))
    if own >= limits.coverage_share * active:
        return []
    return [make_reason("coverage", value=own, active=active, share=limits.coverage_share)]


def _check_new_customers(model_evaluation: ModelEvaluation, limits: PromotionLimits) -> list[Reason]:
    new: Mapping[str, Any] = {
        row.algorithm: row
        for row in model_evaluation.segments
        if row.segment == NEW_SEGMENT and row.metric == PRIMARY_METRIC and row.n_users >= MIN_CUSTOMERS
    }
    if model_evaluation.served not in new or "active" not in new:
        return []
    own, active = new[model_evaluation.served], new["active"]
    if own.value >= limits.cold_start_share * active.value:
        return []
    return [
        make_reason(
            "cold_start", value=own.value, active=active.value, share=limits.cold_start_share, people=own.n_users
        )
    ]


def _check_latency(latency_ms: float, limits: PromotionLimits) -> list[Reason]:
    return [make_reason("latency", ms=latency_ms, limit=limits.latency_ms)] if latency_ms > limits.latency_ms else []


def _round_value(value: float | str | None) -> float | str | None:
    return value if isinstance(value, str) else round_figure(value)
