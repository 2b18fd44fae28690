"""The sufficient statistics of a group: what a comparison of means needs, without the single customers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats
from config.foundation.statistics import Sample


@dataclass(frozen=True)
class GroupMoments:
    """The number of customers of a group, and the sums and products of their values.

    Attributes:
        n: customers.
        sums: (k,) Σ xᵢ of each of k values.
        products: (k, k) Σ xᵢxⱼ, symmetric.
    """

    n: int
    sums: Floats
    products: Floats

    def get_mean(self, value: int) -> float:
        """Return the mean of a value; NaN without customers."""
        return float(self.sums[value]) / self.n if self.n else float("nan")

    def get_sample(self, value: int) -> Sample:
        """Return size, sum and sum of squares of one value."""
        return Sample(self.n, float(self.sums[value]), float(self.products[value, value]))

    def compute_covariance(self) -> Floats:
        """Return the (k, k) covariance matrix with n − 1; NaN with fewer than two customers."""
        if self.n < 2:
            return np.full(self.products.shape, np.nan)
        means = self.sums / self.n
        return (self.products - self.n * np.outer(means, means)) / (self.n - 1)

    def __add__(self, other: "GroupMoments") -> "GroupMoments":
        return GroupMoments(self.n + other.n, self.sums + other.sums, self.products + other.products)


def make_moments(values: Floats | Sequence[Sequence[float]]) -> GroupMoments:
    """Return the moments of (n, k) values."""
    table = np.asarray(values, np.float64)
    return GroupMoments(len(table), table.sum(axis=0), table.T @ table)
