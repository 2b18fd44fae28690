"""Evaluation queries on a few visits and baskets."""

import numpy as np
import pytest

from recommendations.engine import KIND_CODES, IdMap, Interactions
from recommendations.engine.evaluation.evaluation_queries import (
    EvaluationQueries,
    QuerySample,
    find_first_seen,
    find_new_items,
    find_rising_items,
    query_basket_items,
    query_next_after_view,
    query_next_basket,
    query_next_in_category,
    query_next_viewed,
    query_purchases,
    query_repurchases,
)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
EVERYTHING = QuerySample(1000, 1, per_user=1000)
ITEMS = IdMap.of(list("abcdefgh"))

type Line = tuple[str, str, float, str]


def make(*lines: Line, as_of: float | None = None) -> Interactions:
    """Make interactions of (user, product, seconds, kind)."""
    user_names, items, seconds, kinds = zip(*lines, strict=True) if lines else ((), (), (), ())
    users = IdMap.of(["ann", "ben", "cem"])
    return Interactions.from_ids(
        user_ids=list(user_names),
        item_ids=list(items),
        order=np.array(seconds, np.float64),
        kind=np.array([KIND_CODES[kind] for kind in kinds], np.int8),
        users=users,
        items=ITEMS,
        as_of=as_of,
    )


def list_queries(queries: EvaluationQueries) -> list[tuple[str, str, str]]:
    """List (user, query products, relevant products) of each query."""
    users = ["ann", "ben", "cem"]

    def join_ids(rows: np.ndarray) -> str:
        return "".join(sorted(ITEMS.get_ids(rows.tolist())))

    return [
        (
            users[queries.user[row]],
            join_ids(queries.histories.slice_rows(row, row + 1).item),
            join_ids(queries.relevant[[row], :].indices),
        )
        for row in range(len(queries))
    ]


def test_view_leads_to_the_next_other_product_of_the_same_visit() -> None:
    future = make(
        ("ann", "a", 0, "view"),
        ("ann", "a", 10, "cart"),  # not relevant: the same product
        ("ann", "b", 20, "view"),
        ("ann", "c", 20 + 31 * MINUTE, "view"),  # another visit
        ("ann", "d", 21 + 31 * MINUTE, "cart"),  # relevant, but not a query
        ("ann", "e", 22 + 31 * MINUTE, "purchase"),  # not a view
        ("ben", "f", 5, "view"),  # another user
    )
    assert list_queries(query_next_viewed(future, EVERYTHING)) == [("ann", "a", "b"), ("ann", "c", "d")]


def test_products_of_one_moment_are_separate_queries() -> None:
    future = make(("ann", "a", 0, "view"), ("ann", "b", 9, "view"), ("ann", "c", 9, "view"), ("ann", "d", 10, "view"))
    assert list_queries(query_next_viewed(future, EVERYTHING)) == [("ann", "a", "bc"), ("ann", "c", "d")]


def test_product_of_the_query_is_excluded() -> None:
    queries = query_next_viewed(make(("ann", "a", 0, "view"), ("ann", "b", 9, "view")), EVERYTHING)
    assert queries.excluded is not None
    assert queries.excluded.indices.tolist() == [ITEMS.get_row("a")]


def test_shops_without_views_use_the_category_in_the_next_basket() -> None:
    category = np.array([0, 0, 0, 1, 1, -1, -1, 0], np.int32)  # a b c h, d e
    future = make(
        *(("ann", item, 0.0, "purchase") for item in "adf"),
        *(("ann", item, DAY, "purchase") for item in "abch"),
        *(("ben", item, 2 * DAY, "purchase") for item in "de"),  # the next basket of all, by another user
    )
    assert list_queries(query_next_in_category(future, category, EVERYTHING)) == [("ann", "a", "bch")]


def test_one_product_of_each_basket_is_held_out() -> None:
    future = make(
        *(("ann", item, 0.0, "purchase") for item in "abcd"),
        ("ben", "e", 0.0, "purchase"),  # nothing to hold out
        ("cem", "f", 0.0, "purchase"),
        ("cem", "g", 10.0, "purchase"),
        ("cem", "g", 11.0, "purchase"),
    )
    past = make(*(("ann", item, -DAY, "purchase") for item in "abcd"), ("cem", "f", -DAY, "view"), as_of=-1.0)
    rest = query_basket_items(past, future, EVERYTHING, n_given=50)
    assert [user for user, _query_items, _held_out in list_queries(rest)] == ["ann", "cem"]
    for (_user, query_items, held_out), everything in zip(list_queries(rest), ("abcd", "fg"), strict=True):
        assert sorted(query_items + held_out) == sorted(everything)
    assert rest.known is not None
    assert np.diff(rest.known.indptr).tolist() == [1, 0]  # a view is not a purchase


def test_beside_one_product_the_whole_rest_of_the_basket_is_relevant() -> None:
    future = make(
        *(("ann", item, 0.0, "purchase") for item in "abcd"), *(("cem", item, 0.0, "purchase") for item in "fg")
    )
    past = make(*(("ann", item, -DAY, "purchase") for item in "ab"), as_of=-1.0)
    queries = query_basket_items(past, future, EVERYTHING, n_given=1)
    for (_user, given, rest), everything in zip(list_queries(queries), ("abcd", "fg"), strict=True):
        assert len(given) == 1
        assert sorted(given + rest) == sorted(everything)
    assert queries.known is not None
    bought_before = set(ITEMS.get_ids(queries.known[[0], :].indices.tolist()))
    assert bought_before == {"a", "b"} & set(list_queries(queries)[0][2])


def test_rising_products_sold_to_more_people_than_a_good_week_explains() -> None:
    week, people = 7 * DAY, [f"person-{number}" for number in range(40)]
    items = ["steady", "rising", "new", "rare", *(f"other-{number}" for number in range(6))]
    lines = []
    for number in range(1, 9):  # eight weeks before, in which steady sells to ten people and rising to one
        lines += [(person, "steady", -number * week + 1) for person in people[:10]]
        lines += [(people[0], "rising", -number * week + 1)] * 3  # of the same person, so once
        lines += [(person, f"other-{item}", -number * week + 1) for person in people[:10] for item in range(6)]
    # In the week after, everything sells to twice as many people, which is no rise of a single product.
    lines += [(person, "steady", 1.0) for person in people[:20]]
    lines += [(person, f"other-{item}", 1.0) for person in people[:20] for item in range(6)]
    lines += [(person, "rising", 1.0) for person in people[:12]]
    lines += [(person, "new", 1.0) for person in people[:6]]
    lines += [(person, "rare", 1.0) for person in people[:4]]
    user_ids, item_ids, seconds = zip(*lines, strict=True)
    everything = Interactions.from_ids(
        user_ids=list(user_ids),
        item_ids=list(item_ids),
        order=np.array(seconds, np.float64),
        kind=np.full(len(lines), KIND_CODES["purchase"], np.int8),
        users=IdMap.of(people),
        items=IdMap.of(items),
        as_of=week,
    )
    past, future = everything.before(0.0), everything.after(0.0)
    rising = find_rising_items(past, future, days=7.0)
    assert set(everything.items.get_ids(np.flatnonzero(rising).tolist())) == {"rising", "new"}, (
        "rare has four people only"
    )
    assert not find_rising_items(past.before(-9 * week), future, days=7.0).any(), "without a past nothing rises"


def test_repurchases_are_products_bought_before() -> None:
    past = make(
        ("ann", "a", 0, "purchase"), ("ann", "b", 1, "purchase"), ("ann", "c", 2, "view"), ("ben", "a", 2, "purchase"),
        as_of=3.0,
    )  # fmt: skip
    future = make(("ann", "a", 5, "purchase"), ("ann", "c", 5, "purchase"), ("cem", "a", 5, "purchase"))
    queries = query_repurchases(past, past, future, EVERYTHING)
    assert list_queries(queries) == [("ann", "abc", "a")]
    assert queries.offered is not None
    assert queries.offered.indices.tolist() == ITEMS.get_rows(["a", "b"]).tolist()


def test_repurchases_are_asked_for_at_the_moment_of_the_next_basket() -> None:
    """The histories are so many whole days older; what a customer buys after the next basket is not relevant."""
    past = make(
        ("ann", "a", 0, "purchase"), ("ann", "b", HOUR, "purchase"), ("ben", "a", HOUR, "purchase"), as_of=2 * HOUR
    )  # fmt: skip
    future = make(
        ("ann", "a", 3 * DAY + 5 * HOUR, "purchase"), ("ann", "b", 6 * DAY, "purchase"), ("ben", "a", 3 * HOUR, "purchase")
    )  # fmt: skip
    queries = query_repurchases(past, past, future, EVERYTHING)
    assert list_queries(queries) == [("ann", "ab", "a"), ("ben", "a", "a")]
    assert queries.histories.as_of == 2 * HOUR
    assert queries.histories.order.tolist() == [-3 * DAY, HOUR - 3 * DAY, HOUR]


def test_users_without_a_past_have_queries() -> None:
    past, future = (
        make(("ann", "a", 0, "view"), as_of=1.0),
        make(("ann", "b", 5, "purchase"), ("ben", "c", 5, "purchase")),
    )
    assert list_queries(query_purchases(past, future, EVERYTHING)) == [("ann", "a", "b"), ("ben", "", "c")]


def test_next_basket_is_the_first_one_of_users_with_a_past() -> None:
    past = make(("ann", "a", 0, "view"), as_of=1.0)
    future = make(("ann", "b", 5, "purchase"), ("ann", "c", DAY, "purchase"), ("ben", "d", 5, "purchase"))
    assert list_queries(query_next_basket(past, future, EVERYTHING)) == [("ann", "a", "b")]


def test_new_items_were_first_published_or_touched_within_thirty_days() -> None:
    past = make(("ann", "a", 0, "view"), ("ann", "a", 40 * DAY, "view"), ("ann", "b", 40 * DAY, "view"), as_of=50 * DAY)
    assert find_new_items(past).tolist() == [item == "b" for item in "abcdefgh"]
    published = np.full(8, np.nan)
    published[[1, 2, 3, 4]] = [
        5 * DAY,
        45 * DAY,
        10 * DAY,
        60 * DAY,
    ]  # b and d are old, c is new, e is not published yet
    assert np.flatnonzero(find_new_items(past, published=published)).tolist() == [2]
    assert find_first_seen(past, published=published)[:2].tolist() == [0.0, 5 * DAY]
    assert np.isnan(find_first_seen(past)[2])


def test_recently_viewed_items_are_newest_first_without_current_and_later_ones() -> None:
    past = make(("ann", "a", 0, "view"), ("ann", "b", 1, "view"), ("ann", "a", 2, "view"), as_of=DAY)
    future = make(
        ("ann", "c", DAY, "view"),
        ("ann", "b", DAY + 1, "view"),
        ("ann", "d", DAY + 2, "purchase"),
        ("ben", "e", DAY, "view"),
    )
    queries, recent = query_next_after_view(past, future, EVERYTHING)
    assert list_queries(queries) == [("ann", "c", "b"), ("ann", "b", "d")]
    assert ["".join(ITEMS.get_ids(row[row >= 0].tolist())) for row in recent] == ["ab", "ca"]


@pytest.mark.parametrize(("max_users", "per_user", "expected"), [(1, 1, 1), (1, 2, 2), (2, 1, 2), (9, 9, 5)])
def test_sample_respects_its_limits(max_users: int, per_user: int, expected: int) -> None:
    users = np.array([4, 4, 4, 7, 7])
    sample = QuerySample(max_users, 3, per_user=per_user).of(users)
    assert len(sample) == expected
    assert len(np.unique(users[sample])) == min(max_users, 2)
    np.testing.assert_array_equal(sample, QuerySample(max_users, 3, per_user=per_user).of(users))


def test_sample_is_smaller_for_a_large_catalog() -> None:
    small, large = (QuerySample.of_cells(30_000_000, n, max_users=400, per_user=2, seed=1) for n in (1_000, 100_000))
    assert (small.max_users, small.per_user, small.max_queries) == (400, 2, 30_000)
    assert (large.max_users, large.per_user, large.max_queries) == (300, 2, 300)


def test_every_user_keeps_one_query_before_any_keeps_a_second() -> None:
    users = np.repeat(np.arange(10), 5)
    sample = QuerySample(10, 1, per_user=3, max_queries=13).of(users)
    counts = np.bincount(users[sample], minlength=10)
    assert (counts.min(), counts.max(), counts.sum()) == (1, 2, 13)


@pytest.mark.parametrize("kind", ["view", "purchase"])
def test_no_events_give_no_queries(kind: str) -> None:
    nothing = make()
    category = np.zeros(8, np.int32)
    assert len(query_next_viewed(nothing, EVERYTHING)) == 0
    assert len(query_next_in_category(nothing, category, EVERYTHING, kind=kind)) == 0
    assert len(query_basket_items(nothing, nothing, EVERYTHING, n_given=1, kind=kind)) == 0
    assert len(query_repurchases(nothing, nothing, nothing, EVERYTHING, kind=kind)) == 0
    assert len(query_purchases(nothing, nothing, EVERYTHING, kind=kind)) == 0
    assert len(query_next_after_view(nothing, nothing, EVERYTHING)[0]) == 0
    assert len(query_next_basket(nothing, nothing, EVERYTHING, kind=kind)) == 0
