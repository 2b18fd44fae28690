"""Which segments of a dimension explain a deviation: contributions to the change, with the surprise of a segment among its past days.

Contributions and the choice of the dimension follow Adtributor (Bhagwan et al., NSDI 2014); the surprise is measured against the past
variation of the segment's own contribution instead of the Jensen–Shannon divergence, so that noise in a small segment does not count as a surprise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from config.foundation.array_types import Floats, Ints

MAX_SEGMENTS = 3
MIN_SHARE = 0.1  # of the deviation that a segment of an explanation contributes
MIN_EXPLAINED = 0.5
MIN_EXCESS = (
    0.2  # share of the deviation beyond the segments' share of the whole: if all segments fall alike, none explains it
)
SURPRISE_LEVEL = 0.005  # of all segments of a dimension together
SAME_WEEKDAY, OTHER_DAY = 1.0, 0.25  # weights of earlier days


@dataclass(frozen=True, eq=False)
class SegmentedMetric:
    """A metric by segment of a dimension on past days and on the evaluated day.

    history: (segments, days), numerators; exposure_history the same for the denominator of a rate, None for sums. actual, exposure:
    (segments,), of the evaluated day. weights: (days,), of the past days. expected: of the whole metric, as a total or as a rate.
    unit: variance ÷ mean of a total.
    """

    history: Floats
    actual: Floats
    weights: Floats
    expected: float
    exposure_history: Floats | None = None
    exposure: Floats | None = None
    unit: float = 1.0


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each segment adds to the deviation of the metric, arrays of shape (segments,).

    actual, expected: values of the segments. contribution: they add up to `deviation`. share: of the expected whole. surprise: the
    contribution beyond the segment's share, in standard deviations of the past. mix, rate: parts of the contribution to a rate.
    """

    actual: Floats
    expected: Floats
    contribution: Floats
    share: Floats
    surprise: Floats
    deviation: float
    mix: Floats | None = None
    rate: Floats | None = None


@dataclass(frozen=True)
class Explanation:
    """The segments (rows) of the dimension that explains most, and the share of the deviation that they explain."""

    dimension: str
    segments: tuple[int, ...]
    share: float


def weigh_days(weekday: Ints, judged: int) -> Floats:
    """Return the weights of earlier days: those of the same weekday count four times as much."""
    return np.where(weekday == judged, SAME_WEEKDAY, OTHER_DAY)


def compute_contributions(data: SegmentedMetric) -> Contributions:
    """Return the contributions to the deviation of a sum or a rate."""
    return _split_sum(data) if data.exposure_history is None else _split_rate(data)


def _split_sum(data: SegmentedMetric) -> Contributions:
    """Split Σ(A_s − F_s), F_s = share_s · F, with the share of the weighted past days."""
    base = data.history @ data.weights
    share = base / (base.sum() or 1.0)
    expected = share * data.expected
    total = data.actual.sum()
    totals = data.history.sum(axis=0)
    residual = data.history - share[:, None] * totals
    mean = float(totals @ data.weights / data.weights.sum()) or 1.0
    spread = np.sqrt((residual**2) @ data.weights / data.weights.sum() * abs(total / mean))
    # a segment without variation in the past still varies by chance, as if the total were divided at random
    chance = np.sqrt(np.maximum(share * (1 - share), 1e-9) * data.unit * max(abs(total), data.unit))
    surprise = (data.actual - share * total) / np.maximum(spread, chance)
    return Contributions(data.actual, expected, data.actual - expected, share, surprise, float(total - data.expected))


def _split_rate(data: SegmentedMetric) -> Contributions:
    """Split R_A − R = Σ (w_A − w)·(r − R) + w_A·(r_A − r): the mix of segments, and the rates within them.

    w: share of a segment in the denominator, r: its rate, both of the weighted past days; r is scaled so that the whole has the
    expected rate R.
    """
    assert data.exposure_history is not None
    assert data.exposure is not None
    share, rate = _average_rates(data.history, data.exposure_history, data.weights)
    scale = data.expected / (float(share @ rate) or 1.0)
    rate = rate * scale
    mix, within = _compare_rates(data.actual, data.exposure, share, rate, data.expected)
    days = range(data.history.shape[1])
    past = np.zeros_like(data.history)
    for day in days:
        whole = data.history[:, day].sum() / max(data.exposure_history[:, day].sum(), 1e-9)
        parts = _compare_rates(data.history[:, day], data.exposure_history[:, day], share, rate, float(share @ rate))
        past[:, day] = parts[0] + parts[1] - share * (whole - float(share @ rate))
    size = data.exposure_history.sum(axis=0).mean() / max(data.exposure.sum(), 1e-9)
    spread = np.sqrt((past**2) @ data.weights / data.weights.sum() * size) + 1e-9
    contribution = mix + within
    deviation = float(data.actual.sum() / max(data.exposure.sum(), 1e-9) - data.expected)
    with np.errstate(invalid="ignore", divide="ignore"):
        actual = np.where(data.exposure > 0, data.actual / data.exposure, np.nan)
    return Contributions(
        actual, rate, contribution, share, (contribution - share * deviation) / spread, deviation, mix, within
    )


def _average_rates(history: Floats, exposure: Floats, weights: Floats) -> tuple[Floats, Floats]:
    base, size = history @ weights, exposure @ weights
    whole = base.sum() / max(size.sum(), 1e-9)
    return size / max(size.sum(), 1e-9), np.where(size > 0, base / np.maximum(size, 1e-9), whole)


def _compare_rates(
    actual: Floats, exposure: Floats, share: Floats, rate: Floats, whole: float
) -> tuple[Floats, Floats]:
    weight = exposure / max(exposure.sum(), 1e-9)
    own = np.where(exposure > 0, actual / np.maximum(exposure, 1e-9), rate)
    return (weight - share) * (rate - whole), weight * (own - rate)


def choose_segments(parts: Contributions, nameable: Sequence[bool]) -> tuple[tuple[int, ...], float, float]:
    """Return the segments that explain the deviation, the share that they explain, and how much more that is than their size.

    nameable: whether a segment may be named; the rest of a long list may not.
    """
    if not parts.deviation or len(parts.actual) < 2:
        return (), 0.0, 0.0
    limit = NormalDist().inv_cdf(1 - SURPRISE_LEVEL / len(parts.actual))
    explained = parts.contribution / parts.deviation
    fits = (explained >= MIN_SHARE) & (parts.surprise * np.sign(parts.deviation) >= limit) & np.asarray(nameable)
    order = [int(row) for row in np.argsort(-explained, kind="stable") if fits[row]][:MAX_SEGMENTS]
    best: tuple[tuple[int, ...], float, float] = ((), 0.0, 0.0)
    for count in range(1, len(order) + 1):
        rows = order[:count]
        share = float(explained[rows].sum())
        excess = min(share, 1.0) - float(parts.share[rows].sum())
        if share >= MIN_EXPLAINED and excess >= MIN_EXCESS and excess > best[2] + 0.1:
            best = (tuple(rows), share, excess)
    return best


def explain(
    parts_by_dimension: Mapping[str, Contributions], nameable: Mapping[str, Sequence[bool]]
) -> Explanation | None:
    """Return the dimension whose segments explain the deviation best; None if no single dimension explains it."""
    choices = {name: choose_segments(parts, nameable[name]) for name, parts in parts_by_dimension.items()}
    name = max(choices, key=lambda name: choices[name][2], default="")
    if not name or not choices[name][0]:
        return None
    rows, share, _excess = choices[name]
    return Explanation(name, rows, share)
