"""Groups of products of which a list shows one: the variants of a product, and products with nearly the same content."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.linear_algebra.set_kernels import are_members, find_first_positions
from recommendations.engine.variety.kernels import collect_members, count_groups, replace_by_own


@dataclass(frozen=True, eq=False)
class ProductGroups:
    """The groups of n products; a product that is alone is a group of its own.

    codes: int32 (n,), the lowest row of each product's group. is_grouped: (n,), products whose group has others. is_variant: (n,), products
    in a group that the catalog names. members: int32 (n,), all rows by group; starts, ends: int32 (n,), where the group of each row is in it.
    """

    codes: Rows
    is_grouped: Flags
    is_variant: Flags
    members: Rows
    starts: Rows
    ends: Rows
    has_groups: bool

    @classmethod
    def from_parents(cls, parents: Rows, near: Rows | None = None) -> Self:
        """Return the groups of n products.

        parents: int32 (n,), the number of the group that the catalog names, -1 without one. near: int32 (m ≤ n,), equal numbers for products
        with nearly the same content (see `find_near_identical`); it groups only products that the catalog does not group.
        """
        n = len(parents)
        is_variant = parents >= 0
        keys = np.arange(n, dtype=np.int64)
        if near is not None:
            keys[: len(near)] = near
        keys = np.where(is_variant, n + parents.astype(np.int64), keys)
        _keys, first, numbers = np.unique(keys, return_index=True, return_inverse=True)
        sizes = np.bincount(numbers, minlength=len(first))
        ends = np.cumsum(sizes)
        return cls(
            codes=first[numbers].astype(np.int32),
            is_grouped=sizes[numbers] > 1,
            is_variant=is_variant,
            members=np.argsort(numbers, kind="stable").astype(np.int32),
            starts=(ends - sizes)[numbers].astype(np.int32),
            ends=ends[numbers].astype(np.int32),
            has_groups=bool((sizes > 1).any()),
        )

    @classmethod
    def create_empty(cls, n: int) -> Self:
        """Return n products without groups."""
        return cls.from_parents(np.full(n, -1, np.int32))

    def warm_up(self) -> None:
        """Run the kernels once, so that none is compiled while a visitor waits."""
        row, flag = np.zeros(min(1, len(self.codes)), np.int32), np.zeros(min(1, len(self.codes)), np.bool_)
        self.expand(row)
        self.find_first(np.repeat(row, 2))
        self.are_variants(row, row.tolist())
        self.sort_by_group(row)
        count_values(row, 1, row)
        scores = np.zeros(len(row), np.float32)
        replace_by_own(row, self.codes, self.is_grouped, row, flag, flag, row, scores, scores)

    def find_first(self, rows: Rows) -> npt.NDArray[np.intp] | None:
        """Return the positions of the first product of each group, ascending; None if no group occurs twice."""
        if not self.has_groups or len(rows) < 2:
            return None
        first = find_first_positions(self.codes[rows])
        return first if len(first) < len(rows) else None

    def expand(self, rows: Rows, *, variants_only: bool = False) -> Rows:
        """Return all products of the groups of the rows, each once; negative rows are left out.

        variants_only: other products only of groups that the catalog names; then the rows come first and may repeat.
        """
        rows = rows[rows >= 0]
        if not self.has_groups:
            return np.unique(rows)
        if variants_only:
            return np.concatenate([rows, self.expand(rows[self.is_variant[rows]])])
        # the copy above is writable, so that the kernel is compiled for one type of arrays only
        return collect_members(rows, self.codes, self.members, self.starts, self.ends)

    def sort_by_group(self, rows: Rows) -> Rows:
        """Return the rows so that those of a group follow each other, each once; without sorting, because `members` is sorted."""
        is_included = np.zeros(len(self.codes), np.bool_)
        is_included[rows] = True
        return self.members[is_included[self.members]]

    def are_variants(self, rows: Rows, others: Sequence[int]) -> Flags:
        """Return which rows are not among the others, but in a group of one of them."""
        chosen = np.array(others, np.int32)
        return are_members(self.codes[rows], self.codes[chosen]) & ~are_members(rows, chosen) & (rows >= 0)


def count_values(codes: npt.NDArray[np.integer], n: int, groups: Rows | None = None) -> npt.NDArray[np.int64]:
    """Return how many products have each of n codes, or how many groups; negative codes are left out.

    groups: code of each product's group; the products of a group follow each other.
    """
    if groups is None:
        return np.bincount(codes[codes >= 0], minlength=n)
    counts = np.zeros(n, np.int64)
    # one type, so that the kernel is compiled once
    count_groups(np.array(codes, np.int32), np.array(groups, np.int32), counts)
    return counts
