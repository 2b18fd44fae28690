"""Texts with numbers that never change: most of them in arrays that workers share, those that came since in a dictionary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recommendations.engine import IdMap


@dataclass(frozen=True, eq=False)
class Names:
    """places: the row in ``base`` of each number, numbers_at the other way round; ``more`` goes on where base ends."""

    base: IdMap
    places: npt.NDArray[np.int32]
    numbers_at: npt.NDArray[np.int32]
    more: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Names":
        """Different texts, numbered in their order."""
        base, places = IdMap.numbered(texts)
        numbers_at = np.empty(len(places), np.int32)
        numbers_at[places] = np.arange(len(places), dtype=np.int32)
        return cls(base, places, numbers_at)

    def __len__(self) -> int:
        return len(self.base) + len(self.more)

    def numbers(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """-1 for what is not known."""
        rows = self.base.rows(texts)
        found = np.full(len(texts), -1, np.int32)
        found[rows >= 0] = self.numbers_at[rows[rows >= 0]]
        if self.more:
            for place in np.flatnonzero(rows < 0).tolist():
                found[place] = self.more.get(texts[place], -1)
        return found

    def number(self, text: str) -> int:
        return int(self.numbers([text])[0])

    def text(self, number: int) -> str:
        if number < len(self.base):
            return self.base.id(int(self.places[number]))
        return list(self.more)[number - len(self.base)]

    def texts(self) -> list[str]:
        return [*self.base.ids(self.places.tolist()), *self.more]

    def with_new(self, texts: Sequence[str]) -> "tuple[Names, npt.NDArray[np.int32]]":
        """With those of the texts that are new, and the numbers of all of them."""
        found = self.numbers(texts)
        if (found >= 0).all():
            return self, found
        more = dict(self.more)
        for place in np.flatnonzero(found < 0).tolist():
            found[place] = more.setdefault(texts[place], len(self.base) + len(more))
        return Names(self.base, self.places, self.numbers_at, more), found

    def arrays(self) -> dict[str, npt.NDArray]:
        """Everything needed to have the same names again."""
        whole = self if not self.more else Names.of(self.texts())
        return {"places": whole.places, "numbers_at": whole.numbers_at} | {
            f"base.{name}": array for name, array in whole.base.arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray]) -> "Names":
        """The names of `arrays()`; memory-mapped arrays stay so."""
        base = IdMap.from_arrays({name: arrays[f"base.{name}"] for name in IdMap.PARTS})
        return cls(base, arrays["places"], arrays["numbers_at"])
