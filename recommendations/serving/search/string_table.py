"""Strings with stable numbers: most of them in arrays shared by workers, later ones in a dictionary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommendations.engine import IdMap


@dataclass(frozen=True, eq=False)
class StringTable:
    """places: row in ``base`` of each number, numbers_at: the inverse; ``more`` continues after base."""

    base: IdMap
    places: npt.NDArray[np.int32]
    numbers_at: npt.NDArray[np.int32]
    more: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "StringTable":
        """Number distinct strings in their order."""
        base, places = IdMap.numbered(texts)
        numbers_at = np.empty(len(places), np.int32)
        numbers_at[places] = np.arange(len(places), dtype=np.int32)
        return cls(base, places, numbers_at)

    def __len__(self) -> int:
        return len(self.base) + len(self.more)

    def numbers(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the numbers of the strings, -1 if unknown."""
        rows = self.base.rows(texts)
        numbers = np.full(len(texts), -1, np.int32)
        numbers[rows >= 0] = self.numbers_at[rows[rows >= 0]]
        if self.more:
            for place in np.flatnonzero(rows < 0).tolist():
                numbers[place] = self.more.get(texts[place], -1)
        return numbers

    def number(self, text: str) -> int:
        return int(self.numbers([text])[0])

    def text(self, number: int) -> str:
        if number < len(self.base):
            return self.base.id(int(self.places[number]))
        return list(self.more)[number - len(self.base)]

    def texts(self) -> list[str]:
        return [*self.base.ids(self.places.tolist()), *self.more]

    def with_new(self, texts: Sequence[str]) -> "tuple[StringTable, npt.NDArray[np.int32]]":
        """Return the table with the new strings, and the numbers of all of them."""
        numbers = self.numbers(texts)
        if (numbers >= 0).all():
            return self, numbers
        more = dict(self.more)
        for place in np.flatnonzero(numbers < 0).tolist():
            numbers[place] = more.setdefault(texts[place], len(self.base) + len(more))
        return StringTable(self.base, self.places, self.numbers_at, more), numbers

    def arrays(self) -> dict[str, npt.NDArray]:
        """Return the table as arrays."""
        whole = self if not self.more else StringTable.of(self.texts())
        return {"places": whole.places, "numbers_at": whole.numbers_at} | {
            f"base.{name}": array for name, array in whole.base.arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray]) -> "StringTable":
        """Load the table of `arrays()`; memory-mapped arrays stay mapped."""
        base = IdMap.from_arrays({name: arrays[f"base.{name}"] for name in IdMap.PARTS})
        return cls(base, arrays["places"], arrays["numbers_at"])
