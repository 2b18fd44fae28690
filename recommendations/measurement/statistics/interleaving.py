"""Team-draft interleaving: two rankings in one list, and whose products visitors prefer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq

from config.foundation.statistics import ConfidenceInterval, compute_wilson_interval, limit_share
from recommendations.measurement.statistics.power import POWER
from recommendations.measurement.statistics.sequential import compute_always_valid_p_value, compute_critical_value

NEITHER = -1  # the team of a product whose clicks count for neither ranking
COUNTED_CLICKS = 10  # of each person, the first ones; with more, a few people who click very often would decide


@dataclass(frozen=True)
class InterleavedList:
    """A list and the ranking of each product: 0 for the first, 1 for the second, −1 for neither."""

    products: Sequence[int]
    teams: Sequence[int]


def interleave_rankings(first: Sequence[int], second: Sequence[int], n: int, *, seed: int) -> InterleavedList:
    """Return n products of two rankings, of which each contributes its best one that is not in the list yet.

    Team draft: in each round a coin decides which ranking chooses first. Source: Radlinski, Kurup and Joachims, CIKM 2008. The common
    beginning of both rankings is shown as it is and belongs to neither, because its clicks prefer none (Radlinski and Craswell 2010). The
    same applies from the round on in which one ranking runs out: the other would get more clicks only because it is longer.

    The first products do not depend on n, so that pages of one list fit together.
    """
    common = 0
    while common < min(len(first), len(second), n) and first[common] == second[common]:
        common += 1
    products, teams = list(first[:common]), [NEITHER] * common
    shown, rng = set(products), np.random.default_rng(seed)
    rankings, positions = (first, second), [common, common]
    while len(products) < n:
        order = (0, 1) if rng.random() < 0.5 else (1, 0)
        chosen = []
        for team in order:
            ranking = rankings[team]
            while positions[team] < len(ranking) and ranking[positions[team]] in shown:
                positions[team] += 1
            if positions[team] < len(ranking):
                chosen.append((ranking[positions[team]], team))
                shown.add(chosen[-1][0])
        if not chosen:
            break
        products += [product for product, _team in chosen]
        teams += [team for _product, team in chosen] if len(chosen) == 2 else [NEITHER]
    return InterleavedList(products[:n], teams[:n])


@dataclass(frozen=True)
class RankingPreference:
    """Whose products people chose more often.

    share: of those with a preference, who prefer the second, with its interval; p_value: of the sign test.
    """

    first: int
    second: int
    ties: int
    share: ConfidenceInterval
    p_value: float


def compute_preference(first: int, second: int, ties: int, *, level: float = 0.95) -> RankingPreference:
    """Return the preference from the numbers of people who chose more products of one ranking than of the other.

    A person counts once, however many lists they saw, so that counts are independent. The share has Wilson's interval, and the p-value is
    that of the exact sign test; both leave ties out. For a single look.
    """
    from scipy.stats import binomtest  # its import takes a second

    decided = first + second
    share = compute_wilson_interval(second, decided, level=level) if decided else ConfidenceInterval(0.5, 0.0, 1.0)
    p_value = float(binomtest(second, decided, 0.5).pvalue) if decided else 1.0
    return RankingPreference(first, second, ties, share, p_value)


@dataclass(frozen=True)
class ClickShare:
    """The share of the counted clicks that were on products of the second ranking; p_value: of one half."""

    share: ConfidenceInterval
    p_value: float


def compute_click_share(
    clicks: int, total: float, squares: float, *, fraction: float, level: float = 0.95
) -> ClickShare:
    """Return the share with an interval and a p-value that stay valid however often they are looked at.

    Without a preference, each d is as likely as −d, so that z = Σd ÷ √Σd² has at most normal tails (Hoeffding 1963), however much people
    differ. d adds up: what was counted at a look is a part of what counts at later ones, so that looks are as correlated as the
    always-valid boundary supposes. Neither the sign of a person's difference nor their share of clicks has this property.
    The interval is Wilson's of the share (1 + Σd/clicks) ÷ 2 of clicks²/Σd² trials, which leaves out ½ where z crosses the boundary.

    Args:
        clicks: on products of a ranking, of each person the first COUNTED_CLICKS. total, squares: Σd and Σd² over people, with d the
            clicks of a person on products of the second ranking minus those on the first.
        fraction: present information / planned information. For people who arrive over time and click again, it is the square of the
            elapsed share of the planned duration, see `compute_always_valid_interval`.
    """
    if not clicks or squares <= 0:
        return ClickShare(ConfidenceInterval(0.5, 0.0, 1.0), 1.0)
    value, trials, z = (1 + total / clicks) / 2, clicks**2 / squares, compute_critical_value(fraction, level)
    low, high = (min(max(float(limit_share(value, trials, sign * z)), 0.0), 1.0) for sign in (-1, 1))
    p_value = compute_always_valid_p_value(abs(total) / sqrt(squares), fraction)
    return ClickShare(ConfidenceInterval(value, low, high), p_value)


def count_needed_people(share: float, *, level: float = 0.95, power: float = POWER) -> int:
    """Return how many people who click once show, at the planned end, that a share of them prefers one ranking.

    People who click more often need fewer, see `compute_click_share`.

    n = ((z·½ + z_β·√(p(1 − p))) / (p − ½))², with z the critical value of the always-valid interval at the planned end.
    """
    if share == 0.5:
        raise ValueError("share is 0.5; no number of people shows that there is no preference.")
    reach = compute_critical_value(1.0, level) / 2 + NormalDist().inv_cdf(power) * sqrt(share * (1 - share))
    return ceil((reach / (share - 0.5)) ** 2)


def find_smallest_share(people: float, *, level: float = 0.95, power: float = POWER) -> float | None:
    """Return the smallest share above ½ that so many people who click once show; None if not even 1 is shown."""
    z, z_power = compute_critical_value(1.0, level), NormalDist().inv_cdf(power)
    if people <= 0 or sqrt(people) < z:
        return None

    def excess(share: float) -> float:
        return (share - 0.5) * sqrt(people) - z / 2 - z_power * sqrt(share * (1 - share))

    return float(brentq(excess, 0.5, 1.0))
