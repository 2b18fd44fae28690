"""Weights of views, carts and purchases and their decay over time, for training data and histories; tuned on validation data."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import KIND_CODES, KINDS, Interactions, WrongInteractionsError
from recommendations.engine.data.weighting import DAY, decay_weights
from recommendations.engine.tuning.parameter_search import SearchResult, search_parameters

HALF_LIFE, QUANTITY = "half_life_days", "quantity"
PARAMETERS = (*KINDS, QUANTITY, HALF_LIFE)
CANDIDATES: dict[str, Sequence[Any]] = {
    **dict.fromkeys(KINDS, (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    QUANTITY: (0.0, 0.25, 0.5, 1.0),
    HALF_LIFE: (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0, None),
}


@dataclass(frozen=True)
class EventWeights:
    """weight → kinds[kind] · weight^quantity · 2^(−age / half-life).

    weight^quantity applies only to purchases; their weight is the number of units. 1 leaves it unchanged, 0 counts any number as one. A kind
    that is not listed has weight 1. Errors: WrongInteractionsError.
    """

    kinds: Mapping[str, float] = field(default_factory=dict)
    half_life_days: float | None = None
    quantity: float = 1.0

    def __post_init__(self) -> None:
        for kind, weight in self.kinds.items():
            if kind not in KINDS:
                raise WrongInteractionsError(f"kind {kind!r} is unknown; valid: {', '.join(KINDS)}")
            if not 0 <= weight < np.inf:
                raise WrongInteractionsError(f"weight of {kind} must be finite and not negative, got {weight}")
        if not 0 <= self.quantity < np.inf:
            raise WrongInteractionsError(f"quantity must be finite and not negative, got {self.quantity}")

    def of(self, interactions: Interactions) -> Interactions:
        """Return the interactions with these weights, aged at their as_of, without weights of 0."""
        weight = self._compute_weight(interactions.weight, interactions.kind, interactions.order, interactions.as_of)
        is_positive = weight > 0
        return replace(interactions.select(is_positive), weight=weight[is_positive], ratings=None)

    def of_histories(self, histories: Histories) -> Histories:
        """Return the histories with these weights; entries of weight 0 stay."""
        return replace(
            histories, weight=self._compute_weight(histories.weight, histories.kind, histories.order, histories.as_of)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the arguments that build the same weights: EventWeights(**saved)."""
        return asdict(self)

    def _compute_weight(
        self,
        weight: npt.NDArray[np.float32],
        kind: npt.NDArray[np.int8],
        order: npt.NDArray[np.float64],
        as_of: float,
    ) -> npt.NDArray[np.float32]:
        factors = np.array([self.kinds.get(name, 1.0) for name in KINDS], np.float32)
        weighted = factors[kind] * self._raise_quantities(weight, kind)
        return decay_weights(weighted.astype(np.float32), order, as_of, self.half_life_days)

    def _raise_quantities(self, weight: npt.NDArray[np.float32], kind: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        if self.quantity == 1:
            return weight
        is_purchase = (kind == KIND_CODES["purchase"]) & (weight > 0)  # 0 units stay 0 for any exponent
        return np.power(weight, self.quantity, out=weight.copy(), where=is_purchase)


# The start of a search, and the weights where there is nothing to learn from: a shop without clicks before the cutoff.
DEFAULT_EVENT_WEIGHTS = EventWeights(
    {"view": 0.2, "click": 0.2, "wishlist": 0.4, "cart": 0.6, "purchase": 1.0, "rating": 1.0}, quantity=0.0
)


def build_weight_space(
    interactions: Interactions, *, candidates: Mapping[str, Sequence[Any]] = CANDIDATES
) -> dict[str, Sequence[Any]]:
    """Return the search space: the weights of the kinds that occur, the exponent of the quantity, and the half-life.

    Only ratios matter, so the weight of purchases stays fixed, or that of the rarest kind if there are no purchases. The quantity
    is searched only if some purchase has more than one unit. Half-lives longer than twice the time span of the data make no
    difference and are left out. Parameters that `candidates` does not name are not searched.
    """
    counts = np.bincount(interactions.kind, minlength=len(KINDS))
    present = [kind for kind in KINDS if counts[KIND_CODES[kind]]]
    fixed = min(
        present, key=lambda kind: (kind != "purchase", counts[KIND_CODES[kind]], -KIND_CODES[kind]), default=None
    )
    space = {kind: candidates[kind] for kind in present if kind != fixed and kind in candidates}
    if QUANTITY in candidates and (interactions.weight[interactions.kind == KIND_CODES["purchase"]] != 1).any():
        space[QUANTITY] = candidates[QUANTITY]
    if HALF_LIFE in candidates:
        span_days = float(np.ptp(interactions.order)) / DAY if len(interactions) else 0.0
        space[HALF_LIFE] = [days for days in candidates[HALF_LIFE] if days is None or days <= 2 * span_days]
    return space


def parse_event_weights(parameters: Mapping[str, Any], start: EventWeights = EventWeights()) -> EventWeights:
    """Return the weights of one trial over `build_weight_space`, the rest as in `start`; ignore other parameters."""
    return EventWeights(
        {**start.kinds, **{kind: parameters[kind] for kind in KINDS if kind in parameters}},
        parameters.get(HALF_LIFE, start.half_life_days),
        parameters.get(QUANTITY, start.quantity),
    )


def choose_event_weights(
    *,
    train: Interactions,
    evaluate: Callable[[EventWeights], float],
    budget_s: float,
    seed: int,
    start: EventWeights = EventWeights(),
    candidates: Mapping[str, Sequence[Any]] = CANDIDATES,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[EventWeights, SearchResult]:
    """Return the weights with the largest value of `evaluate`, and the search.

    `evaluate` fits on train with the weights and evaluates on validation data. The search begins with `start` (by default 1 for
    every kind and no half-life), so the result is never worse than that on the validation data.
    """
    space = build_weight_space(train, candidates=candidates)
    start_values: dict[str, Any] = {**{kind: start.kinds.get(kind, 1.0) for kind in KINDS}, **start.to_json()}
    result = search_parameters(
        space=space,
        evaluate=lambda row: evaluate(parse_event_weights(row, start)),
        budget_s=budget_s,
        seed=seed,
        start={name: start_values[name] for name in space},
        clock=clock,
    )
    return parse_event_weights(result.best.parameters, start), result
