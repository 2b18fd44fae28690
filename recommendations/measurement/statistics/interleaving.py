"""Team-draft interleaving: two rankings in one list, and whose products visitors prefer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.statistics import ConfidenceInterval, compute_wilson_interval


@dataclass(frozen=True)
class InterleavedList:
    """A list and the ranking of each product: 0 for the first, 1 for the second, −1 where both had the same products so far."""

    products: Sequence[int]
    teams: Sequence[int]


def interleave_rankings(first: Sequence[int], second: Sequence[int], n: int, *, seed: int) -> InterleavedList:
    """Return n products of two rankings, of which each contributes its best one that is not in the list yet.

    Team draft: in each round a coin decides which ranking chooses first. Source: Radlinski, Kurup and Joachims, CIKM 2008. The common
    beginning of both rankings is shown as it is and belongs to neither, because its clicks prefer none (Radlinski and Craswell 2010).
    """
    common = 0
    while common < min(len(first), len(second), n) and first[common] == second[common]:
        common += 1
    products, teams = list(first[:common]), [-1] * common
    shown, rng = set(products), np.random.default_rng(seed)
    rankings, positions = (first, second), [common, common]
    while len(products) < n:
        order = (0, 1) if rng.random() < 0.5 else (1, 0)
        before = len(products)
        for team in order:
            ranking = rankings[team]
            while positions[team] < len(ranking) and ranking[positions[team]] in shown:
                positions[team] += 1
            if positions[team] < len(ranking) and len(products) < n:
                products.append(ranking[positions[team]])
                teams.append(team)
                shown.add(products[-1])
        if len(products) == before:
            break
    return InterleavedList(products, teams)


@dataclass(frozen=True)
class RankingPreference:
    """Whose products people chose more often. share: of those with a preference, who prefer the second; p_value: of the sign test."""

    first: int
    second: int
    ties: int
    share: ConfidenceInterval
    p_value: float


def compute_preference(first: int, second: int, ties: int, *, level: float = 0.95) -> RankingPreference:
    """Return the preference from the numbers of people who chose more products of one ranking than of the other.

    A person counts once, however many lists they saw, so that counts are independent. The share has Wilson's interval, and the p-value is
    that of the exact sign test; both leave ties out.
    """
    from scipy.stats import binomtest  # its import takes a second

    decided = first + second
    share = compute_wilson_interval(second, decided, level=level) if decided else ConfidenceInterval(0.5, 0.0, 1.0)
    p_value = float(binomtest(second, decided, 0.5).pvalue) if decided else 1.0
    return RankingPreference(first, second, ties, share, p_value)
