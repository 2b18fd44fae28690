"""Distribution over customer clusters given a user's traits, and the items each cluster prefers."""

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
    """term(i) = ln Σ_c P(c | t) · lift_ci with lift_ci = (n_ci + s) / (N_c · p_i + s) over clusters c of users with similar purchases.

    P(c | t) ∝ P(c) · Π_f ((n_cf + s) / (n_c · P(f) + s))^d over a user's values f, the expected distribution over clusters given
    the traits; d is `damping`, because correlated traits would count twice. The clusters are those of `UserClusters` on at most
    `most_people` users, those with traits first.
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
        self, interactions: Interactions, user_traits: CustomerTraits, has: csr_array, shares: npt.NDArray[np.floating]
    ) -> Self:
        """Learn clusters and their lifts.

        interactions: only with the m items of `has`. user_traits, has, shares: as in `TraitLifts.fit`, in the row order of the users.
        """
        users = self._sample_users(user_traits, has)
        sampled_interactions = interactions.select(np.isin(interactions.user, users))
        fitted = UserClusters(self.clusters, iterations=self.iterations, seed=self.seed).fit(sampled_interactions)
        cluster = fitted.cluster(sampled_interactions.build_histories(users))
        users, cluster = users[cluster >= 0], cluster[cluster >= 0]
        n = len(fitted.sizes_)
        members = make_csr(np.ones(len(users)), cluster, np.arange(len(users) + 1), (len(users), n)).T.tocsr()
        self.lifts_ = np.exp(compute_log_lifts(multiply(members, has[users]).toarray(), shares, self.pseudo_count))
        sizes = np.bincount(cluster, minlength=n) + 1.0  # no cluster has a probability of 0
        self.log_priors_ = np.log(sizes / sizes.sum()).astype(np.float32)
        traits = user_traits.select_users(users)
        with_traits = members @ traits.has_traits().astype(np.float32)
        self.log_chances_ = self._compute_log_ratios(multiply(members, traits.has).toarray(), with_traits)
        return self

    def compute_terms(
        self, has: csr_array, columns: npt.NDArray[np.integer] | slice = slice(None)
    ) -> npt.NDArray[np.float32]:
        """Return the terms (n, columns) for users described by the same values; 0 for users without traits."""
        expected_lifts = multiply_dense_matrices(self.compute_cluster_probabilities(has), self.lifts_[:, columns])
        expected_lifts[np.diff(has.indptr) == 0] = 1.0
        return np.log(expected_lifts)

    def compute_cluster_probabilities(self, has: csr_array) -> npt.NDArray[np.float32]:
        """Return P(c | t), shape (n, clusters); rows sum to 1."""
        log_odds = self.log_priors_ + np.float32(self.damping) * np.asarray(has @ self.log_chances_.T, np.float32)
        # Subtracting the maximum keeps exp from overflowing and from being 0 for all clusters.
        probabilities = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
        return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True), np.float32)

    def _sample_users(self, user_traits: CustomerTraits, has: csr_array) -> npt.NDArray[np.int32]:
        """Return at most `most_people` users with an item, drawn at random, those with traits first."""
        active = np.flatnonzero(np.diff(has.indptr))
        shuffled = np.random.default_rng(self.seed).permutation(active)
        traits_first = np.argsort(~user_traits.has_traits()[shuffled], kind="stable")
        return np.sort(shuffled[traits_first][: self.most_people]).astype(np.int32)

    def _compute_log_ratios(
        self, pair_counts: npt.NDArray[np.floating], sizes: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.float32]:
        """Return ln((n_cf + s) / (n_c · P(f) + s)), shape (clusters, values); sizes: n_c, users of each cluster with any trait."""
        expected = sizes[:, None] * pair_counts.sum(axis=0)[None, :] / max(float(sizes.sum()), 1.0)
        return np.log((pair_counts + self.pseudo_count) / (expected + self.pseudo_count)).astype(np.float32)
