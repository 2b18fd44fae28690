"""The search preview: the page as the storefront gets it, and how each product was ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from recommendations.serving.search.ranking import SearchHit
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import SearchPage
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.search.visitor_search import RulesFor, apply_shop_rules, run_search
from recommendations.serving.state.product_index import ProductCard


@dataclass(frozen=True)
class SearchPreviewItem:
    """A product of the page. title: its parts, each with whether it matches the query."""

    hit: SearchHit
    card: ProductCard
    title: Sequence[tuple[str, bool]]

    @property
    def text_factor(self) -> float:
        """What the match of the words contributes to the score, which is the product of all columns: the square, see `compute_order`."""
        return self.hit.text**2


@dataclass(frozen=True)
class SearchPreview:
    """A page of results with the products to show."""

    page: SearchPage
    items: Sequence[SearchPreviewItem]


def preview_search(
    *, request: SearchRequest, now: datetime, source: Searcher = searcher, rules: RulesFor = apply_shop_rules
) -> SearchPreview:
    """Run a search for the preview. Raises InvalidSearchError, SearchNotReadyError."""
    page = run_search(request, now=now, source=source, rules=rules)
    cards, matches = page.snapshot.catalog.cards, page.matches
    return SearchPreview(
        page,
        [
            SearchPreviewItem(
                hit, card, matches.highlight(card.title) if matches is not None else [(card.title, False)]
            )
            for hit in page.hits
            if (card := cards[hit.row]) is not None
        ],
    )
