"""Product attributes as integer codes: which rows have a value, and how many rows have each value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.vocabulary import freeze
from recommendations.serving.search.string_table import StringTable

MAX_NAMES, MAX_VALUES = 12, 20  # per response


@dataclass(frozen=True, eq=False)
class AttributeIndex:
    """Row r has the values pool[starts[r]…starts[r] + lengths[r]]: numbers of ``pairs`` (name=value).

    names: the number of each pair's name in name_list. Immutable.
    """

    pairs: StringTable
    pair_name: npt.NDArray[np.int32]
    name_list: list[str]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int32]
    pool: npt.NDArray[np.int32]

    @classmethod
    def empty(cls) -> "AttributeIndex":
        none = np.empty(0, np.int32)
        return cls(StringTable.of([]), none, [], np.empty(0, np.int64), none, none)

    def with_changes(self, rows: Rows, values: Sequence[Sequence[str]]) -> "AttributeIndex":
        """Return the index with these values at these rows; old values stay in the pool until `compacted`."""
        n = max(len(self.starts), int(rows.max(initial=-1)) + 1)
        flat = [pair for own in values for pair in own]
        pairs, codes = self.pairs.with_new(flat)
        starts, lengths = np.zeros(n, np.int64), np.zeros(n, np.int32)
        starts[: len(self.starts)], lengths[: len(self.lengths)] = self.starts, self.lengths
        counts = np.fromiter(map(len, values), np.int64, len(values))
        starts[rows] = len(self.pool) + np.cumsum(counts) - counts
        lengths[rows] = counts
        names = {name: number for number, name in enumerate(self.name_list)}
        new = [
            names.setdefault(pair.partition("=")[0], len(names)) for pair in list(pairs.more)[len(self.pairs.more) :]
        ]
        return AttributeIndex(
            pairs,
            np.concatenate([self.pair_name, np.array(new, np.int32)]),
            list(names),
            starts,
            lengths,
            np.concatenate([self.pool, codes]),
        )

    def compacted(self) -> "AttributeIndex":
        """Return the same index without unused values in the pool, and with all pairs in arrays."""
        inside = np.arange(int(self.lengths.sum())) - np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        pool = self.pool[np.repeat(self.starts, self.lengths) + inside]
        pairs = StringTable.of(self.pairs.texts()) if self.pairs.more else self.pairs
        starts = (np.cumsum(self.lengths) - self.lengths).astype(np.int64)
        return AttributeIndex(pairs, self.pair_name, self.name_list, starts, self.lengths, pool)

    @property
    def frozen_lists(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return freeze(self.starts), freeze(self.lengths), freeze(self.pool)

    def find_rows(self, name: str, value: str, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return which of the rows have the value."""
        code = self.pairs.number(f"{name}={value}")
        out = np.zeros(len(rows), np.bool_)
        if code >= 0:
            kernels.find_rows_with_code(freeze(rows), *self.frozen_lists, code, out)
        return out

    def count_values(self, rows: Rows) -> dict[str, list[tuple[str, int]]]:
        """Return how many rows have each value; the most frequent names and values first."""
        counts = np.zeros(len(self.pair_name), np.int64)
        kernels.count_codes(freeze(rows), *self.frozen_lists, counts)
        met = np.flatnonzero(counts)
        by_name = np.bincount(self.pair_name[met], weights=counts[met], minlength=len(self.name_list))
        found = {}
        for name in np.argsort(-by_name, kind="stable")[:MAX_NAMES].tolist():
            if by_name[name] > 0:
                codes = met[self.pair_name[met] == name]
                codes = codes[np.argsort(-counts[codes], kind="stable")[:MAX_VALUES]]
                text = self.name_list[name]
                found[text] = [(self.pairs.text(code)[len(text) + 1 :], int(counts[code])) for code in codes.tolist()]
        return found

    def arrays(self) -> tuple[dict[str, npt.NDArray], list[str]]:
        """Return the index as arrays by name, and the list of names."""
        pairs = {f"pairs.{name}": array for name, array in self.pairs.arrays().items()}
        own = {name: getattr(self, name) for name in ("pair_name", "starts", "lengths", "pool")}
        return pairs | own, self.name_list

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray], name_list: list[str]) -> "AttributeIndex":
        """Load the index of `arrays()`; memory-mapped arrays stay mapped."""
        pairs = {name.removeprefix("pairs."): array for name, array in arrays.items() if name.startswith("pairs.")}
        own = {name: arrays[name] for name in ("pair_name", "starts", "lengths", "pool")}
        return cls(StringTable.from_arrays(pairs), name_list=list(name_list), **own)
