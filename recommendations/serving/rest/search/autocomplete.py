"""From the parameters of autocomplete to the bytes of its response, for the REST view and the fast path."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from catalog.product_links import resolve_product_url
from recommendations.serving.expressions.parsing import find_internal_attributes
from recommendations.serving.rest.request import NotPlainError, parse_plain_filter
from recommendations.serving.rest.search.response import encode_response
from recommendations.serving.search.personalization import get_popularity_scores
from recommendations.serving.search.queries.autocomplete import (
    DEFAULT_SUGGESTIONS,
    MAX_SUGGESTIONS,
    AutocompleteRequest,
    Autocompletion,
    autocomplete,
)
from recommendations.serving.search.request import MAX_QUERY_LENGTH, InvalidSearchError, SearchRequest
from recommendations.serving.search.searcher import Searcher, searcher
from recommendations.serving.search.snapshot import SearchSnapshot
from recommendations.serving.search.visitor_search import apply_shop_rules


class AutocompleteProductJSON(msgspec.Struct):
    product_id: str
    title: str
    price: str | None
    currency: str
    image_url: str
    url: str


class AutocompleteJSON(msgspec.Struct):
    query: str
    queries: list[str]
    categories: list[str]
    products: list[AutocompleteProductJSON]


def parse_plain_autocomplete(pairs: Iterable[tuple[str, str]], *, language: str) -> AutocompleteRequest:
    """Return the request of decoded URL parameters. Errors: NotPlainError for anything unusual."""
    given = list(pairs)
    values = dict(given)
    query, n = values.pop("q", None), values.pop("n", str(DEFAULT_SUGGESTIONS))
    text = values.pop("filter", "")
    if query is None or values or len(dict(given)) != len(given) or len(query) > MAX_QUERY_LENGTH or "\x00" in query:
        raise NotPlainError
    if not (n.isascii() and n.isdigit() and 1 <= len(n) <= 2 and 1 <= int(n) <= MAX_SUGGESTIONS):
        raise NotPlainError
    return AutocompleteRequest(query, int(n), parse_plain_filter(text) if text else None, language)


def serve_autocomplete(*, request: AutocompleteRequest, now: datetime, source: Searcher = searcher) -> bytes:
    """Return the JSON of a response.

    Raises:
        InvalidSearchError: the filter is not for browsers.
        SearchNotReadyError: this process is still reading the products.
    """
    if request.is_browser and (errors := find_internal_attributes(request.filter, ())):
        raise InvalidSearchError(errors)
    snapshot = source.get_snapshot(now=now)
    completed = autocomplete(
        request,
        snapshot=snapshot,
        popularity=get_popularity_scores(snapshot.state),
        rules=apply_shop_rules(SearchRequest(q=request.query), snapshot.state, now),
        now=now,
    )
    return encode_response(build_response(completed, snapshot))


def build_response(completed: Autocompletion, snapshot: SearchSnapshot) -> AutocompleteJSON:
    """Return the response of a completed query."""
    cards = [card for hit in completed.hits if (card := snapshot.catalog.cards[hit.row]) is not None]
    return AutocompleteJSON(
        completed.query,
        list(completed.queries),
        list(completed.categories),
        [
            AutocompleteProductJSON(
                card.product_id,
                card.title,
                None if card.price is None else str(card.price),
                card.currency,
                card.image_url,
                resolve_product_url(card.url, card.product_id),
            )
            for card in cards
        ],
    )
