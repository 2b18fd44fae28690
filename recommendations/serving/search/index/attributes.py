"""Product attributes as integer codes, to filter and count products by values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.vocabulary import freeze
from recommendations.engine.variety.product_groups import count_values
from recommendations.serving.search.index.string_table import StringTable

MAX_NAMES, MAX_VALUES = 12, 20  # per response
MAX_KEPT_VALUES = 10_000
ARRAY_NAMES = ("pair_name", "starts", "lengths", "pool")


@dataclass(frozen=True, eq=False)
class AttributeIndex:
    """The attribute values of all rows. Immutable.

    Row r has the values pool[starts[r]…starts[r] + lengths[r]]: numbers of ``pairs`` (name=value).
    pair_name: the number of each pair's name in name_list.
    """

    pairs: StringTable
    pair_name: npt.NDArray[np.int32]
    name_list: list[str]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int32]
    pool: npt.NDArray[np.int32]

    @classmethod
    def create_empty(cls) -> "AttributeIndex":
        """Return an index without rows."""
        empty = np.empty(0, np.int32)
        return cls(StringTable.from_texts([]), empty, [], np.empty(0, np.int64), empty, empty)

    def with_changes(self, rows: Rows, values: Sequence[Sequence[str]]) -> "AttributeIndex":
        """Return the index with these values at these rows.

        Old values stay in the pool until `compact`.
        """
        n = max(len(self.starts), int(rows.max(initial=-1)) + 1)
        flat = [pair for row_values in values for pair in row_values]
        pairs, codes = self.pairs.with_new(flat)
        starts, lengths = np.zeros(n, np.int64), np.zeros(n, np.int32)
        starts[: len(self.starts)], lengths[: len(self.lengths)] = self.starts, self.lengths
        counts = np.fromiter(map(len, values), np.int64, len(values))
        starts[rows] = len(self.pool) + np.cumsum(counts) - counts
        lengths[rows] = counts
        names = {name: number for number, name in enumerate(self.name_list)}
        new_pairs = list(pairs.more)[len(self.pairs.more) :]
        new_pair_names = [names.setdefault(pair.partition("=")[0], len(names)) for pair in new_pairs]
        return AttributeIndex(
            pairs,
            np.concatenate([self.pair_name, np.array(new_pair_names, np.int32)]),
            list(names),
            starts,
            lengths,
            np.concatenate([self.pool, codes]),
        )

    def compact(self) -> "AttributeIndex":
        """Return the same index without unused values in the pool, and with all pairs in arrays."""
        starts = (np.cumsum(self.lengths) - self.lengths).astype(np.int64)
        # 0, 1, … within each row, without a loop over the rows
        within = np.arange(int(self.lengths.sum())) - np.repeat(starts, self.lengths)
        pool = self.pool[np.repeat(self.starts, self.lengths) + within]
        return AttributeIndex(self.pairs.compact(), self.pair_name, self.name_list, starts, self.lengths, pool)

    @property
    def frozen_lists(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return freeze(self.starts), freeze(self.lengths), freeze(self.pool)

    def find_rows(self, name: str, value: str, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which of the rows have the value."""
        code = self.pairs.find_number(f"{name}={value}")
        has_value = np.zeros(len(rows), np.bool_)
        if code >= 0:
            kernels.find_rows_with_code(freeze(rows), *self.frozen_lists, code, has_value)
        return has_value

    def count_values(
        self, rows: Rows, *, is_shown: Callable[[str], bool] | None = None, groups: Rows | None = None
    ) -> dict[str, list[tuple[str, int]]]:
        """Return how many rows have each value; the most frequent names and values first.

        is_shown: whether to count the values of a name; None counts all. groups: to count groups instead, see
        `product_groups.count_values`.
        """
        counts = self.count_groups(rows, groups) if groups is not None else np.zeros(len(self.pair_name), np.int64)
        if groups is None:
            kernels.count_codes(freeze(rows), *self.frozen_lists, counts)
        present = np.flatnonzero(counts)
        present_names, present_counts = self.pair_name[present], counts[present]
        by_name = np.bincount(present_names, weights=present_counts, minlength=len(self.name_list))
        # one sort for all names: by name, the most frequent values first
        order = np.lexsort((-present_counts, present_names))
        codes, frequencies = present[order], present_counts[order]
        starts = np.searchsorted(present_names[order], np.arange(len(self.name_list))).tolist()
        values: dict[str, list[tuple[str, int]]] = {}
        for name in np.argsort(-by_name, kind="stable").tolist():
            if not by_name[name] > 0 or len(values) == MAX_NAMES:
                break
            if is_shown is None or is_shown(self.name_list[name]):
                last = starts[name + 1] if name + 1 < len(starts) else len(codes)
                best = slice(starts[name], min(starts[name] + MAX_VALUES, last))
                pairs = zip(codes[best].tolist(), frequencies[best].tolist(), strict=True)
                values[self.name_list[name]] = [(self.get_value(code), count) for code, count in pairs]
        return values

    def count_groups(self, rows: Rows, groups: Rows) -> npt.NDArray[np.int64]:
        """Return how many groups have each pair; groups: of each row, those of a group follow each other."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths, dtype=np.int64)
        # the positions start…start + length of each row, without a loop over the rows
        positions = np.arange(int(lengths.sum())) + np.repeat(self.starts[rows] - (ends - lengths), lengths)
        return count_values(self.pool[positions], len(self.pair_name), np.repeat(groups, lengths))

    @cached_property
    def _values(self) -> dict[int, str]:
        return {}

    def get_value(self, code: int) -> str:
        """Return the value of a pair, which is name=value; kept for the next response."""
        value = self._values.get(code)
        if value is None:
            if len(self._values) >= MAX_KEPT_VALUES:
                self._values.clear()
            value = self._values[code] = self.pairs.get_text(code).partition("=")[2]
        return value

    def to_arrays(self) -> tuple[dict[str, npt.NDArray], list[str]]:
        """Return the index as arrays by name, and the list of names."""
        pairs = {f"pairs.{name}": array for name, array in self.pairs.to_arrays().items()}
        return pairs | {name: getattr(self, name) for name in ARRAY_NAMES}, self.name_list

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray], name_list: list[str]) -> "AttributeIndex":
        """Load the index of `to_arrays()`; memory-mapped arrays stay mapped."""
        pairs = {name.removeprefix("pairs."): array for name, array in arrays.items() if name.startswith("pairs.")}
        columns = {name: arrays[name] for name in ARRAY_NAMES}
        return cls(StringTable.from_arrays(pairs), name_list=list(name_list), **columns)
