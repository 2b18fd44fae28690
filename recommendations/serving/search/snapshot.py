"""The search snapshot: everything that searches read at one moment, replaced as a whole."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import is_
from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Rows
from recommendations.engine.text_search import ScoredQuery, TextIndex
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.serving.search.index.category_levels import CategoryLevels
from recommendations.serving.search.index.product_texts import ProductTexts
from recommendations.serving.search.order.weights import DEFAULT_ORDER, OrderWeights
from recommendations.serving.search.personalization import Scores
from recommendations.serving.search.queries.shop_queries import ShopQueries
from recommendations.serving.search.query_cache import QueryCache, ValuesOfRows
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.synonym_table import SynonymTable, get_base_language
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.product_index import ProductIndex

MAX_CACHED_MASKS = 64
ROWS_PER_PAUSE = 5_000
NO_QUERIES = ShopQueries()


@dataclass(frozen=True, eq=False)
class SearchSnapshot:
    """The texts, catalog, synonyms, queries and weights that the searches of one moment share.

    Texts and catalog number products differently. catalog_rows: catalog row of each text row, -1 if unknown; text_rows: the
    inverse.
    """

    texts: ProductTexts
    state: ServingState
    catalog_rows: npt.NDArray[np.int32]
    text_rows: npt.NDArray[np.int32]
    levels: CategoryLevels
    synonyms: SynonymTable = field(default_factory=SynonymTable)
    brands: Sequence[str] = ()  # by code
    shop_queries: ShopQueries = field(default_factory=ShopQueries)
    order: OrderWeights = DEFAULT_ORDER
    queries: QueryCache = field(default_factory=QueryCache)
    _passing: dict[int, tuple[Flags, Flags]] = field(default_factory=dict)
    _intersections: dict[tuple[int, ...], tuple[Sequence[Flags], Flags]] = field(default_factory=dict)
    price_ranges: ValuesOfRows[Any] = field(default_factory=ValuesOfRows)
    facets: ValuesOfRows[Any] = field(default_factory=ValuesOfRows)
    visible_categories: ValuesOfRows[Flags] = field(default_factory=ValuesOfRows)

    @classmethod
    def build(
        cls,
        texts: ProductTexts,
        state: ServingState,
        synonyms: SynonymTable,
        *,
        before: "SearchSnapshot | None" = None,
        shop_queries: ShopQueries = NO_QUERIES,
        order: OrderWeights = DEFAULT_ORDER,
        pause: Callable[[], None] = lambda: None,
    ) -> "SearchSnapshot":
        """Build the snapshot; mappings of the previous one (`before`) are reused. pause: called after every few milliseconds of work."""
        catalog = state.products
        n, ids = len(texts), list(catalog.product_ids)
        levels = before.levels if before is not None else CategoryLevels([], [])
        if (
            before is None
            or before.catalog is not catalog
            or (levels.at[0].size if levels.at else 1) != len(catalog.categories) + 1
        ):
            levels = CategoryLevels.build(catalog.categories)
        has_all_brands = before is not None and before.catalog is catalog and len(before.brands) == len(catalog.brands)
        brands = before.brands if before is not None and has_all_brands else list(catalog.brands)
        same = (
            before is not None and before.catalog is catalog and before.texts.product_ids.base is texts.product_ids.base
        )
        if before is not None and same and len(before.catalog_rows) == n and len(before.text_rows) == len(ids):
            has_same_words = (
                before.texts.index is texts.index
                and before.synonyms is synonyms
                and before.shop_queries is shop_queries
            )
            queries = before.queries if has_same_words else QueryCache()
            rows = before.catalog_rows, before.text_rows
            base = cls(texts, state, *rows, levels, synonyms, brands, shop_queries, order, queries)
            has_same_names = has_same_words and before.levels is levels and before.brands is brands
            return replace(
                base,
                _passing=before._passing,
                _intersections=before._intersections,
                price_ranges=before.price_ranges,
                visible_categories=before.visible_categories if before.levels is levels else ValuesOfRows(),
                facets=before.facets if has_same_names and before.texts is texts else ValuesOfRows(),
            )
        catalog_rows, text_rows = np.full(n, -1, np.int32), np.full(len(ids), -1, np.int32)
        if before is not None and same:
            catalog_rows[: len(before.catalog_rows)], text_rows[: len(before.text_rows)] = (
                before.catalog_rows,
                before.text_rows,
            )
            missing = np.flatnonzero(text_rows < 0)
        else:
            missing = np.arange(len(ids))
        for start in range(0, len(missing), ROWS_PER_PAUSE):
            some = missing[start : start + ROWS_PER_PAUSE]
            text_rows[some] = texts.product_ids.find_numbers([ids[row] for row in some.tolist()])
            pause()
        known = missing[text_rows[missing] >= 0]
        catalog_rows[text_rows[known]] = known
        return cls(texts, state, catalog_rows, text_rows, levels, synonyms, brands, shop_queries, order)

    @property
    def catalog(self) -> ProductIndex:
        """The products that can be shown."""
        return self.state.products

    def score_query(
        self, text: str, language: str, popularity: Scores | None, *, visible: Flags, autocorrect: bool = True
    ) -> ScoredQuery:
        """Return the scores of the words of a text among the visible rows; popularity: chooses between corrections.

        The words of other products are unknown words: they neither become corrections nor keep a misspelling from being corrected.
        """
        index = self.get_index(visible)

        def score() -> ScoredQuery:
            synonyms = self.synonyms.get_for_language(language)
            return index.score(
                text,
                synonyms=synonyms,
                weights=weights if popularity is not None else None,
                count_people=self.shop_queries.count_people if len(self.shop_queries) else None,
                corrects=autocorrect,
            )

        all_catalog_rows = self.catalog_rows

        # not with `self`: cached queries keep this function, and a cycle is never freed once it is excluded from garbage collections
        def weights(rows: Rows) -> npt.NDArray[np.floating]:
            assert popularity is not None
            catalog_rows = all_catalog_rows[rows]
            return popularity(catalog_rows) * (catalog_rows >= 0)

        key = text, get_base_language(language), autocorrect, id(index)
        return self.queries.get_or_score(key, popularity, score)

    def get_index(self, visible: Flags) -> TextIndex:
        """Return the index of the visible rows; the array must never be modified."""
        return self.queries.get_index(self.texts.index, visible)

    def find_visible_categories(self, visible: Flags) -> Flags:
        """Return which paths of the levels have a visible row in them or below; the array `visible` must never be modified."""

        def find_categories(rows: Flags) -> Flags:
            codes = np.flatnonzero(np.bincount(self.catalog.category[self.catalog_rows[rows]] + 1)) - 1
            has_rows = np.zeros(
                len(self.levels.paths) + 1, np.bool_
            )  # the last entry is for codes without a category at a level
            for paths in self.levels.at:
                has_rows[paths[codes[codes < len(paths) - 1]]] = True
            return has_rows[:-1]

        return self.visible_categories.get_or_compute(visible, find_categories)

    def get_groups(self, request: SearchRequest) -> ProductGroups | None:
        """Return the product groups of which a page shows one product; None without any, or if the request is not distinct."""
        return self.state.groups if request.distinct and self.state.groups.has_groups else None

    def count_products(self, rows: Rows, request: SearchRequest) -> int:
        """Return the number of text rows, or of their groups if the request is distinct."""
        groups = self.get_groups(request)
        return len(rows) if groups is None else len(np.unique(groups.codes[self.catalog_rows[rows]]))

    def get_passing(self, mask: Flags) -> Flags:
        """Return the text rows that a mask of catalog rows lets through; cached per mask, read-only."""
        cached = self._passing.get(id(mask))
        # an id may be reused after its array is gone, hence the comparison of the arrays themselves
        if cached is None or cached[0] is not mask:
            if len(self._passing) >= MAX_CACHED_MASKS:
                self._passing.clear()
            passing = (
                mask[self.catalog_rows] & (self.catalog_rows >= 0)
                if len(mask)
                else np.zeros(len(self.catalog_rows), np.bool_)
            )
            cached = self._passing[id(mask)] = (mask, passing)
        return cached[1]

    def intersect(self, masks: Sequence[Flags]) -> Flags:
        """Return the rows that all masks of text rows contain; cached per masks, read-only."""
        if len(masks) == 1:
            return masks[0]
        key = tuple(map(id, masks))
        cached = self._intersections.get(key)
        # an id may be reused after its array is gone, hence the comparison of the arrays themselves
        if cached is None or not all(map(is_, cached[0], masks)):
            if len(self._intersections) >= MAX_CACHED_MASKS:
                self._intersections.clear()
            cached = self._intersections[key] = (masks, reduce(np.logical_and, masks))
        return cached[1]

    def get_catalog_rows(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return the catalog rows of text rows."""
        return self.catalog_rows[rows]

    def find_rows(self, product_ids: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the text rows of the known products."""
        rows = self.texts.product_ids.find_numbers(product_ids)
        return rows[rows >= 0]
