"""Every prefix of a session predicts the next item."""

import numpy as np
import pytest

from recommendations.engine import Histories, Interactions
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from recommendations.engine.evaluation.session_prefixes import (
    build_session_prefixes,
    evaluate_prefixes,
    make_session_prefixes,
    split_newest_sessions,
)
from recommendations.engine.evaluation.splits import EmptySplitError


def make_sessions() -> Interactions:
    """Four visits, one after the other; the last one has an item without earlier clicks."""
    visits = {"s1": "aab", "s2": "ab", "s3": "ba", "s4": "acz"}
    lines = [(visit, item) for visit, items in visits.items() for item in items]
    users, items = zip(*lines, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items)


def list_items(histories: Histories) -> list[list[int]]:
    return [histories.slice_rows(row, row + 1).item.tolist() for row in range(len(histories))]


def test_session_of_n_clicks_gives_n_minus_one_prefixes():
    sessions = Histories.of_lists([[4, 5, 4], [7], [], [8, 9]], n_items=10, users=[0, 1, 2, 3])
    prefixes = build_session_prefixes(sessions)
    assert list_items(prefixes.histories) == [[4], [4, 5], [8]]
    assert prefixes.label.tolist() == [5, 4, 9]
    assert prefixes.histories.user.tolist() == [0, 0, 3]


def test_sample_keeps_prefix_and_label_together():
    prefixes = build_session_prefixes(Histories.of_lists([list(range(40))], n_items=40))
    sample = prefixes.sample(7, seed=3)
    assert len(sample) == 7
    assert [row[-1] + 1 for row in list_items(sample.histories)] == sample.label.tolist()
    assert prefixes.sample(100, seed=3) is prefixes


def test_newest_sessions_are_held_out_without_unknown_items():
    interactions = make_sessions()
    split = split_newest_sessions(interactions, share=0.5)
    ids = split.test.users.get_ids(split.test.user)
    assert set(ids) == {"s3", "s4"}
    assert split.test.items.get_ids(split.test.item) == ["b", "a", "a"]
    assert split.train.as_of == split.train.order.max() < split.test.order.min()
    with pytest.raises(EmptySplitError, match="share"):
        split_newest_sessions(interactions, share=0.1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_newest_sessions(interactions, share=1.0)


def test_hit_rate_and_reciprocal_rank_match_the_known_values():
    interactions = make_sessions()  # a is the most popular item, b the second, then c and z
    a, b = interactions.items.get_row("a"), interactions.items.get_row("b")
    prefixes = make_session_prefixes([[b], [b], [a]], [a, b, a], n_items=4, as_of=interactions.as_of)
    popularity = Popularity().fit(interactions)
    figures = evaluate_prefixes(popularity, prefixes, n=2)
    assert figures.hit_rate.tolist() == [1, 1, 1]
    assert figures.mrr.tolist() == [1, 0.5, 1]
    assert figures.ndcg.tolist() == pytest.approx([1, 1 / np.log2(3), 1])
    assert evaluate_prefixes(popularity, prefixes, n=1).hit_rate.tolist() == [1, 0, 1]
    assert evaluate_prefixes(popularity, prefixes, n=2, exclude_seen=True).hit_rate.tolist() == [1, 0, 0]


def test_repeat_purchase_finds_clicks_on_items_of_the_prefix():
    sessions = Histories.of_lists([[1, 1, 2], [2, 3, 2]], n_items=5)
    repeat = RepeatPurchase().fit(Interactions.from_ids(user_ids=["s"] * 5, item_ids=list("abcde")))
    assert evaluate_prefixes(repeat, build_session_prefixes(sessions), n=5).hit_rate.tolist() == [1, 0, 0, 1]


def test_invalid_prefixes_are_rejected():
    with pytest.raises(ValueError, match="1 prefixes and 2 labels"):
        make_session_prefixes([[0]], [0, 1], n_items=3, as_of=0)
    with pytest.raises(ValueError, match="labels must be rows"):
        make_session_prefixes([[0]], [3], n_items=3, as_of=0)
