import numpy as np

from recommendations.engine import ALGORITHMS, KIND_CODES, Interactions
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries, QuerySample
from recommendations.engine.evaluation.visit_queries import query_next_in_visit

ALL = QuerySample(100, seed=1, per_user=100)
DAY = 86_400


def make_interactions(*lines: tuple[str, str, float, str]) -> Interactions:
    """Build interactions from (user, item, second, kind)."""
    users, items, orders, kinds = zip(*lines, strict=True)
    return Interactions.from_ids(
        user_ids=users, item_ids=items, order=orders, kind=[KIND_CODES[kind] for kind in kinds]
    )


def list_queries(interactions: Interactions, queries: EvaluationQueries) -> list[tuple[list[str], str, list[str]]]:
    """Return (history, next product, excluded products) of each query."""
    names = interactions.items.get_ids()
    histories, relevant, excluded = queries.histories, queries.relevant, queries.excluded
    assert excluded is not None
    return [
        (
            [names[item] for item in histories.item[histories.indptr[row] : histories.indptr[row + 1]]],
            names[relevant.indices[row]],
            sorted(names[item] for item in excluded[[row], :].indices),
        )
        for row in range(len(queries))
    ]


VISITS = make_interactions(
    ("ann", "milk", 0, "purchase"),
    ("ann", "tea", DAY, "view"),
    ("ann", "tea", DAY + 5, "cart"),
    ("ann", "cup", DAY + 10, "view"),
    ("ann", "tea", DAY + 20, "view"),
    ("ann", "jam", 2 * DAY, "view"),
    ("bob", "tea", DAY, "view"),
    ("bob", "jam", DAY + 10, "purchase"),
)


def test_the_next_product_is_the_first_that_the_visit_did_not_contain() -> None:
    queries = query_next_in_visit(VISITS, ALL, since=DAY, until=3 * DAY)
    assert list_queries(VISITS, queries) == [
        (["milk", "tea"], "cup", ["tea"]),
        (["milk", "tea", "tea"], "cup", ["tea"]),
    ]


def test_visitors_without_earlier_purchases_are_queries_on_request() -> None:
    queries = query_next_in_visit(VISITS, ALL, since=DAY, until=3 * DAY, bought_before=False)
    assert (["tea"], "jam", ["tea"]) in list_queries(VISITS, queries)


def test_only_views_of_the_window_are_queries_and_nothing_after_it_is_relevant() -> None:
    assert not len(query_next_in_visit(VISITS, ALL, since=DAY + 6, until=3 * DAY))
    assert not len(query_next_in_visit(VISITS, ALL, since=0, until=DAY + 10))


def test_each_query_is_scored_at_its_own_moment_whatever_happens_later() -> None:
    habits = [
        (f"u{number}", item, (number / 10 + days * gap) * DAY, "purchase")
        for number in range(10)
        for item, days, count in (("milk", 7, 16), ("rice", 30, 4))
        for gap in range(count)
    ]
    visits = [("u0", "tea", 113 * DAY, "view"), ("u0", "cup", 113 * DAY + 60, "view")]
    later = [("u1", "tea", 139.9 * DAY, "view"), ("u1", "cup", 139.9 * DAY + 60, "view")]
    scores = []
    for lines in ([*habits, *visits], [*habits, *visits, *later]):
        interactions = make_interactions(*lines)
        model = ALGORITHMS["repeat-rhythm"](horizon_days=7.0).fit(interactions.before(112 * DAY))
        own_history = interactions.before(113 * DAY + 1e-3).build_histories(np.array([0]))
        queries = query_next_in_visit(interactions, ALL, since=112 * DAY, until=141 * DAY)
        weighted = EventWeights(half_life_days=7.0).of_histories(queries.histories.slice_rows(0, 1))
        own = EventWeights(half_life_days=7.0).of_histories(own_history)
        np.testing.assert_allclose(weighted.weight, own.weight, rtol=1e-5)
        scores.append([model.score(histories)[[0], :].toarray()[0].tolist() for histories in (weighted, own)])
    (alone, served), (with_later, _served) = scores
    assert alone == with_later
    np.testing.assert_allclose(alone, served, rtol=1e-5)
