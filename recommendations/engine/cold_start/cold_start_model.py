"""Model that ranks items for users without a history by their traits, their likely cluster and their landing category."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import (
    Array,
    Attribution,
    Contribution,
    FittedModel,
    WrongModelError,
    list_contributions,
    require_weight,
)
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.cold_start.customer_traits import CustomerTraits
from recommendations.engine.cold_start.landing_category import LandingPopularity
from recommendations.engine.cold_start.trait_clusters import TraitClusters
from recommendations.engine.cold_start.trait_lifts import TraitLifts, build_user_items
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.data.products import Products

POPULARITY, TRAIT, CLUSTER, LANDING = "popularity", "trait", "trait-cluster", "landing"


@dataclass(frozen=True, eq=False)
class NewVisitors:
    """n users without any interaction.

    has: CSR (n, values) of their traits. landing: int32 (n,) rows of category paths, -1 for none.
    """

    has: csr_array
    landing: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.landing)


class ColdStart(FittedModel):
    """score(i) = ln p_i + traits · TraitLifts + cluster · TraitClusters + LandingPopularity(landing): a sum of log probabilities.

    p_i is item i's share of the decayed weights, as `Popularity` counts them, so with the weights `traits`, `cluster` and
    `landing` at 0 the order is that of popularity. Items without interactions score -inf. Lifts are kept for the `items` items
    with the most users, at least `min_people` each: memory is (values + clusters) · items · 4 bytes. `traits` below 1 damps
    evidence that correlated traits count twice.
    """

    name = "cold-start"
    fitted = ("log_shares_", "items_")
    PARTS: Mapping[str, type[FittedModel]] = {
        "lifts": TraitLifts,
        "clusters": TraitClusters,
        "landings": LandingPopularity,
    }

    def __init__(
        self,
        traits: float = 0.5,
        cluster: float = 0.0,
        landing: float = 0.5,
        half_life_days: float | None = 90.0,
        pseudo_count: float = 20.0,
        levels: int | None = None,
        items: int = 4000,
        min_people: int = 5,
        clusters: int = 20,
        seed: int = 0,
    ):
        self.traits = traits
        self.cluster = cluster
        self.landing = landing
        self.half_life_days = half_life_days
        self.pseudo_count = pseudo_count
        self.levels = levels
        self.items = items
        self.min_people = min_people
        self.clusters = clusters
        self.seed = seed

    def fit(self, interactions: Interactions, user_traits: CustomerTraits, products: Products | None = None) -> Self:
        """Learn from interactions and the traits of their users.

        user_traits: in the row order of the users of `interactions`. Errors: NothingToLearnError on empty data, ValueError on
        parameters.
        """
        require_weight(interactions)
        self.require_weights()
        if len(user_traits) != interactions.n_users:
            raise ValueError(f"user_traits has {len(user_traits)} rows, there are {interactions.n_users} users")
        counts = Popularity(self.half_life_days).fit(interactions).counts_.astype(np.float64)
        with np.errstate(divide="ignore"):  # ln 0 = -inf is the score of items without interactions
            self.log_shares_ = np.log(counts / counts.sum()).astype(np.float32)
        self.landings_ = LandingPopularity(self.levels).fit(counts, products)
        has = build_user_items(interactions)
        n_holders = np.bincount(has.indices, minlength=has.shape[1])
        frequent = np.flatnonzero(n_holders >= self.min_people)
        self.items_ = np.sort(frequent[np.argsort(-n_holders[frequent], kind="stable")][: self.items]).astype(np.int32)
        has = csr_array(has[:, self.items_])
        shares = np.bincount(has.indices, minlength=len(self.items_)) / max(has.nnz, 1)
        self.lifts_ = TraitLifts(self.pseudo_count, self.min_people).fit(user_traits, has, shares)
        head_interactions = interactions.select(np.isin(interactions.item, self.items_))
        self.clusters_ = TraitClusters(self.clusters, pseudo_count=self.pseudo_count, seed=self.seed).fit(
            head_interactions, user_traits, has, shares
        )
        return self

    def with_weights(self, *, traits: float, cluster: float, landing: float, levels: int | None) -> Self:
        """Return the same model with other weights. Errors: ValueError."""
        model = copy.copy(self)  # shares the fitted arrays
        model.traits, model.cluster, model.landing, model.levels = traits, cluster, landing, levels
        model.require_weights()
        model.landings_ = copy.copy(self.landings_)
        model.landings_.levels = levels
        return model

    def require_weights(self) -> None:
        """Check the weights. Errors: ValueError."""
        if not (self.traits >= 0 and self.cluster >= 0 and 0 <= self.landing < 1):
            raise ValueError(
                "traits and cluster must be at least 0 and landing from 0 to below 1, "
                f"got {self.traits}, {self.cluster} and {self.landing}"
            )

    def make_visitors(self, user_traits: CustomerTraits, paths: Sequence[str]) -> NewVisitors:
        """Return new visitors with these traits and landing categories (paths, "" for none)."""
        return NewVisitors(user_traits.has, self.landings_.find_rows(paths))

    def score(self, visitors: NewVisitors, *, only_head: bool = False) -> npt.NDArray[np.float32]:
        """Return scores (n, items), or only the columns of `items_` with `only_head`."""
        self.require_fit()
        head = slice(None) if only_head else self.items_
        base = self.log_shares_[self.items_] if only_head else self.log_shares_
        scores = np.tile(base, (len(visitors), 1))
        if self.traits:
            scores[:, head] += np.float32(self.traits) * self.lifts_.compute_terms(visitors.has)
        if self.cluster:
            scores[:, head] += np.float32(self.cluster) * self.clusters_.compute_terms(visitors.has)
        if self.landing:
            self._add_landing(scores, visitors.landing, self.items_ if only_head else None)
        return scores

    def is_personalized(self, visitors: NewVisitors) -> npt.NDArray[np.bool_]:
        """Return bool (n,): whether anything known about the user changes the order of the items from that of popularity."""
        known = np.diff(visitors.has.indptr) > 0
        has_person_scores = known & bool(self.traits or self.cluster)
        return has_person_scores | (self.landings_.has_interactions(visitors.landing) & bool(self.landing))

    def attribute(self, visitors: NewVisitors, items: Sequence[int]) -> list[Attribution]:
        """Split the scores of some items for one user into log probabilities that sum to the score.

        Sources are POPULARITY (ln p_i, below 0), "trait.FIELD" for each field, CLUSTER and LANDING; a positive part raises the score.
        """
        no_item = np.array([-1], np.int32)
        columns = np.asarray(items, np.int64)
        # searchsorted returns the length for items beyond the last one; the comparison below rejects them.
        head_columns = np.minimum(np.searchsorted(self.items_, columns), max(len(self.items_) - 1, 0))
        in_head = self.items_[head_columns] == columns if len(self.items_) else np.zeros(len(columns), np.bool_)
        parts = {POPULARITY: self.log_shares_[columns]}
        if self.traits:
            for field, values in self.lifts_.split_by_field(visitors.has.indices, head_columns.tolist()).items():
                parts[f"{TRAIT}.{field}"] = np.where(in_head, np.float32(self.traits) * values, np.float32(0))
        if self.cluster:
            values = self.clusters_.compute_terms(visitors.has, head_columns)[0]
            parts[CLUSTER] = np.where(in_head, np.float32(self.cluster) * values, np.float32(0))
        if self.landing:
            landing = np.tile(self.log_shares_[columns], (1, 1))
            self._add_landing(landing, visitors.landing, columns)
            parts[LANDING] = np.nan_to_num(landing[0] - self.log_shares_[columns])
        return [Attribution(source, no_item, values[None, :]) for source, values in parts.items()]

    def explain_many(self, visitors: NewVisitors, items: Sequence[int]) -> list[list[Contribution]]:
        """Return the same parts as one list per item, largest first."""
        return list_contributions(self.attribute(visitors, items), len(items))

    def to_arrays(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays, saved = super().to_arrays()
        saved["parts"] = {}
        for part in self.PARTS:
            inner, saved["parts"][part] = getattr(self, f"{part}_").to_arrays()
            arrays |= {f"{part}/{name}": array for name, array in inner.items()}
        return arrays, saved

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], saved: Mapping[str, Any]) -> Self:
        model = super().from_arrays(arrays, saved)
        for part, kind in cls.PARTS.items():
            inner = {
                name.removeprefix(f"{part}/"): array for name, array in arrays.items() if name.startswith(f"{part}/")
            }
            if part not in saved.get("parts", {}):
                raise WrongModelError(f"saved {cls.name} has no {part}")
            setattr(model, f"{part}_", kind.from_arrays(inner, saved["parts"][part]))
        return model

    def _add_landing(
        self,
        scores: npt.NDArray[np.float32],
        landing: npt.NDArray[np.int32],
        columns: npt.NDArray[np.integer] | None,
    ) -> None:
        known = np.flatnonzero(self.landings_.has_interactions(landing))
        paths, path_of_visitor = np.unique(landing[known], return_inverse=True)
        shares, base = self.landings_.select_shares(paths), self.log_shares_
        if columns is not None:
            shares, base = csr_array(shares[:, columns]), base[columns]
        # ln(1 − λ + λ share / p) = ln(1 − λ) + ln(1 + λ / (1 − λ) · share / p): items outside the category need only the first term.
        odds = shares.toarray() * np.float32(self.landing / (1 - self.landing))
        log_ratios = np.log1p(np.divide(odds, np.exp(base), out=odds, where=odds > 0), out=odds)
        scores[known] += log_ratios[path_of_visitor] + np.float32(np.log1p(-self.landing))
