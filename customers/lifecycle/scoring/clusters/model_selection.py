"""How many clusters: those that lie apart, and that another sample of the same customers would show as well."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import adjusted_rand_score

from config.foundation.array_types import Floats
from customers.lifecycle.scoring.clusters.kernels import Points, nearest
from customers.lifecycle.scoring.clusters.kmeans import kmeans
from customers.lifecycle.scoring.clusters.silhouette import distances, silhouette
from customers.lifecycle.scoring.clusters.ward import ward

METHODS: tuple[str, ...] = ("kmeans", "ward")
FEWEST, MOST = 3, 10
CUSTOMERS_A_CLUSTER = 10  # at least, on average: with fewer customers fewer clusters are tried
STABLE = 0.75  # adjusted Rand index, from here on k counts as found again
CLOSE = 0.02  # of silhouette: the former k stays if it is no worse than this
STEADY = 0.1  # of stability, likewise
JUDGED_ROWS = 3_000
SAMPLE_ROWS = 20_000
WARD_ROWS = 4_000
STARTS, STARTS_OF_HALVES, SPLITS = 8, 3, 4

type Fit = Callable[[Points, Sequence[int], int], list[Floats]]


@dataclass(frozen=True)
class Candidate:
    """silhouette: −1…1, of a sample; stability: mean adjusted Rand index between fits on halves of a sample, 1 is the same."""

    k: int
    silhouette: float
    stability: float


def fit_kmeans(points: Points, ks: Sequence[int], seed: int, *, starts: int = STARTS) -> list[Floats]:
    return [kmeans(points, k, starts=starts, seed=seed)[0] for k in ks]


def fit_halves(points: Points, ks: Sequence[int], seed: int) -> list[Floats]:
    return fit_kmeans(points, ks, seed, starts=STARTS_OF_HALVES)


def fit_ward(points: Points, ks: Sequence[int], seed: int) -> list[Floats]:
    draws = np.random.default_rng((seed, 1))
    return ward(points[sample_rows(len(points), WARD_ROWS, draws)], ks)


def ks_for(n_customers: int, n_different: int) -> range:
    """3…10, as far as there are ten customers a cluster and as many different ones as clusters."""
    return range(FEWEST, min(MOST, n_customers // CUSTOMERS_A_CLUSTER, n_different) + 1)


def judge(points: Points, *, ks: Sequence[int], method: str, seed: int) -> tuple[list[Candidate], list[Floats]]:
    """Every k with its figures and its centroids, fitted on at most 20,000 of the points (m, d).

    Stability: 4 times the sample is cut into random halves, each is fitted, and both say of all where they belong; the adjusted
    Rand index compares that (1: same clusters, 0: as by chance). Source: Hubert & Arabie, J. Classif. 1985; Ben-Hur et al., PSB 2002.
    """
    fit, fit_half = (fit_kmeans, fit_halves) if method == "kmeans" else (fit_ward, fit_ward)
    draws = np.random.default_rng((seed, 2))
    sample = points[sample_rows(len(points), SAMPLE_ROWS, draws)]
    judged = sample[sample_rows(len(sample), JUDGED_ROWS, draws)]
    centroids = fit(sample, ks, seed)
    apart = distances(judged)
    silhouettes = [silhouette(apart, nearest(judged, found).label) for found in centroids]
    agreement = np.zeros((SPLITS, len(ks)))
    for split in range(SPLITS):
        order = draws.permutation(len(sample))
        halves = (order[: len(order) // 2], order[len(order) // 2 :])
        fits = [fit_half(sample[half], ks, seed + 1 + split) for half in halves]
        for place, (one, other) in enumerate(zip(*fits, strict=True)):
            agreement[split, place] = adjusted_rand_score(nearest(judged, one).label, nearest(judged, other).label)
    stability = agreement.mean(axis=0)
    candidates = [Candidate(k, s, float(t)) for k, s, t in zip(ks, silhouettes, stability, strict=True)]
    return candidates, centroids


def chosen(candidates: Sequence[Candidate], *, former_k: int | None = None) -> Candidate:
    """The greatest silhouette among the stable; if none is, the greatest silhouette · stability. Of equals, the fewer clusters.

    The number of the former run stays while its silhouette is within 0.02 of that one's, unless that one is stable and its own
    stability below 0.65: names should not change for a hair's breadth, and where nothing is stable least of all.
    """
    stable = [candidate for candidate in candidates if candidate.stability >= STABLE]
    if stable:
        best = max(stable, key=lambda c: (c.silhouette, -c.k))
    else:
        best = max(candidates, key=lambda c: (max(c.silhouette, 0.0) * max(c.stability, 0.0), -c.k))
    former = next((c for c in candidates if c.k == former_k), best)
    near = former.silhouette >= best.silhouette - CLOSE
    steady = not stable or former.stability >= STABLE - STEADY
    return former if near and steady else best


def sample_rows(n: int, most: int, draws: np.random.Generator) -> np.ndarray:
    """At most that many of 0…n−1, ascending."""
    if n <= most:
        return np.arange(n)
    return np.sort(draws.choice(n, most, replace=False))
