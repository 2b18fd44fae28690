"""Scored queries are kept for the next request, within limits, and never answer for other words or sales."""

from typing import Any

import numpy as np

from recommendations.engine.text_search import Documents, ScoredQuery, TextIndex
from recommendations.serving.search.query_cache import MAX_INDEXES, QueryCache, ValuesOfRows


def make_index() -> TextIndex:
    titles = ["red kettle", "blue kettle", "blue teapot", "red teapot"]
    return TextIndex.of(Documents([[f"p{row}"] for row in range(4)], {"title": titles}))


def find_sales(rows: Any) -> Any:
    return np.ones(len(rows), np.float32)


def test_a_query_is_scored_once_until_the_popularity_changes() -> None:
    index, cache, scored = make_index(), QueryCache(), []

    def score() -> ScoredQuery:
        scored.append(index.score("red"))
        return scored[-1]

    first = cache.get_or_score(("red", "en"), None, score)
    assert cache.get_or_score(("red", "en"), None, score) is first
    assert cache.get_or_score(("red", "zh"), None, score) is not first, "other synonyms"
    assert cache.get_or_score(("red", "en"), find_sales, score) is not first, "other sales"
    assert len(scored) == 3


def test_the_least_recently_used_queries_are_dropped() -> None:
    index, cache = make_index(), QueryCache(max_queries=2)
    queries = {word: index.score(word) for word in ("red", "blue", "kettle")}

    def get(word: str) -> ScoredQuery:
        return cache.get_or_score((word, ""), None, lambda: index.score(word))

    for word in ("red", "blue"):
        cache.get_or_score((word, ""), None, lambda word=word: queries[word])
    assert get("red") is queries["red"]
    cache.get_or_score(("kettle", ""), None, lambda: queries["kettle"])
    assert get("red") is queries["red"]
    assert get("blue") is not queries["blue"]
    assert len(cache) == 2


def test_the_number_of_kept_documents_is_limited() -> None:
    index, cache = make_index(), QueryCache(max_documents=5)
    for word in ("red", "blue", "kettle", "teapot", "red kettle"):
        cache.get_or_score((word, ""), None, lambda word=word: index.score(word))
        assert 0 < cache.n_documents <= 5
    assert cache.n_documents == sum(index.score(word).size for word in ("teapot", "red kettle"))


def test_a_kept_query_gives_the_same_matches_whatever_was_asked_before() -> None:
    index = make_index()
    everything, only_teapots = np.ones(4, np.bool_), np.array([False, False, True, True])
    for order in ((everything, only_teapots), (only_teapots, everything)):
        query = index.score("red kettle")
        for allowed in order:
            kept, fresh = query.find_matches(allowed), index.score("red kettle").find_matches(allowed)
            assert (kept.rows.tolist(), kept.scores.tolist()) == (fresh.rows.tolist(), fresh.scores.tolist())
            assert (kept.corrected, kept.n_covered.tolist()) == (fresh.corrected, fresh.n_covered.tolist())


def test_the_rows_of_a_query_are_kept_for_the_same_allowed_rows_only() -> None:
    query, allowed = make_index().score("kettle"), np.ones(4, np.bool_)
    first = query.find_rows(allowed)
    assert first.tolist() == [0, 1]
    assert query.find_rows(allowed) is first
    other = np.array([False, True, True, True])
    assert query.find_rows(other).tolist() == [1]
    assert query.find_rows(allowed).tolist() == [0, 1]


def test_values_belong_to_an_array_and_end_with_it() -> None:
    values, computed = ValuesOfRows[int](max_values=3), []

    def add_up(rows: Any) -> int:
        computed.append(rows.tolist())
        return int(rows.sum())

    rows = np.array([1, 2], np.int32)
    assert [values.get_or_compute(rows, add_up) for _number in range(2)] == [3, 3]
    assert len(computed) == 1
    for number in range(20):  # each array is gone before the next one is made, which may get its address
        assert values.get_or_compute(np.array([number, 5], np.int32), add_up) == number + 5


def test_the_queries_of_masks_that_are_no_longer_used_are_removed() -> None:
    n = MAX_INDEXES + 2
    index = TextIndex.of(Documents([[f"p{row}"] for row in range(n)], {"title": ["kettle"] * n}))
    cache = QueryCache()
    masks = [np.arange(n) != row for row in range(n)]
    for mask in masks:
        visible = cache.get_index(index, mask)
        cache.get_or_score(("kettle", id(visible)), None, lambda visible=visible: visible.score("kettle"))
    assert len(cache) == MAX_INDEXES
    assert cache.n_documents == MAX_INDEXES * cache.get_index(index, masks[-1]).score("kettle").size
    assert cache.get_index(index, masks[-1].copy()) is cache.get_index(index, masks[-1]), "an equal mask"
    assert cache.get_index(index, masks[0]).search("kettle").rows.tolist() == list(range(1, n))
