"""The scored words of recent queries, because a few queries make up most searches."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import ScoredQuery, TextIndex
from recommendations.serving.search.personalization import Scores

MAX_QUERIES = 5_000
MAX_DOCUMENTS = 2_000_000  # of all queries together; 16 bytes each
MAX_INDEXES = 16  # of the products that different rules and filters show; a byte per product each

type QueryKey = tuple[
    str | bool | int, ...
]  # the words, the base language of the synonyms, whether words may be misspelled, and the id of the index of the visible products


class ValuesOfRows[T]:
    """Values computed from arrays of rows that are never written to, while these arrays exist; threads share them.

    A search keeps its rows without filters while no product changes, see `ScoredQuery.find_rows`.
    """

    def __init__(self, *, max_values: int = MAX_QUERIES) -> None:
        self.max_values = max_values
        self._kept: dict[tuple[int, Hashable], tuple[weakref.ref[Rows | Flags], T]] = {}

    def get_or_compute[R: Rows | Flags](self, rows: R, compute: Callable[[R], T], *, variant: Hashable = None) -> T:
        """Return the value of an array. variant: what else the value depends on."""
        kept = self._kept.get((id(rows), variant))
        if kept is not None and kept[0]() is rows:  # an id may be reused after its array is gone
            return kept[1]
        if len(self._kept) >= self.max_values:
            self._kept.clear()
        value = compute(rows)
        key = id(rows), variant
        self._kept[key] = weakref.ref(rows, lambda _rows: self._kept.pop(key, None)), value
        return value


class CachedQuery(NamedTuple):
    """A scored query with the popularity that it was scored with; documents: its size when it was last used."""

    popularity: Scores | None
    query: ScoredQuery
    documents: int


class QueryCache:
    """The most recently used queries of one index, its synonyms and its popularity; threads share it."""

    def __init__(self, *, max_queries: int = MAX_QUERIES, max_documents: int = MAX_DOCUMENTS) -> None:
        self.max_queries, self.max_documents = max_queries, max_documents
        self.n_documents = 0
        self._indexes: dict[int, tuple[Flags, TextIndex]] = {}  # by the id of the mask, oldest first
        self._queries: OrderedDict[QueryKey, CachedQuery] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queries)

    def get_or_score(self, key: QueryKey, popularity: Scores | None, score: Callable[[], ScoredQuery]) -> ScoredQuery:
        """Return the query of a key, scored if it is new or if the popularity has changed."""
        cached = self._queries.get(key)
        query = cached.query if cached is not None and cached.popularity is popularity else score()
        # a use may have added documents to a cached query, which its next use counts
        self._keep(key, CachedQuery(popularity, query, query.size))
        return query

    def get_index(self, index: TextIndex, visible: Flags) -> TextIndex:
        """Return the index of the visible documents, the same one for equal masks; masks must never be modified."""
        kept = self._indexes.get(id(visible))
        if kept is not None and kept[0] is visible:
            return kept[1]
        with self._lock:
            # every change of a product replaces the masks, but few changes show or hide products
            equal = (known for mask, known in self._indexes.values() if np.array_equal(mask, visible))
            restricted = next(equal, None) or index.with_only(visible)
            self._indexes.pop(id(visible), None)
            self._indexes[id(visible)] = visible, restricted
            if len(self._indexes) > MAX_INDEXES:
                del self._indexes[next(iter(self._indexes))]
                self._remove_outdated()
        return restricted

    def _remove_outdated(self) -> None:
        """Remove the queries of indexes that are no longer kept."""
        kept = {id(index) for _mask, index in self._indexes.values()}
        for key in [key for key, entry in self._queries.items() if id(entry.query.index) not in kept]:
            self.n_documents -= self._queries.pop(key).documents

    def _keep(self, key: QueryKey, entry: CachedQuery) -> None:
        """Put a query at the end and remove the least recently used ones that are too many."""
        with self._lock:
            before = self._queries.pop(key, None)
            self._queries[key] = entry
            self.n_documents += entry.documents - (before.documents if before is not None else 0)
            while len(self._queries) > self.max_queries or (
                self.n_documents > self.max_documents and len(self._queries) > 1
            ):
                self.n_documents -= self._queries.popitem(last=False)[1].documents
