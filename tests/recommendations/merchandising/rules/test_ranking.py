"""Pins in a ranking: known answers, then arbitrary rankings, pins and pages."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommendations.merchandising.rules.business_factors import compute_business_factors
from recommendations.merchandising.rules.ranking import RankedPage, apply_factors, apply_to_ranking, get_required_length

RANKED = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


def make_page(
    pins: Sequence[tuple[int, int]],
    *,
    n: int = 5,
    offset: int = 0,
    ranked: Sequence[int] = RANKED,
    excluded: Sequence[int] = (),
) -> RankedPage:
    allowed = np.ones(20, np.bool_)
    allowed[list(excluded)] = False
    scores = [row / 10 for row in ranked]
    return apply_to_ranking(
        rows=np.array(ranked), scores=np.array(scores), pins=pins, allowed=allowed, n=n, offset=offset
    )


def test_without_pins_the_page_is_cut_from_the_ranking() -> None:
    assert (make_page([]).rows, make_page([]).has_more) == ([9, 8, 7, 6, 5], True)
    assert (make_page([], offset=5).rows, make_page([], offset=5).has_more) == ([4, 3, 2, 1, 0], False)
    assert make_page([], offset=50).rows == []


def test_a_pinned_product_gets_its_position_and_keeps_its_score() -> None:
    page = make_page([(2, 3)])
    assert page.rows == [9, 3, 8, 7, 6]
    assert page.scores == [0.9, 0.3, 0.8, 0.7, 0.6]
    assert page.pinned == frozenset([3])


def test_a_pinned_product_without_a_score_is_shown_too() -> None:
    page = make_page([(1, 15)])
    assert page.rows == [15, 9, 8, 7, 6]
    assert page.scores[0] == 0.0


def test_the_first_pin_gets_the_position_and_the_other_the_next_free_one() -> None:
    assert make_page([(2, 1), (2, 0), (3, 2)]).rows == [9, 1, 0, 2, 8]


def test_an_excluded_pin_is_omitted_and_the_next_moves_up() -> None:
    page = make_page([(1, 1), (1, 0)], excluded=[1])
    assert (page.rows[:2], page.omitted) == ([0, 9], (1,))


def test_a_pin_beyond_a_short_list_comes_last() -> None:
    page = make_page([(50, 15), (9, 14)], ranked=[9, 8])
    assert (page.rows, page.has_more) == ([9, 8, 14, 15], False)


def test_a_pin_further_down_removes_the_product_from_its_own_position() -> None:
    assert make_page([(8, 9)]).rows == [8, 7, 6, 5, 4]
    assert make_page([(8, 9)], offset=5).rows == [3, 2, 9, 1, 0]


@given(
    ranked=st.lists(st.integers(0, 19), max_size=20, unique=True),
    pins=st.lists(st.tuples(st.integers(1, 25), st.integers(0, 19)), max_size=8, unique_by=lambda pin: pin[1]),
    excluded=st.sets(st.integers(0, 19), max_size=6),
    n=st.integers(1, 7),
)
def test_pages_are_cut_from_one_list_with_every_product_once(
    ranked: list[int], pins: list[tuple[int, int]], excluded: set[int], n: int
) -> None:
    ranked = [row for row in ranked if row not in excluded]
    pages = []
    for offset in range(0, 60, n):
        long_enough = ranked[: get_required_length(n=n, offset=offset, pins=pins)]
        pages.append(make_page(pins, n=n, offset=offset, ranked=long_enough, excluded=sorted(excluded)))
    all_rows = [row for page in pages for row in page.rows]
    allowed_pins = [(position, row) for position, row in pins if row not in excluded]
    pinned = {row for _position, row in allowed_pins}
    assert sorted(all_rows) == sorted(set(ranked) | pinned)
    assert [row for row in all_rows if row not in pinned] == [row for row in ranked if row not in pinned]
    assert [page.has_more for page in pages[:-1]] == [bool(following.rows) for following in pages[1:]]
    assert {row for page in pages for row in page.pinned} == pinned
    occupied: set[int] = set()
    for position, row in allowed_pins:
        while position in occupied:
            position += 1
        occupied.add(position)
        actual = all_rows.index(row) + 1
        assert actual == position or (actual < position and actual > len(set(ranked) - pinned))


def test_a_boost_never_lowers_a_score() -> None:
    scores = np.array([2.0, -2.0, 0.0, -np.inf], np.float32)
    factors = np.array([2.0, 2.0, 2.0, 2.0], np.float32)
    assert apply_factors(scores=scores, factors=factors).tolist() == [4.0, -1.0, 0.0, -np.inf]
    assert apply_factors(scores=scores, factors=None) is scores


def test_margin_and_stock_give_the_expected_factors() -> None:
    margin = np.array([0.1, 0.3, 0.5, np.nan], np.float32)
    stock = np.array([0, np.nan, np.inf, np.nan])
    stock[2] = np.e**2 - 1
    by_margin = compute_business_factors(margin=margin, stock=stock, margin_weight=1.0, stock_weight=0.0)
    assert by_margin is not None
    assert np.allclose(by_margin, [0.8, 1.0, 1.2, 1.0])
    by_stock = compute_business_factors(margin=margin, stock=stock, margin_weight=0.0, stock_weight=0.5)
    assert by_stock is not None
    full = np.minimum(np.array([0, 2]) / (2 * 0.95), 1)
    assert np.allclose(by_stock, [1 - 0.25 * full[1], 1, 1 + 0.25 * full[1], 1])
    assert compute_business_factors(margin=margin, stock=stock, margin_weight=0, stock_weight=0) is None
    nothing = np.full(3, np.nan)
    unknown = compute_business_factors(
        margin=nothing.astype(np.float32), stock=nothing, margin_weight=1, stock_weight=1
    )
    assert unknown is not None
    assert unknown.tolist() == [1, 1, 1]
