"""Daily series of several metrics, as arrays."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints


@dataclass(frozen=True, eq=False)
class MetricPanel:
    """n metrics on T consecutive days.

    total: (n, T), counts or amounts; the numerator of a rate. exposure: (n, T), the denominator of a rate, 1 for counts and amounts;
    0 where there is no rate. is_count: (n,), whether `total` counts independent things, which vary at least as much as a Poisson
    variable. is_summed: (n,), whether a total of 0 can mean that its data is missing. weekday: (T,), 0 Monday. is_holiday: (T,).
    is_excluded: (n, T), days that do not change what is expected later: with a known reason, or with missing data.
    """

    total: Floats
    exposure: Floats
    is_count: Flags
    is_summed: Flags
    weekday: Ints
    is_holiday: Flags
    is_excluded: Flags

    @property
    def n_days(self) -> int:
        return self.total.shape[1]


def transform(values: Floats, unit: Floats) -> Floats:
    """Return 2·√(x ÷ c + ⅜), elementwise, whose variance is about 1 for Poisson counts (c = 1) of at least about 4.

    Args:
        values: totals; below 0, as after returns, the root keeps the sign. unit: c, the variance of a total ÷ its mean.
    Source: Anscombe, Biometrika 1948.
    """
    scaled = values / unit + 0.375
    return np.sign(scaled) * 2 * np.sqrt(np.abs(scaled))


def invert(scores: Floats, unit: Floats) -> Floats:
    """Return the totals of transformed values: the inverse of `transform`."""
    return (np.sign(scores) * (scores / 2) ** 2 - 0.375) * unit
