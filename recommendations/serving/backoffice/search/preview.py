"""What the back office shows of a search: the page as the storefront gets it, and how each product came to its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from recommendations.serving.rest.search.request import SearchRequest
from recommendations.serving.rest.search.response import RulesFor, found_for, rules_of_the_shop
from recommendations.serving.search.search import Found, Hit
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.state.product_index import Card


@dataclass(frozen=True)
class Previewed:
    """title: in pieces, each with whether the query found it."""

    hit: Hit
    card: Card
    title: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Preview:
    found: Found
    items: Sequence[Previewed]


def preview(
    *, request: SearchRequest, now: datetime, source: Searcher = searcher, rules: RulesFor = rules_of_the_shop
) -> Preview:
    """Errors: WrongSearchError; NotReadyError while this process reads the products."""
    found = found_for(request, now=now, source=source, rules=rules)
    cards, matches = found.snapshot.shelf.cards, found.matches
    return Preview(
        found,
        [
            Previewed(hit, card, matches.marked(card.title) if matches is not None else [(card.title, False)])
            for hit in found.hits
            if (card := cards[hit.row]) is not None
        ],
    )
