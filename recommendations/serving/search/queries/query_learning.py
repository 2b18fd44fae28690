"""Learns the queries of the shop from what people searched and then chose.

Browsers can send any query, so a query counts only if several people chose products that match it. All its words must be words of
products or synonyms: no name, no address and no abuse can become a suggestion, however often it is searched.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
from django.db import transaction

from config.foundation.database.advisory_locks import exclusive_lock
from recommendations.engine.text_search import Synonyms
from recommendations.engine.text_search.tokens import normalize
from recommendations.serving.search.evaluation import LoggedSearch, read_searches
from recommendations.serving.search.index.product_texts import ProductTexts
from recommendations.serving.search.models import ShopQuery
from recommendations.serving.search.searcher import Searcher
from recommendations.serving.search.synonym_table import load_synonyms

LEARNING_DAYS = 90
MIN_PEOPLE = 5  # who chose a matching product after the query
MIN_PRODUCTS = 2  # that match all words
MAX_QUERIES = 10_000
LEARN_QUERIES_LOCK = "learn_shop_queries"


def learn_shop_queries(*, at: datetime) -> int:
    """Replace the queries of the shop by those of the last 90 days; return their number.

    Raises AlreadyRunningError.
    """
    with exclusive_lock(LEARN_QUERIES_LOCK):
        texts = Searcher(background=False).refresh_texts(None)
        searches = read_searches(since=at - timedelta(days=LEARNING_DAYS), until=at)
        synonyms = load_synonyms().get_for_language("")
        people = count_people(searches, texts, synonyms) if texts is not None else {}
        top = sorted(people.items(), key=lambda entry: (-entry[1], entry[0]))[:MAX_QUERIES]
        with transaction.atomic():
            ShopQuery.objects.all().delete()
            ShopQuery.objects.bulk_create(ShopQuery(text=text, people=count, learned_at=at) for text, count in top)
        return len(top)


def count_people(searches: Iterable[LoggedSearch], texts: ProductTexts, synonyms: Synonyms) -> dict[str, int]:
    """Return the queries that may be suggested, with the number of people who chose a product that matches."""
    chosen: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for search in searches:
        chosen[" ".join(normalize(search.query).split())][search.customer_id] |= search.product_ids
    counts = {
        query: count_matching_people(query, by_person, texts, synonyms)
        for query, by_person in chosen.items()
        if len(by_person) >= MIN_PEOPLE
    }
    return {query: people for query, people in counts.items() if people >= MIN_PEOPLE}


def count_matching_people(
    query: str, products_by_person: dict[int, set[str]], texts: ProductTexts, synonyms: Synonyms
) -> int:
    """Return how many people chose a product with all words of the query; 0 if too few products have them."""
    # a space ends the last word, because half a word is not a query
    matches = texts.index.score(f"{query} ", synonyms=synonyms, corrects=False).find_matches()
    rows = matches.rows[(matches.n_covered == matches.n_required) & ~np.isin(matches.rows, matches.exact)]
    if len(rows) < MIN_PRODUCTS:
        return 0
    matching = set(map(int, rows))
    ids = sorted(set().union(*products_by_person.values()))
    row_of = dict(zip(ids, texts.product_ids.find_numbers(ids).tolist(), strict=True))
    return sum(any(row_of[product] in matching for product in products) for products in products_by_person.values())
