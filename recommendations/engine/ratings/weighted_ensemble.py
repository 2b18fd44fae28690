"""Weighted ensemble of rating algorithms."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from config.foundation.translatable import translatable
from recommendations.engine.algorithms.base import (
    ALGORITHMS,
    Algorithm,
    Array,
    Attribution,
    Scores,
    WrongModelError,
    register,
    require_weight,
    restore,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products
from recommendations.engine.ratings.base import RatingAlgorithm, make_rating_spec, select_newest_ratings


class EnsembleFit(NamedTuple):
    """r ≈ intercept + Σ_c weights[c] · r̂_c."""

    intercept: float
    weights: dict[str, float]


@register
class RatingEnsemble(RatingAlgorithm):
    """r̂(u, i) = w_0 + Σ_c w_c r̂_c(u, i); a component without a prediction for a pair counts as the mean of all ratings.

    components: name → {"algorithm": registered name, "parameters": {…}}; weights: name → w_c of any sign, by default equal and summing
    to 1; w_0 `intercept`. Weights come from `fit_least_squares` on ratings that the components have not seen. Source: Breiman,
    "Stacked Regressions", Machine Learning 1996.
    """

    name = "rating-blend"
    fitted = ("components_", "overall_mean_")
    spec = make_rating_spec(translatable("Rating ensemble"))

    def __init__(
        self,
        components: Mapping[str, Mapping[str, Any]],
        weights: Mapping[str, float] | None = None,
        intercept: float = 0.0,
    ):
        self.components = components
        self.weights = weights
        self.intercept = intercept

    @classmethod
    def of_fitted(
        cls,
        components: Mapping[str, Algorithm],
        weights: Mapping[str, float] | None = None,
        intercept: float = 0.0,
        *,
        overall_mean: float,
    ) -> Self:
        """Build an ensemble of algorithms fitted on the same interactions; overall_mean: their mean rating."""
        specifications = {
            name: {"algorithm": component.name, "parameters": component.get_parameters()}
            for name, component in components.items()
        }
        ensemble = cls(specifications, weights, intercept)
        ensemble.compute_shares()  # checks the weights
        ensemble.components_ = dict(components)
        ensemble.overall_mean_ = np.array([overall_mean])
        return ensemble

    def fit(self, interactions: Interactions, products: Products | None = None) -> Self:
        require_weight(interactions)
        self.compute_shares()  # fails before the components are fitted, which takes long
        self.components_: dict[str, Algorithm] = {
            name: ALGORITHMS[specification["algorithm"]](**specification["parameters"]).fit(interactions, products)
            for name, specification in self.components.items()
        }
        ratings = select_newest_ratings(interactions.build_histories())
        self.overall_mean_ = np.array([ratings.data.mean(dtype=np.float64)])
        return self

    def compute_shares(self) -> dict[str, float]:
        """Return the weights. Errors: ValueError."""
        if not self.components:
            raise ValueError("components must name at least one algorithm, got none")
        if self.weights is None:
            return dict.fromkeys(self.components, 1.0 / len(self.components))
        if set(self.weights) != set(self.components):
            raise ValueError(
                f"weights name {sorted(self.weights)}, components {sorted(self.components)}; both must agree"
            )
        if not np.isfinite([*self.weights.values(), self.intercept]).all():
            raise ValueError(f"weights and intercept must be finite, got {dict(self.weights)} and {self.intercept}")
        return dict(self.weights)

    def score(self, histories: Histories) -> Scores:
        self.require_fit()
        scores = np.full((len(histories), histories.n_items), self.intercept, np.float64)
        for name, share in self.compute_shares().items():
            scores += share * self._fill_missing(np.asarray(self.components_[name].score(histories)))
        return scores.astype(np.float32)

    def attribute(self, history: Histories, items: Sequence[int]) -> list[Attribution]:
        self.require_fit()
        no_item = np.array([-1], np.int32)
        attributions = [Attribution(self.name, no_item, np.full((1, len(items)), self.intercept))]
        for name, share in self.compute_shares().items():
            component = self.components_[name]
            is_missing = ~np.isfinite(np.asarray(component.score(history))[:, list(items)])
            attributions.append(Attribution(name, no_item, share * is_missing * float(self.overall_mean_[0])))
            attributions += [
                Attribution(name, part.items, share * part.parts) for part in component.attribute(history, items)
            ]
        return attributions

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        self.require_fit()
        arrays: dict[str, Array] = {"overall_mean_": self.overall_mean_}
        saved: dict[str, Any] = {}
        for name, component in self.components_.items():
            inner, saved[name] = component.to_arrays()
            arrays |= {f"{name}/{key}": array for key, array in inner.items()}
        return arrays, {"algorithm": self.name, "parameters": self.get_parameters(), "components": saved}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Self:
        if saved.get("algorithm") != cls.name or "components" not in saved or "overall_mean_" not in arrays:
            raise WrongModelError(f"algorithm is {saved.get('algorithm')!r}, {cls.__name__} reads {cls.name!r}")
        model = cls(**saved["parameters"])
        model.components_ = {
            name: restore(
                {key.removeprefix(f"{name}/"): array for key, array in arrays.items() if key.startswith(f"{name}/")},
                inner,
            )
            for name, inner in saved["components"].items()
        }
        model.overall_mean_ = arrays["overall_mean_"]
        return model

    def _fill_missing(self, scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.where(np.isfinite(scores), scores, np.float32(self.overall_mean_[0]))


def fit_least_squares(predicted: Mapping[str, npt.ArrayLike], actual: npt.ArrayLike) -> EnsembleFit:
    """Return the intercept and weights with the smallest Σ (r − w_0 − Σ_c w_c r̂_c)² over pairs no component was fitted on.

    Linearly dependent columns get the weights with the smallest norm. Errors: ValueError for values that are not finite.
    """
    names = list(predicted)
    columns = np.column_stack([np.asarray(predicted[name], np.float64) for name in names])
    target = np.asarray(actual, np.float64)
    if not (np.isfinite(columns).all() and np.isfinite(target).all()):
        raise ValueError("least_squares needs finite predictions and ratings")
    means = columns.mean(axis=0)  # centered columns need no intercept in the least squares
    weights = np.linalg.lstsq(columns - means, target - target.mean(), rcond=1e-6)[0]
    return EnsembleFit(float(target.mean() - means @ weights), dict(zip(names, weights.tolist(), strict=True)))
