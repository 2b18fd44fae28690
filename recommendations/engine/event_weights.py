"""What a view, a cart and a purchase are worth, and how fast that fades: applied to data and histories, learnt on a validation part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.engine.histories import Histories
from recommendations.engine.interactions import KINDS, Interactions, WrongInteractionsError
from recommendations.engine.tuning import Found, search
from recommendations.engine.weighting import decayed

CANDIDATES: dict[str, Sequence[Any]] = {
    **dict.fromkeys(KINDS, (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    "half_life_days": (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0, None),
}


@dataclass(frozen=True)
class EventWeights:
    """weight → weight · kinds[kind] · 2^(−age / half-life); a kind that is not named counts 1. Errors: WrongInteractionsError."""

    kinds: Mapping[str, float] = field(default_factory=dict)
    half_life_days: float | None = None

    def __post_init__(self) -> None:
        for kind, weight in self.kinds.items():
            if kind not in KINDS:
                raise WrongInteractionsError(f"kind {kind!r} is unknown; known are {', '.join(KINDS)}")
            if not 0 <= weight < np.inf:
                raise WrongInteractionsError(f"weight of {kind} must be finite and not negative, got {weight}")

    def of(self, interactions: Interactions) -> Interactions:
        """The interactions with these weights, aged at their as_of."""
        return replace(
            interactions,
            weight=self._weight(interactions.weight, interactions.kind, interactions.order, interactions.as_of),
        )

    def of_histories(self, histories: Histories) -> Histories:
        """The same for what a recommendation starts from."""
        return replace(
            histories, weight=self._weight(histories.weight, histories.kind, histories.order, histories.as_of)
        )

    def _weight(
        self,
        weight: npt.NDArray[np.float32],
        kind: npt.NDArray[np.int8],
        order: npt.NDArray[np.float64],
        as_of: float,
    ) -> npt.NDArray[np.float32]:
        factors = np.array([self.kinds.get(name, 1.0) for name in KINDS], np.float32)
        return decayed(weight * factors[kind], order, as_of, self.half_life_days)


def weights_space(
    interactions: Interactions, *, candidates: Mapping[str, Sequence[Any]] = CANDIDATES
) -> dict[str, Sequence[Any]]:
    """What to search: a weight for each kind that occurs but the rarest, which stays at 1 as only ratios matter, and the half-life.

    Half-lives longer than twice the time that the data cover are left out: they make no difference.
    """
    counts = np.bincount(interactions.kind, minlength=len(KINDS))
    present = [kind for kind, count in zip(KINDS, counts, strict=True) if count]
    rarest = min(present, key=lambda kind: counts[KINDS.index(kind)], default=None)
    span_days = float(np.ptp(interactions.order)) / 86_400.0 if len(interactions) else 0.0
    half_lives = [days for days in candidates["half_life_days"] if days is None or days <= 2 * span_days]
    return {kind: candidates[kind] for kind in present if kind != rarest} | {"half_life_days": half_lives}


def weights_of(parameters: Mapping[str, Any]) -> EventWeights:
    """The weights that a row of a search over `weights_space` names; other parameters are passed over."""
    return EventWeights(
        {kind: parameters[kind] for kind in KINDS if kind in parameters}, parameters.get("half_life_days")
    )


def choose_event_weights(
    *,
    train: Interactions,
    evaluate: Callable[[EventWeights], float],
    budget_s: float,
    seed: int,
) -> tuple[EventWeights, Found]:
    """The weights with the largest value of `evaluate`, which fits on train under them and judges on a validation part.

    The search starts from 1 for every kind and no half-life, so the result is never worse there than not weighing at all.
    """
    space = weights_space(train)
    start = {name: None if name == "half_life_days" else 1.0 for name in space}
    found = search(
        space=space, evaluate=lambda row: evaluate(weights_of(row)), budget_s=budget_s, seed=seed, start=start
    )
    return weights_of(found.best.parameters), found
