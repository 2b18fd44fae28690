"""The result of a placement: its weights, its evaluation, and whether it is active."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from recommendations.engine.evaluation import ConfidenceInterval
from recommendations.engine.evaluation.placement_evaluation import (
    METRICS,
    PRIMARY,
    QueryScores,
)
from recommendations.engine.placements import (
    PLACEMENTS,
    POPULAR,
)
from recommendations.training.evaluation.placement_evaluation import (
    MIN_CUSTOMERS,
    PlacementMeasurement,
    PlacementWeights,
)
from recommendations.training.evaluation.promotion_criteria import Reason, make_reason
from recommendations.training.tuning.model_choice import (
    TOP_N,
    round_finite,
)


@dataclass(frozen=True, eq=False)
class PlacementResult:
    """The tuning and evaluation of one placement.

    weights: None if no algorithm is available; validation, measurement: results on the validation and test parts; fixed_reason: why the
    placement is or is not active, where the measurement does not decide.
    """

    name: str
    weights: PlacementWeights | None = None
    validation: QueryScores | None = None
    measurement: PlacementMeasurement = field(default_factory=lambda: PlacementMeasurement(""))
    fixed_reason: Reason | None = None

    @property
    def fallback(self) -> str | None:
        """Return the placement shown instead, or None."""
        return PLACEMENTS[self.name].fallback if self.name in PLACEMENTS else POPULAR

    def decide(self) -> tuple[bool, Reason]:
        """Return whether the placement is active, and why. Without an evaluation it is active: nothing speaks against it."""
        judged = self.measurement.comparison
        if judged is None and self.validation is not None and not self.validation.difference[PRIMARY].value > 0:
            before = self.validation.difference[PRIMARY].value
            unknown = {"difference": None, "low": None, "high": None}
            return False, make_reason("place_not_chosen", fallback=self.fallback, before=before, **unknown)
        if self.fixed_reason is not None:
            return self.weights is not None, self.fixed_reason
        if judged is None or judged.people < MIN_CUSTOMERS:
            return True, make_reason(
                "place_too_few", people=judged.people if judged is not None else 0, least=MIN_CUSTOMERS
            )
        after = judged.difference[PRIMARY]
        values = {"fallback": self.fallback, "difference": after.value, "low": after.low, "high": after.high}
        if self.validation is not None and not self.validation.difference[PRIMARY].value > 0:
            before = self.validation.difference[PRIMARY].value
            return False, make_reason("place_not_chosen", before=before, **values)
        return judged.beats(), make_reason("place_better" if judged.beats() else "place_no_better", **values)

    def as_json(self) -> dict[str, Any]:
        """Return the result as the artifact and the run record store it."""
        on, why = self.decide()
        placement_weights, measurement = self.weights or PlacementWeights({}), self.measurement
        return {
            "weights": placement_weights.weights,
            "on": on,
            "why": why,
            "fallback": self.fallback,
            "figures": {
                "question": measurement.question,
                **serialize_comparison(measurement.comparison),
                "validation": serialize_comparison(self.validation) if self.validation is not None else None,
                "comparisons": {
                    name: serialize_comparison(judged) for name, judged in measurement.other_comparisons.items()
                },
            },
        }


def make_default_placements(components: Collection[str], why: Reason) -> dict[str, PlacementResult]:
    """Return the placements with default weights over the available components, before any evaluation."""
    placements = {name: replace(make_default_placement(name, components), fixed_reason=why) for name in PLACEMENTS}
    return {
        name: place if place.weights else make_default_placement(name, components) for name, place in placements.items()
    }


def make_default_placement(name: str, components: Collection[str]) -> PlacementResult:
    """Return a placement with its default weights over the available components."""
    usual = PLACEMENTS[name].weights if name in PLACEMENTS else {}
    shares = {part: share for part, share in usual.items() if part in components}
    total = sum(shares.values())
    if usual and not total:
        return PlacementResult(name, fixed_reason=make_reason("place_no_part"))
    return PlacementResult(name, PlacementWeights({part: round(share / total, 4) for part, share in shares.items()}))


def serialize_comparison(judged: QueryScores | None) -> dict[str, Any]:
    """Return a comparison as the run record, the artifact and the model card have it."""
    if judged is None:
        return {"queries": 0, "people": 0}
    sides = {"own": judged.own, "fallback": judged.fallback, "difference": judged.difference}
    return {
        "queries": judged.questions,
        "people": judged.people,
        "metric": f"{PRIMARY}@{TOP_N}",
        **{
            f"{metric}@{TOP_N}": {side: serialize_interval(found[metric]) for side, found in sides.items()}
            for metric in METRICS
        },
    }


def serialize_interval(interval: ConfidenceInterval) -> dict[str, float | None]:
    """Return an interval as JSON."""
    return {
        "value": round_finite(interval.value),
        "low": round_finite(interval.low),
        "high": round_finite(interval.high),
    }
