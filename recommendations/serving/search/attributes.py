"""Attributes of the products as codes: which rows have a value, and how many of some rows have each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.text_search import kernels
from recommendations.engine.text_search.vocabulary import frozen
from recommendations.serving.search.string_table import Names

MOST_NAMES, MOST_VALUES = 12, 20  # in an answer


@dataclass(frozen=True, eq=False)
class Attributes:
    """Row r has the values pool[starts[r]…starts[r] + lengths[r]]: numbers of ``pairs``, which are name=value.

    names: the number of each pair's name in name_list. Never changed once made.
    """

    pairs: Names
    pair_name: npt.NDArray[np.int32]
    name_list: list[str]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int32]
    pool: npt.NDArray[np.int32]

    @classmethod
    def empty(cls) -> "Attributes":
        none = np.empty(0, np.int32)
        return cls(Names.of([]), none, [], np.empty(0, np.int64), none, none)

    def with_changes(self, rows: Rows, values: Sequence[Sequence[str]]) -> "Attributes":
        """With these values at these rows. What stood there before stays in the pool until `compacted`."""
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
        return Attributes(
            pairs,
            np.concatenate([self.pair_name, np.array(new, np.int32)]),
            list(names),
            starts,
            lengths,
            np.concatenate([self.pool, codes]),
        )

    def compacted(self) -> "Attributes":
        """The same without what no row has any more in the pool, and with all pairs in arrays."""
        inside = np.arange(int(self.lengths.sum())) - np.repeat(np.cumsum(self.lengths) - self.lengths, self.lengths)
        pool = self.pool[np.repeat(self.starts, self.lengths) + inside]
        pairs = Names.of(self.pairs.texts()) if self.pairs.more else self.pairs
        starts = (np.cumsum(self.lengths) - self.lengths).astype(np.int64)
        return Attributes(pairs, self.pair_name, self.name_list, starts, self.lengths, pool)

    @property
    def held(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return frozen(self.starts), frozen(self.lengths), frozen(self.pool)

    def having(self, name: str, value: str, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows have the value."""
        code = self.pairs.number(f"{name}={value}")
        out = np.zeros(len(rows), np.bool_)
        if code >= 0:
            kernels.having_code(frozen(rows), *self.held, code, out)
        return out

    def counts(self, rows: Rows) -> dict[str, list[tuple[str, int]]]:
        """How many of the rows have each value: names that most rows have first, likewise their values."""
        counts = np.zeros(len(self.pair_name), np.int64)
        kernels.count_codes(frozen(rows), *self.held, counts)
        met = np.flatnonzero(counts)
        by_name = np.bincount(self.pair_name[met], weights=counts[met], minlength=len(self.name_list))
        found = {}
        for name in np.argsort(-by_name, kind="stable")[:MOST_NAMES].tolist():
            if by_name[name] > 0:
                codes = met[self.pair_name[met] == name]
                codes = codes[np.argsort(-counts[codes], kind="stable")[:MOST_VALUES]]
                text = self.name_list[name]
                found[text] = [(self.pairs.text(code)[len(text) + 1 :], int(counts[code])) for code in codes.tolist()]
        return found

    def arrays(self) -> tuple[dict[str, npt.NDArray], list[str]]:
        """Everything needed to have the same attributes again: arrays by name, and the names."""
        pairs = {f"pairs.{name}": array for name, array in self.pairs.arrays().items()}
        own = {name: getattr(self, name) for name in ("pair_name", "starts", "lengths", "pool")}
        return pairs | own, self.name_list

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray], name_list: list[str]) -> "Attributes":
        """The attributes of `arrays()`; memory-mapped arrays stay so."""
        pairs = {name.removeprefix("pairs."): array for name, array in arrays.items() if name.startswith("pairs.")}
        own = {name: arrays[name] for name in ("pair_name", "starts", "lengths", "pool")}
        return cls(Names.from_arrays(pairs), name_list=list(name_list), **own)
