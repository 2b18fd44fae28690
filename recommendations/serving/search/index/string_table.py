"""Strings with stable numbers, most of them in arrays that workers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommendations.engine import IdMap


@dataclass(frozen=True, eq=False)
class StringTable:
    """Strings with numbers. Immutable.

    base: strings in arrays. base_rows: row in ``base`` of each number, number_by_row: the inverse.

    more: later strings, whose numbers continue after those of base.
    """

    base: IdMap
    base_rows: npt.NDArray[np.int32]
    number_by_row: npt.NDArray[np.int32]
    more: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> "StringTable":
        """Number distinct strings in their order."""
        base, base_rows = IdMap.number_ids(texts)
        number_by_row = np.empty(len(base_rows), np.int32)
        number_by_row[base_rows] = np.arange(len(base_rows), dtype=np.int32)
        return cls(base, base_rows, number_by_row)

    def __len__(self) -> int:
        return len(self.base) + len(self.more)

    def find_numbers(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the numbers of the strings, -1 if unknown."""
        rows = self.base.get_rows(texts)
        numbers = np.full(len(texts), -1, np.int32)
        numbers[rows >= 0] = self.number_by_row[rows[rows >= 0]]
        if self.more:
            for position in np.flatnonzero(rows < 0).tolist():
                numbers[position] = self.more.get(texts[position], -1)
        return numbers

    def find_number(self, text: str) -> int:
        """Return the number of a string, -1 if unknown."""
        return int(self.find_numbers([text])[0])

    def get_text(self, number: int) -> str:
        """Return the string of a number."""
        if number < len(self.base):
            return self.base.get_id(int(self.base_rows[number]))
        return list(self.more)[number - len(self.base)]

    def list_texts(self) -> list[str]:
        """Return all strings by number."""
        return [*self.base.get_ids(self.base_rows.tolist()), *self.more]

    def with_new(self, texts: Sequence[str]) -> "tuple[StringTable, npt.NDArray[np.int32]]":
        """Return the table with the new strings, and the numbers of all of them."""
        numbers = self.find_numbers(texts)
        if (numbers >= 0).all():
            return self, numbers
        more = dict(self.more)
        for position in np.flatnonzero(numbers < 0).tolist():
            numbers[position] = more.setdefault(texts[position], len(self.base) + len(more))
        return StringTable(self.base, self.base_rows, self.number_by_row, more), numbers

    def to_arrays(self) -> dict[str, npt.NDArray]:
        """Return the table as arrays."""
        table = self.compact()
        return {"places": table.base_rows, "numbers_at": table.number_by_row} | {
            f"base.{name}": array for name, array in table.base.to_arrays().items()
        }

    def compact(self) -> "StringTable":
        """Return the same table with all strings in arrays."""
        return StringTable.from_texts(self.list_texts()) if self.more else self

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray]) -> "StringTable":
        """Load the table of `to_arrays()`; memory-mapped arrays stay mapped."""
        base = IdMap.from_arrays({name: arrays[f"base.{name}"] for name in IdMap.PARTS})
        return cls(base, arrays["places"], arrays["numbers_at"])
