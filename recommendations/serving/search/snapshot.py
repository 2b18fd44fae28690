"""The search snapshot: everything the searches of one moment read, replaced as a whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags
from recommendations.engine.text_search import Documents, TextIndex
from recommendations.engine.text_search.synonyms import split_into_terms
from recommendations.serving.search.attributes import AttributeIndex
from recommendations.serving.search.product_reader import ProductBatch
from recommendations.serving.search.string_table import StringTable
from recommendations.serving.search.synonym_table import SynonymTable
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.product_index import ProductIndex
from recommendations.training.registry.artifacts import Artifact

MAX_CHANGED_SHARE = 0.1  # share of products changed since the last merge
MIN_CHANGED = 1000
MAX_GROWTH = 4
MAX_CACHED_MASKS = 64  # masks


@dataclass(frozen=True, eq=False)
class ProductTexts:
    """The words of the products, by text rows: the same in every process that has read the same file.

    product_ids: by row; hashes: change when the words of a product change; changed_at: last change of each product as far as known;
    changed_until: the newest of these; measured_products: number of products when mean lengths were measured.
    """

    index: TextIndex
    product_ids: StringTable
    attributes: AttributeIndex
    hashes: npt.NDArray[np.uint64]
    changed_at: npt.NDArray[np.float64]
    changed_until: datetime | None = None
    measured_products: int = 0

    @classmethod
    def empty(cls) -> "ProductTexts":
        index = TextIndex.of(Documents([], {}))
        return cls(index, StringTable.of([]), AttributeIndex.empty(), np.empty(0, np.uint64), np.empty(0))

    def __len__(self) -> int:
        return len(self.product_ids)

    def with_batch(self, read: ProductBatch, *, pause: Callable[[], None] = lambda: None) -> "ProductTexts":
        """Return the texts with a batch of products; unchanged words cost nothing."""
        newest = max(self.changed_until or read.newest, read.newest)
        names, rows = self.product_ids.with_new(read.product_ids)
        hashes, moments = np.zeros(len(names), np.uint64), np.zeros(len(names))
        hashes[: len(self.hashes)], moments[: len(self.changed_at)] = self.hashes, self.changed_at
        moments[rows] = read.changed_at
        new = (rows >= len(self)) | (hashes[rows] != read.hashes)
        if not new.any():
            return replace(self, changed_at=moments, changed_until=newest)
        changed, rows = read.subset(new), rows[new]
        hashes[rows] = changed.hashes
        measured = self.measured_products or len(changed.product_ids)
        if not len(self):
            index = TextIndex.of(changed.documents, pause=pause)
        else:
            index = self.index.with_changes(rows, changed.documents)
        attributes = self.attributes.with_changes(rows, changed.values)
        return ProductTexts(index, names, attributes, hashes, moments, newest, measured)

    def find_known(self, product_ids: Sequence[str], moments: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return which products are known with these change times."""
        rows = self.product_ids.numbers(product_ids)
        known = rows >= 0
        known[known] = self.changed_at[rows[known]] == moments[known]
        return known

    @property
    def needs_merge(self) -> bool:
        """Whether so much changed since the last merge that a new one pays off."""
        return self.index.n_changed > max(MIN_CHANGED, MAX_CHANGED_SHARE * len(self))

    @property
    def needs_rebuild(self) -> bool:
        """Whether there are so many more products that mean lengths must be measured again."""
        return len(self) > MIN_CHANGED and len(self) > MAX_GROWTH * self.measured_products

    def merged(self) -> "ProductTexts":
        """Return the same texts in one segment: faster, smaller, and ready to be shared."""
        names = StringTable.of(self.product_ids.texts()) if self.product_ids.more else self.product_ids
        return replace(self, index=self.index.merged(), product_ids=names, attributes=self.attributes.compacted())

    @property
    def megabytes(self) -> float:
        names = {
            **self.product_ids.arrays(),
            **self.attributes.arrays()[0],
            "hashes": self.hashes,
            "moments": self.changed_at,
        }
        return self.index.megabytes + sum(array.nbytes for array in names.values()) / 1e6

    def artifact(self) -> Artifact:
        """Return the texts as plain arrays and JSON."""
        index, saved = self.index.arrays()
        attributes, name_list = self.attributes.arrays()
        parts = {"index": index, "names": self.product_ids.arrays(), "attributes": attributes}
        arrays = {f"{part}/{name}": array for part, own in parts.items() for name, array in own.items()}
        until = None if self.changed_until is None else self.changed_until.timestamp()
        return Artifact(
            arrays | {"hashes": self.hashes, "moments": self.changed_at},
            {"index": saved, "attribute_names": name_list, "known_until": until, "measured": self.measured_products},
        )

    @classmethod
    def of_artifact(cls, artifact: Artifact) -> "ProductTexts":
        """Load the texts of `artifact()`; memory-mapped arrays stay mapped."""
        saved = artifact.saved
        until = None if saved["known_until"] is None else datetime.fromtimestamp(saved["known_until"], UTC)
        return cls(
            TextIndex.from_arrays(artifact.part("index"), saved["index"]),
            StringTable.from_arrays(artifact.part("names")),
            AttributeIndex.from_arrays(artifact.part("attributes"), saved["attribute_names"]),
            artifact.arrays["hashes"],
            artifact.arrays["moments"],
            until,
            saved["measured"],
        )


@dataclass(frozen=True, eq=False)
class CategoryLevels:
    """The category tree by depth: at[k][code] is the index in paths of the ancestor at depth k, -1 without one.

    named: indexes of the paths whose last name contains a term.
    """

    paths: list[str]
    at: list[npt.NDArray[np.int32]]
    named: Mapping[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, categories: Mapping[str, int]) -> "CategoryLevels":
        split = [(path.split(" > "), code) for path, code in list(categories.items())]
        depth = max((len(parts) for parts, _ in split), default=0)
        places: dict[str, int] = {}
        at = [np.full(len(split) + 1, -1, np.int32) for _ in range(depth)]  # the last entry is for code -1
        for parts, code in split:
            for level in range(len(parts)):
                at[level][code] = places.setdefault(" > ".join(parts[: level + 1]), len(places))
        named: dict[str, list[int]] = {}
        for path, place in places.items():
            for term in dict.fromkeys(split_into_terms(path.rpartition(" > ")[2])):
                named.setdefault(term, []).append(place)
        return cls(list(places), at, named)


@dataclass(frozen=True, eq=False)
class SearchSnapshot:
    """catalog_rows: catalog row of each text row, -1 if unknown; text_rows: the inverse. loaded: the serving state."""

    texts: ProductTexts
    loaded: ServingState
    catalog_rows: npt.NDArray[np.int32]
    text_rows: npt.NDArray[np.int32]
    levels: CategoryLevels
    synonyms: SynonymTable = field(default_factory=SynonymTable)
    _passing: dict[int, tuple[Flags, Flags]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        texts: ProductTexts,
        loaded: ServingState,
        synonyms: SynonymTable,
        *,
        before: "SearchSnapshot | None" = None,
    ) -> "SearchSnapshot":
        """Build the snapshot; mappings of the previous one (`before`) are reused."""
        catalog = loaded.products
        n, ids = len(texts), list(catalog.product_ids)
        levels = before.levels if before is not None else CategoryLevels([], [])
        if (
            before is None
            or before.catalog is not catalog
            or (levels.at[0].size if levels.at else 1) != len(catalog.categories) + 1
        ):
            levels = CategoryLevels.of(catalog.categories)
        same = (
            before is not None and before.catalog is catalog and before.texts.product_ids.base is texts.product_ids.base
        )
        if before is not None and same and len(before.catalog_rows) == n and len(before.text_rows) == len(ids):
            return cls(texts, loaded, before.catalog_rows, before.text_rows, levels, synonyms, before._passing)
        catalog_rows, text_rows = np.full(n, -1, np.int32), np.full(len(ids), -1, np.int32)
        if before is not None and same:
            catalog_rows[: len(before.catalog_rows)], text_rows[: len(before.text_rows)] = (
                before.catalog_rows,
                before.text_rows,
            )
            missing = np.flatnonzero(text_rows < 0)
        else:
            missing = np.arange(len(ids))
        text_rows[missing] = texts.product_ids.numbers([ids[row] for row in missing.tolist()])
        known = missing[text_rows[missing] >= 0]
        catalog_rows[text_rows[known]] = known
        return cls(texts, loaded, catalog_rows, text_rows, levels, synonyms)

    @property
    def catalog(self) -> ProductIndex:
        return self.loaded.products

    def get_passing(self, mask: Flags) -> Flags:
        """Return the text rows that a mask of catalog rows lets through; cached per mask, read-only."""
        kept = self._passing.get(id(mask))
        if kept is None or kept[0] is not mask:
            if len(self._passing) >= MAX_CACHED_MASKS:
                self._passing.clear()
            found = (
                mask[self.catalog_rows] & (self.catalog_rows >= 0)
                if len(mask)
                else np.zeros(len(self.catalog_rows), np.bool_)
            )
            kept = self._passing[id(mask)] = (mask, found)
        return kept[1]

    def get_catalog_rows(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return self.catalog_rows[rows]

    def find_rows(self, product_ids: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the rows of the known products."""
        found = self.texts.product_ids.numbers(product_ids)
        return found[found >= 0]
