"""The cluster that a user is likely to belong to by their traits, and what it takes more often than others."""

from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import FittedModel
from recommendations.engine.algorithms.neighbors.user_clusters import UserClusters
from recommendations.engine.cold_start.customer_traits import CustomerTraits
from recommendations.engine.cold_start.trait_lifts import compute_log_lifts
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.linear_algebra.sparse import make_csr, multiply, multiply_dense_matrices


class TraitClusters(FittedModel):
    """term(i) = ln Σ_c P(c | t) · lift_ci, lift_ci = (n_ci + s) / (N_c · p_i + s) of the clusters c of users who buy alike.

    P(c | t) ∝ P(c) · Π_f ((n_cf + s) / (n_c · P(f) + s))^d over a person's values f, d `damping` as correlated traits would count
    twice: the mix of clusters that is to be expected of users with such traits. The clusters are those of `algorithms.clusters`,
    of at most `most_people` users, those with traits before others.
    """

    name = "trait-clusters"
    fitted = ("log_chances_", "log_priors_", "lifts_")

    def __init__(
        self,
        clusters: int = 20,
        damping: float = 0.5,
        pseudo_count: float = 20.0,
        most_people: int = 2000,
        iterations: int = 5,
        seed: int = 0,
    ):
        self.clusters = clusters
        self.damping = damping
        self.pseudo_count = pseudo_count
        self.most_people = most_people
        self.iterations = iterations
        self.seed = seed

    def fit(
        self, interactions: Interactions, people: CustomerTraits, has: csr_array, shares: npt.NDArray[np.floating]
    ) -> Self:
        """interactions: with the m items of `has` alone; users, has, shares: as of `TraitLifts.fit`, users in rows of users."""
        users = self._some(people, has)
        part = interactions.subset(np.isin(interactions.user, users))
        fitted = UserClusters(self.clusters, iterations=self.iterations, seed=self.seed).fit(part)
        cluster = fitted.cluster(part.histories(users))
        users, cluster = users[cluster >= 0], cluster[cluster >= 0]
        n = len(fitted.sizes_)
        members = make_csr(np.ones(len(users)), cluster, np.arange(len(users) + 1), (len(users), n)).T.tocsr()
        self.lifts_ = np.exp(compute_log_lifts(multiply(members, has[users]).toarray(), shares, self.pseudo_count))
        sizes = np.bincount(cluster, minlength=n) + 1.0
        self.log_priors_ = np.log(sizes / sizes.sum()).astype(np.float32)
        traits = people.rows(users)
        with_traits = members @ traits.known().astype(np.float32)
        self.log_chances_ = self._chances(multiply(members, traits.has).toarray(), with_traits)
        return self

    def terms(self, has: csr_array, columns: npt.NDArray[np.integer] | slice = slice(None)) -> npt.NDArray[np.float32]:
        """(n, columns) for users of the same values; 0 for those without any trait, who belong to every cluster as all do."""
        mix = multiply_dense_matrices(self.mix(has), self.lifts_[:, columns])
        mix[np.diff(has.indptr) == 0] = 1.0
        return np.log(mix)

    def mix(self, has: csr_array) -> npt.NDArray[np.float32]:
        """(n, clusters) P(c | t); the rows sum to 1."""
        logs = self.log_priors_ + np.float32(self.damping) * np.asarray(has @ self.log_chances_.T, np.float32)
        chances = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float32)

    def _some(self, people: CustomerTraits, has: csr_array) -> npt.NDArray[np.int32]:
        active = np.flatnonzero(np.diff(has.indptr))
        drawn = np.random.default_rng(self.seed).permutation(active)
        first = np.argsort(~people.known()[drawn], kind="stable")
        return np.sort(drawn[first][: self.most_people]).astype(np.int32)

    def _chances(self, together: npt.NDArray[np.floating], sizes: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """(clusters, values) ln((n_cf + s) / (n_c · P(f) + s)); sizes: n_c, a cluster's users of whom there is any trait."""
        expected = sizes[:, None] * together.sum(axis=0)[None, :] / max(float(sizes.sum()), 1.0)
        return np.log((together + self.pseudo_count) / (expected + self.pseudo_count)).astype(np.float32)
