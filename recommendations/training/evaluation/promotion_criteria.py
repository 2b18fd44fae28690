"""Whether a new version may serve: better than what it must beat, and nothing else worse than agreed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings

from recommendations.engine.evaluation import Evaluation
from recommendations.training.evaluation.evaluation import Judgement
from recommendations.training.tuning.tuning import AT, PRIMARY

BASELINES = ("popularity", "repeat")
NEW_PEOPLE = "new"
LEAST_PEOPLE = 30  # fewer say nothing about a segment

type Reason = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """coverage_share, cold_start_share: at least so much of the active version's; latency_ms: at most so long for one answer."""

    coverage_share: float
    cold_start_share: float
    latency_ms: float

    @classmethod
    def of_settings(cls) -> Self:
        return cls(
            settings.PROMOTION_COVERAGE_SHARE, settings.PROMOTION_COLD_START_SHARE, settings.PROMOTION_LATENCY_MS
        )


@dataclass(frozen=True)
class Verdict:
    """Codes and numbers; `recommendations.training.backoffice.labels.decision_labels` has the words."""

    promoted: bool
    reasons: list[Reason]


def judge_promotion(*, judgement: Judgement, latency_ms: float, limits: Limits) -> Verdict:
    """Without an active version the new one serves whatever is broken: a shop with a weak model is better off than with none."""
    evaluation, served = judgement.evaluation, judgement.served
    broken = [
        *_worse_than_baselines(evaluation, served),
        *_worse_than_active(evaluation, served),
        *_narrower(evaluation, served, limits),
        *_worse_for_new_people(judgement, limits),
        *_slower(latency_ms, limits),
    ]
    has_active = "active" in evaluation.scores
    if broken and has_active:
        return Verdict(False, broken)
    return Verdict(True, [_why_promoted(evaluation, served, has_active), *broken])


def reason(code: str, **values: float | str | None) -> Reason:
    return {"code": code, "values": {name: _rounded(value) for name, value in values.items()}}


def _why_promoted(evaluation: Evaluation, served: str, has_active: bool) -> Reason:
    value = evaluation.value(served, PRIMARY, AT)
    shown: dict[str, float | str | None] = {
        "algorithm": served,
        "value": value.value,
        "low": value.low,
        "high": value.high,
    }
    if not has_active:
        return reason("first", **shown)
    against = evaluation.difference(served, "active", PRIMARY, AT)
    code = "better" if against.low is not None and against.low > 0 else "as_good"
    return reason(code, **shown, difference=against.value, difference_low=against.low, difference_high=against.high)


def _worse_than_active(evaluation: Evaluation, served: str) -> list[Reason]:
    """Worse beyond chance: a nightly retraining differs from the active version by a day of data, and by luck."""
    if "active" not in evaluation.scores:
        return []
    against = evaluation.difference(served, "active", PRIMARY, AT)
    if against.high is None or against.high >= 0:
        return []
    return [reason("worse_than_active", difference=against.value, low=against.low, high=against.high)]


def _worse_than_baselines(evaluation: Evaluation, served: str) -> list[Reason]:
    found = []
    for baseline in BASELINES:
        if baseline == served or baseline not in evaluation.scores:
            continue
        against = evaluation.difference(served, baseline, PRIMARY, AT)
        if against.high is not None and against.value < 0 and against.high < 0:
            found.append(
                reason(
                    "worse_than_baseline",
                    baseline=baseline,
                    difference=against.value,
                    low=against.low,
                    high=against.high,
                )
            )
    return found


def _narrower(evaluation: Evaluation, served: str, limits: Limits) -> list[Reason]:
    if "active" not in evaluation.scores:
        return []
    own, active = (evaluation.value(name, "coverage", AT).value for name in (served, "active"))
    if own >= limits.coverage_share * active:
        return []
    return [reason("coverage", value=own, active=active, share=limits.coverage_share)]


def _worse_for_new_people(judgement: Judgement, limits: Limits) -> list[Reason]:
    new: Mapping[str, Any] = {
        row.algorithm: row
        for row in judgement.segments
        if row.segment == NEW_PEOPLE and row.metric == PRIMARY and row.people >= LEAST_PEOPLE
    }
    if judgement.served not in new or "active" not in new:
        return []
    own, active = new[judgement.served], new["active"]
    if own.value >= limits.cold_start_share * active.value:
        return []
    return [
        reason("cold_start", value=own.value, active=active.value, share=limits.cold_start_share, people=own.people)
    ]


def _slower(latency_ms: float, limits: Limits) -> list[Reason]:
    return [reason("latency", ms=latency_ms, limit=limits.latency_ms)] if latency_ms > limits.latency_ms else []


def _rounded(value: float | str | None) -> float | str | None:
    return value if value is None or isinstance(value, str) else round(float(value), 6)
