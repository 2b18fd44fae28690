"""Session-based kNN against known answers."""

import numpy as np
import pytest

from recommendations.engine import Histories, Interactions, recommend
from recommendations.engine.algorithms.neighbors.session_knn import SessionKNN

PLAIN = {"damping": 0.0, "match_damping": 0.0, "length_damping": 0.0, "half_life_days": None}


def make_visits(*visits: str, **columns: object) -> Interactions:
    """Make visits in sequence: one letter per item, one click per second."""
    users = [f"visit {number}" for number, visit in enumerate(visits) for _ in visit]
    return Interactions.from_ids(user_ids=users, item_ids=list("".join(visits)), **columns)


def score_visit(model: SessionKNN, interactions: Interactions, visit: str, **columns: object) -> dict[str, float]:
    rows = interactions.items.get_rows(list(visit))
    row = model.score(Histories.of_lists([rows], n_items=interactions.n_items, **columns))
    return dict(zip(interactions.items.get_ids(row.indices), row.data.tolist(), strict=True))


def test_scores_of_three_visits_match_the_calculation_by_hand():
    visits = make_visits("abc", "bd", "ce")
    model = SessionKNN(decay=0.5, reach=0.5, back=0.25, own=0.0, **PLAIN).fit(visits)
    # History a, b: abc shares a (π ½) and b (π 1), v = 1.5, newest shared item b at position 1; bd shares b, v = 1.
    # c comes 1 after b, a 1 before it (¼), d 1 after it.
    assert score_visit(model, visits, "ab") == pytest.approx({"a": 1.5 * 0.25, "c": 1.5, "d": 1.0})
    # From a alone: b at distance 1, c at distance 2.
    assert score_visit(model, visits, "a") == pytest.approx({"b": 1.0, "c": 0.5})


def test_damping_of_frequent_items_and_long_visits_matches_the_calculation_by_hand():
    visits = make_visits("abbb", "ac")
    model = SessionKNN(damping=0.5, match_damping=1.0, length_damping=1.0, own=1.0, reach=1.0, back=1.0).fit(visits)
    # a is in 2 visits: π = 1/3. v = 1/3 ÷ 4 and 1/3 ÷ 2. b is in 1 visit, three times: 3 v / √2.
    expected = {"a": (1 / 12 + 1 / 6) / np.sqrt(3), "b": 3 / 12 / np.sqrt(2), "c": 1 / 6 / np.sqrt(2)}
    assert score_visit(model, visits, "a") == pytest.approx(expected)


def test_older_visits_count_less_and_only_the_newest_are_searched():
    visits = make_visits("ab", "ac", "ad", order=np.array([0, 0, 10, 10, 20, 20]) * 86_400.0)
    aged = {**PLAIN, "half_life_days": 10.0}
    decayed = score_visit(SessionKNN(own=0.0, back=1.0, reach=1.0, **aged).fit(visits), visits, "a")
    assert decayed == pytest.approx({"b": 0.25, "c": 0.5, "d": 1.0})
    assert set(score_visit(SessionKNN(newest=2, own=0.0, **PLAIN).fit(visits), visits, "a")) == {"c", "d"}
    assert set(score_visit(SessionKNN(k=1, own=0.0, **aged).fit(visits), visits, "a")) == {"d"}


def test_trending_products_count_more():
    visits = make_visits("ab", "ac", order=np.array([0, 0, 0, 2]) * 86_400.0)
    model = SessionKNN(own=0.0, trend=0.5, trend_half_life_days=1.0, **PLAIN).fit(visits)
    # ¼ of b and all of c is recent, of all four interactions 1.75: with ten pseudo-interactions of the mean m, c rises and b falls
    mean = 1.75 / 4
    expected = {"b": ((0.25 + 10 * mean) / 11 / mean) ** 0.5, "c": ((1 + 10 * mean) / 11 / mean) ** 0.5}
    assert score_visit(model, visits, "a") == pytest.approx(expected)


def test_user_is_not_their_own_neighbor():
    visits = make_visits("ab", "ac")
    model = SessionKNN(own=0.0, **PLAIN).fit(visits)
    histories = visits.build_histories()
    assert visits.items.get_ids(model.score(histories.slice_rows(0, 1)).indices) == ["c"]
    assert set(score_visit(model, visits, "a")) == {"b", "c"}


def test_long_pauses_end_a_session():
    visits = make_visits("abcd", order=np.array([0.0, 60.0, 90_000.0, 90_060.0]))
    assert set(score_visit(SessionKNN(own=0.0, gap_s=1800.0).fit(visits), visits, "a")) == {"b"}
    assert set(score_visit(SessionKNN(own=0.0).fit(visits), visits, "a")) == {"b", "c", "d"}


def test_weights_of_history_and_session_count():
    visits = make_visits("ab", "ac", weight=[1, 3, 1, 1])
    model = SessionKNN(own=0.0, **PLAIN).fit(visits)
    assert score_visit(model, visits, "a") == pytest.approx({"b": 3.0, "c": 1.0})
    assert score_visit(model, visits, "a", weights=[[2.0]]) == pytest.approx({"b": 6.0, "c": 2.0})
    assert score_visit(model, visits, "a", weights=[[0.0]]) == {}


def test_unknown_visitor_is_served_from_recent_items():
    rng = np.random.default_rng(3)
    visits = Interactions.from_ids(
        user_ids=rng.integers(0, 300, 3000), item_ids=rng.integers(0, 40, 3000), order=rng.random(3000)
    )
    model = SessionKNN().fit(visits)
    visitor = Histories.of_lists([[5, 9, 5, 12]], n_items=visits.n_items)
    items = recommend(model, visitor, 10, exclude_seen=True).items[0]
    assert (items >= 0).all()
    assert not {5, 9, 12} & set(items.tolist())
    best = int(items[0])
    parts = model.explain(visitor, best)
    assert {part.item for part in parts} == {5, 9, 12}
    assert sum(part.value for part in parts) == pytest.approx(
        recommend(model, visitor, 1, exclude_seen=True).scores[0, 0]
    )


def test_only_the_newest_positions_of_a_long_history_count():
    visits = make_visits("ab", "cd")
    model = SessionKNN(own=0.0, longest=3, **PLAIN).fit(visits)
    assert set(score_visit(model, visits, "a" * 1_000_000 + "ccc")) == {"d"}


@pytest.mark.parametrize(("name", "value"), [("k", 0), ("newest", 0), ("decay", 0.0), ("reach", 1.5), ("own", -1.0)])
def test_invalid_parameters_are_rejected_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        SessionKNN(**{name: value}).fit(make_visits("ab"))
