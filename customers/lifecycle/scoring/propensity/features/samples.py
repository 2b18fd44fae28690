"""Rows to learn from: customers as they were at some cuts in the past, with what came true afterwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix, Orders, Visits
from customers.lifecycle.scoring.propensity.features.features import measure_features
from customers.lifecycle.scoring.propensity.features.labels import Target, eligible, label

MOST_ROWS = 200_000

# further columns of all customers as of a moment: name → shape (n_customers,)
type Columns = Callable[[int], Mapping[str, npt.NDArray[np.floating]]]


@dataclass(frozen=True, eq=False)
class Sample:
    """matrix: (n, k) float32 of the columns `names`. label: (n,), what came true. customer: (n,). cut: (n,), microseconds."""

    names: tuple[str, ...]
    matrix: Matrix
    label: Flags
    customer: Ints
    cut: Ints

    def __len__(self) -> int:
        return len(self.label)

    def taken(self, chosen: npt.NDArray[np.bool_] | Ints) -> "Sample":
        return Sample(self.names, self.matrix[chosen], self.label[chosen], self.customer[chosen], self.cut[chosen])

    def at(self, cuts: Sequence[int]) -> "Sample":
        return self.taken(np.isin(self.cut, np.array(cuts, np.int64)))


def collect_sample(
    *,
    orders: Orders,
    target: Target,
    cuts: Sequence[int],
    seed: int,
    visits: Visits | None = None,
    columns: Columns | None = None,
    most_rows: int = MOST_ROWS,
) -> Sample:
    """The eligible customers at each of the cuts (microseconds); where they are more than `most_rows`, as many drawn by the seed,
    equally many a cut. Errors: ValueError without cuts."""
    if not cuts:
        raise ValueError("cuts is empty; give at least one moment to learn from")
    draws = np.random.default_rng(seed)
    most = max(most_rows // len(cuts), 1)
    parts = []
    for cut in cuts:
        rows = eligible(orders=orders, target=target, as_of=cut)
        if len(rows) > most:
            rows = np.sort(draws.choice(rows, most, replace=False))
        found = measure_features(
            orders=orders, as_of=cut, visits=visits, rows=rows, columns=None if columns is None else columns(cut)
        )
        came_true = label(orders=orders, target=target, as_of=cut)[rows]
        parts.append(Sample(found.names, found.matrix, came_true, rows, np.full(len(rows), cut, np.int64)))
    return Sample(
        parts[0].names,
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.customer for part in parts]),
        np.concatenate([part.cut for part in parts]),
    )
