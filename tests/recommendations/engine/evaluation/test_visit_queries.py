from recommendations.engine import KIND_CODES, Interactions
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
