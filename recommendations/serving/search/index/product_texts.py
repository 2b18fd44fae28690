"""The words of all products as arrays, equal in every process that has read the same file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from recommendations.engine.text_search import Documents, TextIndex
from recommendations.engine.text_search.tokens import TERMS_VERSION
from recommendations.serving.search.index.attributes import AttributeIndex
from recommendations.serving.search.index.product_reader import ProductBatch
from recommendations.serving.search.index.string_table import StringTable
from recommendations.training.registry.artifacts import Artifact

MAX_CHANGED_SHARE = 0.1  # share of products changed since the last merge
MIN_CHANGED = 1000
MAX_GROWTH = 4


@dataclass(frozen=True, eq=False)
class ProductTexts:
    """The words of the products by text rows.

    Immutable: a change returns a new object, which shares unchanged arrays.

    product_ids: by row. hashes: change when the words of a product change. changed_at: last change of each product as far as
    known; changed_until: the latest of these times. measured_products: number of products when mean lengths were measured.
    """

    index: TextIndex
    product_ids: StringTable
    attributes: AttributeIndex
    hashes: npt.NDArray[np.uint64]
    changed_at: npt.NDArray[np.float64]
    changed_until: datetime | None = None
    measured_products: int = 0

    @classmethod
    def create_empty(cls) -> "ProductTexts":
        """Return the texts of a catalog without products."""
        index = TextIndex.of(Documents([], {}))
        ids, attributes = StringTable.from_texts([]), AttributeIndex.create_empty()
        return cls(index, ids, attributes, np.empty(0, np.uint64), np.empty(0))

    def __len__(self) -> int:
        return len(self.product_ids)

    def with_batch(self, batch: ProductBatch, *, pause: Callable[[], None] = lambda: None) -> "ProductTexts":
        """Return the texts with a batch of products added; unchanged words take no work.

        pause: called after every few milliseconds of work.
        """
        newest = max(self.changed_until or batch.newest, batch.newest)
        product_ids, rows = self.product_ids.with_new(batch.product_ids)
        pause()
        hashes, changed_at = np.zeros(len(product_ids), np.uint64), np.zeros(len(product_ids))
        hashes[: len(self.hashes)], changed_at[: len(self.changed_at)] = self.hashes, self.changed_at
        changed_at[rows] = batch.changed_at
        # a new price or stock changes a product but not its words
        has_new_words = (rows >= len(self)) | (hashes[rows] != batch.hashes)
        if not has_new_words.any():
            return replace(self, changed_at=changed_at, changed_until=newest)
        changed, rows = batch.select(has_new_words), rows[has_new_words]
        hashes[rows] = changed.hashes
        measured = self.measured_products or len(changed.product_ids)
        if not len(self):
            index = TextIndex.of(changed.documents, pause=pause)
        else:
            index = self.index.with_changes(rows, changed.documents, pause=pause)
        attributes = self.attributes.with_changes(rows, changed.values)
        return ProductTexts(index, product_ids, attributes, hashes, changed_at, newest, measured)

    def find_known(self, product_ids: Sequence[str], changed_at: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return which products are known with these change times."""
        rows = self.product_ids.find_numbers(product_ids)
        is_known = rows >= 0
        is_known[is_known] = self.changed_at[rows[is_known]] == changed_at[is_known]
        return is_known

    def count_new_words(self, batch: ProductBatch) -> int:
        """Return how many products of a batch are new or have other words."""
        rows = self.product_ids.find_numbers(batch.product_ids)
        is_known = rows >= 0
        return len(rows) - int((self.hashes[rows[is_known]] == batch.hashes[is_known]).sum())

    @property
    def needs_merge(self) -> bool:
        """Whether so much changed since the last merge that a new one pays off."""
        return self.index.n_changed > self.max_changed

    @property
    def max_changed(self) -> int:
        """How many products may have changed since the last merge."""
        return max(MIN_CHANGED, int(MAX_CHANGED_SHARE * len(self)))

    @property
    def needs_rebuild(self) -> bool:
        """Whether there are so many more products that mean lengths must be measured again."""
        return len(self) > MIN_CHANGED and len(self) > MAX_GROWTH * self.measured_products

    def merge(self) -> "ProductTexts":
        """Return the same texts in one segment: faster, smaller, and ready to be shared."""
        return replace(
            self,
            index=self.index.merge_segments(),
            product_ids=self.product_ids.compact(),
            attributes=self.attributes.compact(),
        )

    @property
    def megabytes(self) -> float:
        """Size of all arrays."""
        arrays = {
            **self.product_ids.to_arrays(),
            **self.attributes.to_arrays()[0],
            "hashes": self.hashes,
            "moments": self.changed_at,
        }
        return self.index.megabytes + sum(array.nbytes for array in arrays.values()) / 1e6

    def to_artifact(self) -> Artifact:
        """Return the texts as plain arrays and JSON."""
        index, saved = self.index.to_arrays()
        attributes, attribute_names = self.attributes.to_arrays()
        parts = {"index": index, "names": self.product_ids.to_arrays(), "attributes": attributes}
        arrays = {f"{part}/{name}": array for part, part_arrays in parts.items() for name, array in part_arrays.items()}
        until = None if self.changed_until is None else self.changed_until.timestamp()
        return Artifact(
            arrays | {"hashes": self.hashes, "moments": self.changed_at},
            {
                "index": saved,
                "attribute_names": attribute_names,
                "known_until": until,
                "measured": self.measured_products,
                "terms_version": TERMS_VERSION,
            },
        )

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> "ProductTexts":
        """Load the texts of `to_artifact()`; memory-mapped arrays stay mapped."""
        saved = artifact.saved
        until = None if saved["known_until"] is None else datetime.fromtimestamp(saved["known_until"], UTC)
        return cls(
            TextIndex.from_arrays(artifact.get_part("index"), saved["index"]),
            StringTable.from_arrays(artifact.get_part("names")),
            AttributeIndex.from_arrays(artifact.get_part("attributes"), saved["attribute_names"]),
            artifact.arrays["hashes"],
            artifact.arrays["moments"],
            until,
            saved["measured"],
        )
