"""Collects training samples: customers at past cutoffs, with their actual outcomes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Ints
from customers.lifecycle.scoring.propensity.features.event_facts import Matrix, OrderLines, VisitEvents
from customers.lifecycle.scoring.propensity.features.features import measure_features
from customers.lifecycle.scoring.propensity.features.labels import (
    PropensityTarget,
    find_eligible_customers,
    label_customers,
)

MAX_ROWS = 200_000

# Additional columns of all customers as of a moment: name → shape (n_customers,)
type ColumnProvider = Callable[[int], Mapping[str, npt.NDArray[np.floating]]]


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """n rows of customers at cutoffs.

    matrix: (n, k) float32 of the columns `names`. label: (n,), the actual outcome. customer: (n,). cutoff: (n,), microseconds.
    """

    names: tuple[str, ...]
    matrix: Matrix
    label: Flags
    customer: Ints
    cutoff: Ints

    def __len__(self) -> int:
        return len(self.label)

    def select(self, rows: npt.NDArray[np.bool_] | Ints) -> "TrainingSample":
        """Return some of the rows."""
        return TrainingSample(self.names, self.matrix[rows], self.label[rows], self.customer[rows], self.cutoff[rows])

    def select_cutoffs(self, cutoffs: Sequence[int]) -> "TrainingSample":
        """Return the rows of some cutoffs."""
        return self.select(np.isin(self.cutoff, np.array(cutoffs, np.int64)))


def collect_sample(
    *,
    orders: OrderLines,
    target: PropensityTarget,
    cutoffs: Sequence[int],
    seed: int,
    visits: VisitEvents | None = None,
    columns: ColumnProvider | None = None,
    max_rows: int = MAX_ROWS,
) -> TrainingSample:
    """Collect the eligible customers at each of the cutoffs (microseconds).

    Above `max_rows` the same number per cutoff is drawn by the seed. Errors: ValueError without cutoffs.
    """
    if not cutoffs:
        raise ValueError("cutoffs is empty; pass at least one moment")
    draws = np.random.default_rng(seed)
    max_rows_per_cutoff = max(max_rows // len(cutoffs), 1)
    parts = []
    for cutoff in cutoffs:
        rows = find_eligible_customers(orders=orders, target=target, as_of=cutoff)
        if len(rows) > max_rows_per_cutoff:
            rows = np.sort(draws.choice(rows, max_rows_per_cutoff, replace=False))
        features = measure_features(
            orders=orders, as_of=cutoff, visits=visits, rows=rows, columns=None if columns is None else columns(cutoff)
        )
        labels = label_customers(orders=orders, target=target, as_of=cutoff)[rows]
        parts.append(
            TrainingSample(features.names, features.matrix, labels, rows, np.full(len(rows), cutoff, np.int64))
        )
    return TrainingSample(
        parts[0].names,
        np.concatenate([part.matrix for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.customer for part in parts]),
        np.concatenate([part.cutoff for part in parts]),
    )
