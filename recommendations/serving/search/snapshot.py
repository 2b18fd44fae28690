"""Everything that one moment's searches read; made beside the one before and put in its place at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags
from recommendations.engine.text_search import Documents, TextIndex
from recommendations.engine.text_search.synonyms import terms_of
from recommendations.serving.search.attributes import Attributes
from recommendations.serving.search.product_reader import Read
from recommendations.serving.search.string_table import Names
from recommendations.serving.search.synonym_table import SynonymTable
from recommendations.serving.state.loader import Loaded
from recommendations.serving.state.product_index import Catalogue
from recommendations.training.registry.artifacts import Artifact

MOST_CHANGED = 0.1  # of all products: what changed since the whole was put together
LEAST_CHANGED = 1000
OUTGROWN = 4
MOST_KEPT = 64  # masks


@dataclass(frozen=True, eq=False)
class Texts:
    """What the products say, by rows of search's own: the same in every process that has read the same file.

    names: product ids by row; hashes: a number that differs where a product's words do; moments: when each last changed, as far as
    that is known here; known_until: the newest of these; measured: how many products there were when mean lengths were measured.
    """

    index: TextIndex
    names: Names
    attributes: Attributes
    hashes: npt.NDArray[np.uint64]
    moments: npt.NDArray[np.float64]
    known_until: datetime | None = None
    measured: int = 0

    @classmethod
    def empty(cls) -> "Texts":
        index = TextIndex.of(Documents([], {}))
        return cls(index, Names.of([]), Attributes.empty(), np.empty(0, np.uint64), np.empty(0))

    def __len__(self) -> int:
        return len(self.names)

    def with_read(self, read: Read, *, pause: Callable[[], None] = lambda: None) -> "Texts":
        """With what was read of some products; those whose words are as before cost nothing."""
        newest = max(self.known_until or read.newest, read.newest)
        names, rows = self.names.with_new(read.product_ids)
        hashes, moments = np.zeros(len(names), np.uint64), np.zeros(len(names))
        hashes[: len(self.hashes)], moments[: len(self.moments)] = self.hashes, self.moments
        moments[rows] = read.moments
        new = (rows >= len(self)) | (hashes[rows] != read.hashes)
        if not new.any():
            return replace(self, moments=moments, known_until=newest)
        changed, rows = read.subset(new), rows[new]
        hashes[rows] = changed.hashes
        measured = self.measured or len(changed.product_ids)
        if not len(self):
            index = TextIndex.of(changed.documents, pause=pause)
        else:
            index = self.index.with_changes(rows, changed.documents)
        attributes = self.attributes.with_changes(rows, changed.values)
        return Texts(index, names, attributes, hashes, moments, newest, measured)

    def knows(self, product_ids: Sequence[str], moments: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which of the products are known as they were at these moments, their last changes."""
        rows = self.names.numbers(product_ids)
        known = rows >= 0
        known[known] = self.moments[rows[known]] == moments[known]
        return known

    @property
    def much_changed(self) -> bool:
        """Whether so much changed since the whole was put together that this is to be done again."""
        return self.index.changed > max(LEAST_CHANGED, MOST_CHANGED * len(self))

    @property
    def outgrown(self) -> bool:
        """Whether there are so many more products than when mean lengths were measured that these are to be measured anew."""
        return len(self) > LEAST_CHANGED and len(self) > OUTGROWN * self.measured

    def merged(self) -> "Texts":
        """The same, put together: quicker, smaller, and fit to be shared."""
        names = Names.of(self.names.texts()) if self.names.more else self.names
        return replace(self, index=self.index.merged(), names=names, attributes=self.attributes.compacted())

    @property
    def megabytes(self) -> float:
        names = {**self.names.arrays(), **self.attributes.arrays()[0], "hashes": self.hashes, "moments": self.moments}
        return self.index.megabytes + sum(array.nbytes for array in names.values()) / 1e6

    def artifact(self) -> Artifact:
        """As plain arrays and JSON."""
        index, saved = self.index.arrays()
        attributes, name_list = self.attributes.arrays()
        parts = {"index": index, "names": self.names.arrays(), "attributes": attributes}
        arrays = {f"{part}/{name}": array for part, own in parts.items() for name, array in own.items()}
        until = None if self.known_until is None else self.known_until.timestamp()
        return Artifact(
            arrays | {"hashes": self.hashes, "moments": self.moments},
            {"index": saved, "attribute_names": name_list, "known_until": until, "measured": self.measured},
        )

    @classmethod
    def of_artifact(cls, artifact: Artifact) -> "Texts":
        """The texts of `artifact()`; memory-mapped arrays stay so."""
        saved = artifact.saved
        until = None if saved["known_until"] is None else datetime.fromtimestamp(saved["known_until"], UTC)
        return cls(
            TextIndex.from_arrays(artifact.part("index"), saved["index"]),
            Names.from_arrays(artifact.part("names")),
            Attributes.from_arrays(artifact.part("attributes"), saved["attribute_names"]),
            artifact.arrays["hashes"],
            artifact.arrays["moments"],
            until,
            saved["measured"],
        )


@dataclass(frozen=True, eq=False)
class Levels:
    """The category tree by depth: at[k][code] is the place in paths of the ancestor at depth k, -1 where there is none.

    named: the places of the paths whose last name has a term.
    """

    paths: list[str]
    at: list[npt.NDArray[np.int32]]
    named: Mapping[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, categories: Mapping[str, int]) -> "Levels":
        split = [(path.split(" > "), code) for path, code in list(categories.items())]
        depth = max((len(parts) for parts, _ in split), default=0)
        places: dict[str, int] = {}
        at = [np.full(len(split) + 1, -1, np.int32) for _ in range(depth)]  # the last is what code -1 finds
        for parts, code in split:
            for level in range(len(parts)):
                at[level][code] = places.setdefault(" > ".join(parts[: level + 1]), len(places))
        named: dict[str, list[int]] = {}
        for path, place in places.items():
            for term in dict.fromkeys(terms_of(path.rpartition(" > ")[2])):
                named.setdefault(term, []).append(place)
        return cls(list(places), at, named)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """there: the row in the catalogue of each row of texts, -1 for a product that it does not know; here: the other way round.

    loaded: what serves beside the catalogue.
    """

    texts: Texts
    loaded: Loaded
    there: npt.NDArray[np.int32]
    here: npt.NDArray[np.int32]
    levels: Levels
    synonyms: SynonymTable = field(default_factory=SynonymTable)
    _passing: dict[int, tuple[Flags, Flags]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, texts: Texts, loaded: Loaded, synonyms: SynonymTable, *, before: "Snapshot | None" = None
    ) -> "Snapshot":
        """before: the one to be replaced; what it has is not looked up again."""
        shelf = loaded.catalogue
        n, ids = len(texts), list(shelf.product_ids)
        levels = before.levels if before is not None else Levels([], [])
        if (
            before is None
            or before.shelf is not shelf
            or (levels.at[0].size if levels.at else 1) != len(shelf.categories) + 1
        ):
            levels = Levels.of(shelf.categories)
        same = before is not None and before.shelf is shelf and before.texts.names.base is texts.names.base
        if before is not None and same and len(before.there) == n and len(before.here) == len(ids):
            return cls(texts, loaded, before.there, before.here, levels, synonyms, before._passing)
        there, here = np.full(n, -1, np.int32), np.full(len(ids), -1, np.int32)
        if before is not None and same:
            there[: len(before.there)], here[: len(before.here)] = before.there, before.here
            missing = np.flatnonzero(here < 0)
        else:
            missing = np.arange(len(ids))
        here[missing] = texts.names.numbers([ids[row] for row in missing.tolist()])
        known = missing[here[missing] >= 0]
        there[here[known]] = known
        return cls(texts, loaded, there, here, levels, synonyms)

    @property
    def shelf(self) -> Catalogue:
        return self.loaded.catalogue

    def passing(self, mask: Flags) -> Flags:
        """Which rows of texts a mask of the catalogue's rows lets through; kept with the mask, and not to be written to."""
        kept = self._passing.get(id(mask))
        if kept is None or kept[0] is not mask:
            if len(self._passing) >= MOST_KEPT:
                self._passing.clear()
            found = mask[self.there] & (self.there >= 0) if len(mask) else np.zeros(len(self.there), np.bool_)
            kept = self._passing[id(mask)] = (mask, found)
        return kept[1]

    def shelf_rows(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return self.there[rows]

    def rows_of(self, product_ids: Sequence[str]) -> npt.NDArray[np.int32]:
        """Rows of the products that are known."""
        found = self.texts.names.numbers(product_ids)
        return found[found >= 0]
