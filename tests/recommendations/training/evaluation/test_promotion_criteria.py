"""The promotion criteria, on constructed figures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.utils import translation
from scipy.sparse import csr_array

from recommendations.engine.evaluation import Evaluation, MetricResult, SegmentResult
from recommendations.training.backoffice.labels.decision_labels import REASON_LABELS, explain_reasons
from recommendations.training.evaluation.evaluation import ModelEvaluation
from recommendations.training.evaluation.promotion_criteria import PromotionLimits, evaluate_promotion

LIMITS = PromotionLimits(coverage_share=0.5, cold_start_share=0.8, latency_ms=100.0)
N_USERS = 200


def make_evaluation(
    values: dict[str, float],
    *,
    coverage: dict[str, float] | None = None,
    new: dict[str, float] | None = None,
    n_new_users: int = 50,
) -> ModelEvaluation:
    """Return an evaluation in which each algorithm has about the same value for every user; the blend is served."""
    noise = np.random.default_rng(3).normal(0, 0.01, N_USERS)
    scores = {name: {("ndcg", 10): value + noise * (1 + number)} for number, (name, value) in enumerate(values.items())}
    results = [MetricResult(name, "ndcg", 10, value, value - 0.01, value + 0.01) for name, value in values.items()]
    results += [MetricResult(name, "coverage", 10, share, None, None) for name, share in (coverage or {}).items()]
    results += [MetricResult(name, "coverage", 10, 0.2, None, None) for name in values if name not in (coverage or {})]
    segments = [
        SegmentResult("new", name, "ndcg", 10, n_new_users, value, value, value) for name, value in (new or {}).items()
    ]
    evaluation = Evaluation(results, np.arange(N_USERS, dtype=np.int32), scores, {}, {}, 1, {}, csr_array((N_USERS, 1)))
    return ModelEvaluation(0.0, "blend", evaluation, segments, [], {})


def decide(
    model_evaluation: ModelEvaluation, *, latency_ms: float = 1.0, limits: PromotionLimits = LIMITS
) -> tuple[bool, list[str]]:
    decision = evaluate_promotion(model_evaluation=model_evaluation, latency_ms=latency_ms, limits=limits)
    return decision.is_promoted, [reason["code"] for reason in decision.reasons]


GOOD = {"blend": 0.4, "active": 0.4, "popularity": 0.1, "repeat": 0.3}


@pytest.mark.parametrize(
    ("values", "promoted", "code"),
    [
        (GOOD | {"active": 0.3}, True, "better"),
        (GOOD, True, "as_good"),
        (GOOD | {"active": 0.5}, False, "worse_than_active"),
        (GOOD | {"repeat": 0.5}, False, "worse_than_baseline"),
        ({"blend": 0.4, "popularity": 0.1}, True, "first"),
    ],
)
def test_the_primary_metric_decides(values: dict[str, float], promoted: bool, code: str) -> None:
    assert decide(make_evaluation(values)) == (promoted, [code])


def test_a_much_lower_coverage_is_rejected() -> None:
    narrow = make_evaluation(GOOD, coverage={"blend": 0.09, "active": 0.2})
    assert decide(narrow) == (False, ["coverage"])
    assert decide(narrow, limits=replace(LIMITS, coverage_share=0.4)) == (True, ["as_good"])


def test_lower_quality_for_new_customers_is_rejected_if_there_are_enough_of_them() -> None:
    worse = {"blend": 0.1, "active": 0.2}
    assert decide(make_evaluation(GOOD, new=worse)) == (False, ["cold_start"])
    assert decide(make_evaluation(GOOD, new=worse, n_new_users=29)) == (True, ["as_good"])


def test_a_high_latency_is_rejected() -> None:
    assert decide(make_evaluation(GOOD), latency_ms=101) == (False, ["latency"])


def test_every_failed_criterion_is_listed() -> None:
    failing = make_evaluation(GOOD | {"active": 0.5}, coverage={"blend": 0.01, "active": 0.2})
    assert decide(failing, latency_ms=500) == (False, ["worse_than_active", "coverage", "latency"])


def test_without_an_active_version_a_weak_one_is_promoted_and_its_failures_are_listed() -> None:
    weak = make_evaluation({"blend": 0.1, "repeat": 0.3})
    assert decide(weak, latency_ms=500) == (True, ["first", "worse_than_baseline", "latency"])


def test_a_weak_version_does_not_replace_an_active_one_that_cannot_be_compared() -> None:
    weak = replace(make_evaluation({"blend": 0.1, "repeat": 0.3}), is_active_omitted=True)
    assert decide(weak) == (False, ["worse_than_baseline"])
    good = replace(make_evaluation({"blend": 0.4, "repeat": 0.3}), is_active_omitted=True)
    assert decide(good) == (True, ["not_compared"])


def test_reasons_are_shown_in_the_language_of_the_reader() -> None:
    decision = evaluate_promotion(
        model_evaluation=make_evaluation(GOOD | {"active": 0.5}), latency_ms=500.0, limits=LIMITS
    )
    english = explain_reasons(decision.reasons, "")
    assert "0.1005 lower than the active version" in english
    assert "500 ms; the limit is 100 ms" in english
    with translation.override("zh-hans"):
        chinese = explain_reasons(decision.reasons, "老板说的")
    assert "当前版本" in chinese
    assert chinese.endswith("老板说的")


ALL_VALUES: dict[str, Any] = {
    "algorithm": "blend", "baseline": "repeat", "value": 0.1, "low": 0.05, "high": 0.2, "difference": 0.1,
    "difference_low": None, "difference_high": 0.2, "active": 0.3, "share": 0.5, "people": 40, "ms": 3.2, "limit": 100.0, "user": "eve",
    "fallback": "popular", "before": -0.1, "least": 30,
}  # fmt: skip


@pytest.mark.parametrize("code", REASON_LABELS)
def test_every_reason_has_a_label_in_both_languages(code: str) -> None:
    reasons = [{"code": code, "values": ALL_VALUES}]
    with translation.override("en"):
        english = explain_reasons(reasons, "")
    with translation.override("zh-hans"):
        chinese = explain_reasons(reasons, "")
    assert "%(" not in english + chinese
    assert english != chinese
