"""The result of a placement: its weights, its evaluation, and whether it is active."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recommendations.engine.evaluation.placement_evaluation import METRICS, PRIMARY, QueryScores
from recommendations.engine.placements import FOR_YOU, NEW, PLACEMENTS, POPULAR, RECENTLY_VIEWED, SIMILAR
from recommendations.engine.tuning.visit_weights import VisitWeights
from recommendations.training.evaluation.placement_evaluation import (
    MIN_CUSTOMERS,
    RANK,
    PlacementMeasurement,
    PlacementWeights,
)
from recommendations.training.evaluation.promotion_criteria import Reason, make_reason
from recommendations.training.figures import serialize_interval
from recommendations.training.tuning.model_choice import TOP_N

# What these show is a fact (the latest products, what was viewed) or the order that a request asks for, so there is nothing to evaluate.
FACTUAL_PLACEMENTS = (POPULAR, NEW, RECENTLY_VIEWED, RANK)
UNEVALUATED_CODES = ("place_no_time", "place_short_history")
EARLIER_CODES = ("place_earlier_on", "place_earlier_off")
EVALUATED_CODES = ("place_better", "place_no_better", "place_not_chosen", *EARLIER_CODES)


@dataclass(frozen=True, eq=False)
class VisitResult:
    """What for-you learned about the current visit. measurement: for-you with the visit, as served, compared with for-you without it."""

    weights: VisitWeights
    measurement: PlacementMeasurement = field(default_factory=lambda: PlacementMeasurement("next_new_in_visit"))

    def to_json(self) -> dict[str, Any]:
        """Return the result as the artifact and the run record store it."""
        return {
            "weights": dict(self.weights.weights),
            "decay": self.weights.decay,
            "positions": self.weights.positions,
            "figures": {
                "question": self.measurement.query_type,
                **serialize_comparison(self.measurement.comparison),
            },
        }


@dataclass(frozen=True, eq=False)
class PlacementResult:
    """The tuning and evaluation of one placement.

    weights: None if no algorithm is available; validation, measurement: results on the validation and test parts;
    fixed_reason: why the placement is or is not active, where the measurement does not decide. visit: of for-you only. earlier: the
    stored result of the active version, whose decision and weights stay; see `with_earlier`.
    """

    name: str
    weights: PlacementWeights | None = None
    validation: QueryScores | None = None
    measurement: PlacementMeasurement = field(default_factory=lambda: PlacementMeasurement(""))
    fixed_reason: Reason | None = None
    visit: VisitResult | None = None
    earlier: Mapping[str, Any] | None = None

    @property
    def fallback(self) -> str | None:
        """Return the placement shown instead, or None."""
        return PLACEMENTS[self.name].fallback if self.name in PLACEMENTS else POPULAR

    def decide(self) -> tuple[bool, Reason]:
        """Return whether the placement is active, and why.

        A placement that shows facts is always active. Without an evaluation, a placement keeps the decision of the active version. If there is none,
        it is off, unless what it shows needs no evaluation.
        """
        if self.name in FACTUAL_PLACEMENTS and self.weights is not None:
            return True, make_reason("place_factual" if self.name != POPULAR else "place_floor")
        comparison = self.measurement.comparison
        if self.earlier is not None:
            return self.earlier["on"], make_reason("place_earlier_on" if self.earlier["on"] else "place_earlier_off")
        if comparison is None and self.is_worse_on_validation:
            unknown = {"difference": None, "low": None, "high": None}
            return False, self.make_validation_reason(**unknown)
        if self.fixed_reason is not None and self.fixed_reason["code"] not in UNEVALUATED_CODES:
            return self.weights is not None, self.fixed_reason
        if not self.is_evaluated:
            return self.decide_without_evaluation()
        assert comparison is not None
        difference = comparison.difference[PRIMARY]
        values = {"difference": difference.value, "low": difference.low, "high": difference.high}
        if self.is_worse_on_validation:
            return False, self.make_validation_reason(**values)
        is_better = comparison.beats()
        return is_better, make_reason(
            "place_better" if is_better else "place_no_better", fallback=self.fallback, **values
        )

    def decide_without_evaluation(self) -> tuple[bool, Reason]:
        """Return whether a placement that was never evaluated is active, and why."""
        if self.weights is None:
            return False, make_reason("place_no_part")
        if self.name == FOR_YOU:
            return True, make_reason("place_personal")
        if self.name == SIMILAR and self.weights.weights.get("content"):
            return True, make_reason("place_content")
        comparison = self.measurement.comparison
        n_users = comparison.n_users if comparison is not None else 0
        return False, self.fixed_reason or make_reason("place_too_few", people=n_users, least=MIN_CUSTOMERS)

    @property
    def is_evaluated(self) -> bool:
        """Return whether the placement was evaluated on enough customers, or a rule decided about it."""
        if self.fixed_reason is not None:
            return self.fixed_reason["code"] not in UNEVALUATED_CODES
        comparison = self.measurement.comparison
        return comparison is not None and comparison.n_users >= MIN_CUSTOMERS

    def with_earlier(self, earlier: Mapping[str, Any] | None, components: Collection[str]) -> "PlacementResult":
        """Return the result with the decision and the weights of the active version, if there was no evaluation this time.

        The decision was about those weights. earlier: the stored result of the active version. components: those of the new version,
        which must have all that the weights need.
        """
        if (
            self.is_evaluated
            or self.is_worse_on_validation
            or self.name in FACTUAL_PLACEMENTS
            or earlier is None
            or not earlier.get("is_judged")
            or not set(earlier["weights"]) <= set(components)
        ):
            return self
        return replace(self, weights=PlacementWeights(dict(earlier["weights"])), earlier=earlier)

    @property
    def is_worse_on_validation(self) -> bool:
        """Return whether the placement did not beat its fallback on the validation part."""
        return self.validation is not None and not self.validation.difference[PRIMARY].value > 0

    def make_validation_reason(self, **values: float | None) -> Reason:
        """Return the reason of a placement that did not beat its fallback on the validation part."""
        assert self.validation is not None
        before = self.validation.difference[PRIMARY].value
        return make_reason("place_not_chosen", fallback=self.fallback, before=before, **values)

    def to_json(self) -> dict[str, Any]:
        """Return the result as the artifact and the run record store it."""
        is_active, reason = self.decide()
        placement_weights, measurement = self.weights or PlacementWeights({}), self.measurement
        return {
            "weights": placement_weights.weights,
            "on": is_active,
            "is_judged": reason["code"] in EVALUATED_CODES,
            "why": reason,
            "fallback": self.fallback,
            "visit": self.visit.to_json() if self.visit is not None else None,
            "figures": {
                "question": measurement.query_type,
                **serialize_comparison(measurement.comparison),
                "validation": serialize_comparison(self.validation) if self.validation is not None else None,
                "comparisons": {
                    name: serialize_comparison(comparison) for name, comparison in measurement.other_comparisons.items()
                },
            },
        }


def make_default_placements(components: Collection[str], reason: Reason) -> dict[str, PlacementResult]:
    """Return the placements with default weights over the available components."""
    placements = {}
    for name in PLACEMENTS:
        placement = make_default_placement(name, components)
        placements[name] = replace(placement, fixed_reason=reason) if placement.weights else placement
    return placements


def make_default_placement(name: str, components: Collection[str]) -> PlacementResult:
    """Return a placement with its default weights over the available components."""
    defaults = PLACEMENTS[name].weights if name in PLACEMENTS else {}
    shares = {part: share for part, share in defaults.items() if part in components}
    total = sum(shares.values())
    if defaults and not total:
        return PlacementResult(name, fixed_reason=make_reason("place_no_part"))
    return PlacementResult(name, PlacementWeights({part: round(share / total, 4) for part, share in shares.items()}))


def serialize_comparison(comparison: QueryScores | None) -> dict[str, Any]:
    """Return a comparison as the run record, the artifact and the model card have it."""
    if comparison is None:
        return {"queries": 0, "people": 0}
    sides = {"own": comparison.own, "fallback": comparison.fallback, "difference": comparison.difference}
    return {
        "queries": comparison.n_queries,
        "people": comparison.n_users,
        "metric": f"{PRIMARY}@{TOP_N}",
        **{
            f"{metric}@{TOP_N}": {side: serialize_interval(intervals[metric]) for side, intervals in sides.items()}
            for metric in METRICS
        },
    }
