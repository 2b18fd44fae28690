"""Interactions of users as columns: of a training, between it and its newest refresh, and from the live lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts
from recommendations.engine import IdMap
from recommendations.engine.linear_algebra.jit import compiled_with_gil
from recommendations.training.registry.artifacts import Artifact


class InteractionColumns(NamedTuple):
    """Interactions as columns of one length, oldest first. order: seconds since 1970."""

    item: npt.NDArray[np.int32]
    order: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float32]
    kind: npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class RefreshedHistories:
    """The interactions between a training and its newest refresh, as CSR by user."""

    indptr: npt.NDArray[np.int64]
    columns: InteractionColumns
    identifiers: IdMap
    identifier_user: npt.NDArray[np.int32]

    @classmethod
    def from_artifact(cls, refresh: Artifact) -> "RefreshedHistories":
        """Return the interactions that a refresh stores."""
        arrays = refresh.get_part("news")
        return cls(
            arrays["indptr"],
            InteractionColumns(arrays["item"], arrays["order"], arrays["weight"], arrays["kind"]),
            IdMap.from_arrays(refresh.get_part("news-identifiers")),
            refresh.arrays["news_identifier_user"],
        )

    def has_interactions(self, user: int) -> bool:
        """Return whether a user has any."""
        return user < len(self.indptr) - 1 and bool(self.indptr[user + 1] > self.indptr[user])

    def select(self, users: Sequence[int]) -> list[InteractionColumns]:
        """Return the interactions of each of these users."""
        slices = [
            slice(int(self.indptr[user]), int(self.indptr[user + 1])) for user in users if user < len(self.indptr) - 1
        ]
        item, order, weight, kind = self.columns
        return [InteractionColumns(item[lines], order[lines], weight[lines], kind[lines]) for lines in slices]


def list_interactions(parts: Sequence[InteractionColumns], *, since: float) -> set[tuple[int, int, int]]:
    """Return (row, kind, second) of the interactions since a given second. parts: each sorted by time."""
    found: set[tuple[int, int, int]] = set()
    for item, order, _weight, kind in parts:
        if len(order) and order[-1] >= since:
            first = int(np.searchsorted(order, since))
            found.update(
                zip(item[first:].tolist(), kind[first:].tolist(), map(int, order[first:].tolist()), strict=True)
            )
    return found


@compiled_with_gil
def join_interactions(
    item: AnyInts,
    order: AnyFloats,
    weight: AnyFloats,
    kind: AnyInts,
    later_item: AnyInts,
    later_order: AnyFloats,
    later_weight: AnyFloats,
    later_kind: AnyInts,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """Return the columns of two parts as one, oldest first; for equal times, interactions of the first part come first."""
    n, first = item.shape[0] + later_item.shape[0], item.shape[0]
    items, orders = np.empty(n, np.int32), np.empty(n, np.float64)
    weights, kinds = np.empty(n, np.float32), np.empty(n, np.int8)
    items[:first], orders[:first], weights[:first], kinds[:first] = item, order, weight, kind
    items[first:], orders[first:], weights[first:], kinds[first:] = later_item, later_order, later_weight, later_kind
    for position in range(1, n):
        if orders[position] < orders[position - 1]:  # mostly sorted already, and checking is cheaper than sorting
            oldest_first = np.argsort(orders, kind="mergesort")
            return items[oldest_first], orders[oldest_first], weights[oldest_first], kinds[oldest_first]
    return items, orders, weights, kinds
