"""The result of a model tuning, and fitting of its components."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recommendations.engine import ALGORITHMS, Algorithm, Interactions, Products
from recommendations.engine.algorithms.spec import DataSize
from recommendations.engine.data.event_weights import EventWeights

PRIMARY_METRIC, TOP_N = "ndcg", 10
SEED = 20261124
WEIGHTING_USERS = 1000  # for ensemble weights and the ablation
EVALUATION_USERS = 5000  # of the test part

# step code and share of the training that is done; raises an exception to stop the training
type ReportStep = Callable[[str, float], None]


@dataclass(frozen=True)
class ExcludedAlgorithm:
    """A candidate that is not in the model, and why.

    Codes and values: no_memory (needed, bound in MB), no_time (seconds needed, left), nothing_to_learn, no_help (value),
    not_beyond_chance (NDCG lost without it, low, high).
    """

    algorithm: str
    code: str
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """The tuned model: event weights, components and ensemble weights.

    components: name → algorithm and parameters; weights: of the ensemble, 0 for components only other placements need.
    value: of the ensemble on the validation part, component_values: of each component alone. trials: the record of
    every search. unused: tuned components that for-you does not use but other placements may. fit_seconds: estimated
    seconds to fit each on everything before the validation part. extra: components for other placements only, which are
    not contestants of for-you. fitted: components for placements, fitted on the sample of the tuning.
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
    fitted: dict[str, Algorithm] = field(default_factory=dict)

    def with_extra(self, extra: Mapping[str, Mapping[str, Any]]) -> "ModelChoice":
        """Return the choice with these extra components instead of the present ones, and without fitted ones."""
        own = {name: component for name, component in self.components.items() if name not in self.extra}
        added = {name: dict(component) for name, component in extra.items() if name not in own}
        weights = {name: self.weights.get(name, 0.0) for name in (*own, *added)}
        return replace(self, components={**own, **added}, weights=weights, extra=added, fitted={})


def fit_components(
    components: Mapping[str, Mapping[str, Any]], interactions: Interactions, products: Products
) -> dict[str, Algorithm]:
    """Fit each component on the interactions."""
    return {name: fit_component(component, interactions, products) for name, component in components.items()}


def fit_component(component: Mapping[str, Any], interactions: Interactions, products: Products) -> Algorithm:
    """Fit one algorithm with its parameters."""
    return ALGORITHMS[component["algorithm"]](**component["parameters"]).fit(interactions, products)


def measure_size(interactions: Interactions) -> DataSize:
    """Return the size of the interactions."""
    entries = interactions.build_user_items().nnz
    return DataSize(interactions.n_users, interactions.n_items, entries, len(interactions))
