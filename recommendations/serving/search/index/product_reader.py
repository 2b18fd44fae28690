"""Reads the words, attributes and change times of products from the database."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.db.models import QuerySet

from catalog.fingerprint import RecentChanges, summarize_changes
from catalog.models import Product
from config.foundation.array_types import Flags
from recommendations.engine.data.text_kernels import hash_texts
from recommendations.engine.text_search import Documents
from recommendations.engine.text_search.heads import find_title_heads
from recommendations.training.data.product_texts import iterate_attribute_values

BATCH_SIZE = 20_000
CHUNK = 2_000
ROWS_PER_PAUSE = 250  # about 5 ms of work
MAX_ATTRIBUTES = 50  # per product
COLUMNS = (
    "product_id", "sku", "title", "brand", "category__path", "tags", "attributes", "description", "updated_at",
    "is_draft",
)  # fmt: skip
COMMIT_MARGIN = timedelta(minutes=1)  # a transaction may commit after another one that began later


type Moments = npt.NDArray[np.float64]


class ProductRow(NamedTuple):
    """A product as the database returns it, in the order of COLUMNS."""

    product_id: str
    sku: str
    title: str
    brand: str
    category: str | None
    tags: list[str]
    attributes: object
    description: str
    updated_at: datetime
    is_draft: bool

    def hide_draft(self) -> "ProductRow":
        """Return the row without its texts if it is a draft, so that no visitor reads the words of an event."""
        if not self.is_draft:
            return self
        return self._replace(sku="", title="", brand="", category=None, tags=[], attributes={}, description="")


@dataclass(frozen=True)
class ProductBatch:
    """Products as columns.

    values: attributes as name=value. hashes: of the words. changed_at: in seconds since 1970.
    """

    product_ids: list[str]
    documents: Documents
    values: list[list[str]]
    hashes: npt.NDArray[np.uint64]
    changed_at: Moments
    newest: datetime

    def select(self, mask: Flags) -> "ProductBatch":
        """Return the products of a mask."""

        def select_values[T](column: Sequence[T]) -> list[T]:
            return [value for value, is_selected in zip(column, mask.tolist(), strict=True) if is_selected]

        texts = {name: select_values(column) for name, column in self.documents.texts.items()}
        return ProductBatch(
            select_values(self.product_ids),
            Documents(select_values(self.documents.keys), texts),
            select_values(self.values),
            self.hashes[mask],
            self.changed_at[mask],
            self.newest,
        )

    @classmethod
    def join(cls, batches: Sequence["ProductBatch"]) -> "ProductBatch":
        """Return the products of several batches, at least one, as one."""
        return cls(
            [product_id for batch in batches for product_id in batch.product_ids],
            Documents(
                [keys for batch in batches for keys in batch.documents.keys],
                {
                    name: [text for batch in batches for text in batch.documents.texts[name]]
                    for name in batches[0].documents.texts
                },
            ),
            [values for batch in batches for values in batch.values],
            np.concatenate([batch.hashes for batch in batches]),
            np.concatenate([batch.changed_at for batch in batches]),
            max(batch.newest for batch in batches),
        )


def read_products(*, pause: Callable[[], None] = lambda: None) -> Iterator[ProductBatch]:
    """Yield all products in batches, ordered by database id. pause: called after every few milliseconds of work."""
    yield from read_batches(Product.objects.order_by("id"), pause=pause)


def read_changes(
    *,
    since: datetime | None,
    known: Callable[[Sequence[str], Moments], Flags],
    pause: Callable[[], None] = lambda: None,
) -> Iterator[ProductBatch]:
    """Yield products that changed since one minute before ``since`` and are not known yet.

    known: returns which products are known, by id and change time. Ids are compared first, because an import may have changed
    a hundred thousand products within that minute. pause: called after every few milliseconds of work.
    """
    for ids in batched(find_changed_ids(since=since, known=known, pause=pause), BATCH_SIZE):
        yield from read_batches(Product.objects.filter(id__in=ids).order_by("id"), pause=pause)


def find_changed_ids(
    *, since: datetime | None, known: Callable[[Sequence[str], Moments], Flags], pause: Callable[[], None]
) -> Iterator[int]:
    """Yield the database ids of the products of `read_changes`."""
    changed = Product.objects.filter(updated_at__gt=get_reading_start(since)).order_by("id")
    for rows in batched(changed.values_list("id", "product_id", "updated_at").iterator(chunk_size=CHUNK), CHUNK):
        is_new = ~known([row[1] for row in rows], np.array([row[2].timestamp() for row in rows]))
        yield from [row[0] for row, new in zip(rows, is_new.tolist(), strict=True) if new]
        pause()


def read_batches(products: QuerySet[Product], *, pause: Callable[[], None] = lambda: None) -> Iterator[ProductBatch]:
    """Yield products in batches, without loading all of them."""
    rows = map(ProductRow._make, products.values_list(*COLUMNS).iterator(chunk_size=CHUNK))
    for batch_rows in batched(rows, BATCH_SIZE):
        parts = []
        for some in batched(batch_rows, ROWS_PER_PAUSE):
            parts.append(build_batch(some))
            pause()
        yield ProductBatch.join(parts)


def build_batch(rows: Sequence[ProductRow]) -> ProductBatch:
    """Return rows of the database as columns."""
    rows = [row.hide_draft() for row in rows]
    values = [list(dict.fromkeys(iterate_attribute_values(row.attributes)))[:MAX_ATTRIBUTES] for row in rows]
    texts = {
        "title": [row.title for row in rows],
        "head": [find_title_heads(row.title) for row in rows],
        "brand": [row.brand for row in rows],
        "category": [row.category or "" for row in rows],
        "tags": [" , ".join(row.tags) for row in rows],
        "attributes": [" , ".join(map(get_searchable_words, pairs)) for pairs in values],
        "description": [row.description for row in rows],
    }
    keys = [[row.product_id, row.sku] if row.sku else [row.product_id] for row in rows]
    # control characters separate the parts, so that a word moved from one field to another changes the hash
    texts_to_hash = [
        "\x1f".join(("\x1e".join(pairs), *words)) for pairs, *words in zip(values, *texts.values(), strict=True)
    ]
    texts_to_hash = [f"{text}\x1f{row.sku}" for text, row in zip(texts_to_hash, rows, strict=True)]
    return ProductBatch(
        [row.product_id for row in rows],
        Documents(keys, texts),
        values,
        compute_text_hashes(texts_to_hash),
        np.array([row.updated_at.timestamp() for row in rows]),
        max(row.updated_at for row in rows),
    )


def get_searchable_words(pair: str) -> str:
    """Return the words for an attribute: the value of color=blue, the name of waterproof=true."""
    name, _, value = pair.partition("=")
    if value == "true":
        return name
    return "" if value == "false" else value


def compute_text_hashes(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return one hash per text, computed over a single buffer."""
    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return hash_texts(np.frombuffer(b"".join(encoded), np.uint8), offsets)


def read_recent_changes(since: datetime | None) -> RecentChanges:
    """Return a summary of the changes since one minute before ``since``, which every change alters."""
    return summarize_changes(get_reading_start(since))


def get_reading_start(since: datetime | None) -> datetime:
    """Return the moment from which to read changes; for an empty index, one before all products."""
    return (since or datetime(1970, 1, 2, tzinfo=UTC)) - COMMIT_MARGIN
