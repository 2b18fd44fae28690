"""The result of a model tuning, and fitting of its components."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recommendations.engine import ALGORITHMS, Algorithm, Interactions, Products
from recommendations.engine.data.event_weights import EventWeights
from recommendations.training.budget import DataSize

PRIMARY_METRIC, TOP_N = "ndcg", 10


SEED = 20261124


WEIGHTING_CUSTOMERS = 1000


EVALUATION_CUSTOMERS = 5000


type ReportStep = Callable[[str, float], None]


@dataclass(frozen=True)
class ExcludedAlgorithm:
    """A candidate that is not in the model, and why.

    Codes and values: no_memory (needed, bound in MB), no_time (seconds needed, left), nothing_to_learn, no_help (value).
    """

    algorithm: str
    code: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """The tuned model: event weights, components and ensemble weights.

    components: name → algorithm and parameters; weights: of the ensemble, 0 for components only other placements need.
    value: of the ensemble on the validation part, component_values: of each component alone. trials: every row of every search.
    unused: tuned components that for-you does not use but other placements may. fit_seconds: estimated seconds to fit each on everything
    before the validation part. extra: components for other placements only, which are not contestants of for-you.
    """

    event_weights: EventWeights
    components: dict[str, dict[str, Any]]
    weights: dict[str, float]
    normalization: str
    value: float
    component_values: dict[str, float]
    trials: list[dict[str, Any]]
    excluded: list[ExcludedAlgorithm]
    unused: dict[str, dict[str, Any]] = field(default_factory=dict)
    fit_seconds: dict[str, float] = field(default_factory=dict)
    extra: dict[str, dict[str, Any]] = field(default_factory=dict)

    def list_used(self) -> list[str]:
        """Return the components of for-you."""
        return [name for name, weight in self.weights.items() if weight > 0]

    def with_extra(self, others: Mapping[str, Mapping[str, Any]]) -> "ModelChoice":
        """Return the choice with these extra components instead of the present ones."""
        own = {name: described for name, described in self.components.items() if name not in self.extra}
        added = {name: dict(described) for name, described in others.items() if name not in own}
        weights = {name: self.weights.get(name, 0.0) for name in (*own, *added)}
        return replace(self, components={**own, **added}, weights=weights, extra=added)


def fit_components(
    components: Mapping[str, Mapping[str, Any]], interactions: Interactions, products: Products
) -> dict[str, Algorithm]:
    """Fit each component on the interactions."""
    return {name: fit_component(described, interactions, products) for name, described in components.items()}


def fit_component(described: Mapping[str, Any], interactions: Interactions, products: Products) -> Algorithm:
    """Fit one algorithm with its parameters."""
    return ALGORITHMS[described["algorithm"]](**described["parameters"]).fit(interactions, products)


def measure_size(interactions: Interactions) -> DataSize:
    """Return the size of the interactions."""
    entries = interactions.user_items().nnz
    return DataSize(interactions.n_users, interactions.n_items, entries, len(interactions))


def mean_of_finite(values: np.ndarray) -> float:
    """Return the mean without NaN, NaN if there is no finite value."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def round_finite(value: float) -> float | None:
    """Return a rounded number, None for NaN: JSON has no NaN."""
    return round(float(value), 6) if np.isfinite(value) else None
