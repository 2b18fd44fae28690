import math
import random

import pytest

from recommendations.engine.variety.purchased_share import limit_purchased_share


def mark(order: list[int], is_purchased: list[bool]) -> str:
    return "".join("p" if is_purchased[position] else "." for position in order)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, "..........pppppppppp"),
        (0.3, "...p..p..p...ppppppp"),
        (0.5, ".p.p.p.p.p.p.p.p.p.p"),
        (1.0, "pppppppppp.........."),
    ],
)
def test_purchased_products_with_the_best_scores_are_spread_over_the_list(share: float, expected: str) -> None:
    is_purchased = [True] * 10 + [False] * 10
    assert mark(limit_purchased_share(is_purchased, share), is_purchased) == expected


@pytest.mark.parametrize(("n", "most"), [(1, 0), (3, 0), (10, 3)])
def test_a_row_has_no_more_than_the_share_of_its_positions(n: int, most: int) -> None:
    is_purchased = [True] * 20 + [False] * 20
    assert mark(limit_purchased_share(is_purchased, 0.3), is_purchased)[:n].count("p") == most


def test_products_without_enough_others_are_shown_all_the_same() -> None:
    assert limit_purchased_share([True, True, False, True], 0.0) == [2, 0, 1, 3]
    assert limit_purchased_share([True, True], 0.3) == [0, 1]
    assert limit_purchased_share([], 0.3) == []


def test_an_order_within_the_limit_is_unchanged() -> None:
    assert limit_purchased_share([False, False, False, True, False], 0.3) == [0, 1, 2, 3, 4]


def test_every_prefix_and_every_page_of_random_lists_keep_the_share() -> None:
    rng = random.Random(3)
    for _case in range(200):
        share = rng.choice([0.05, 0.1, 0.2, 0.3, 1 / 3, 0.5, 0.7, 0.9])
        is_purchased = [rng.random() < 0.6 for _position in range(40)]
        order = limit_purchased_share(is_purchased, share)
        assert sorted(order) == list(range(40))
        marks = mark(order, is_purchased)
        limited = marks[: marks.rindex(".") + 1] if "." in marks else ""  # the rest has no other products left
        for n in range(1, len(limited) + 1):
            assert limited[:n].count("p") <= math.floor(share * n + 1e-9)
            for start in range(len(limited) - n + 1):
                assert limited[start : start + n].count("p") <= math.ceil(share * n - 1e-9)
        for kind in (True, False):  # both kinds keep their own order
            positions = [position for position in order if is_purchased[position] is kind]
            assert positions == sorted(positions)


def test_a_longer_list_begins_with_the_same_products() -> None:
    rng = random.Random(5)
    is_purchased = [rng.random() < 0.5 for _position in range(200)]
    whole = limit_purchased_share(is_purchased, 0.3)
    part = limit_purchased_share(is_purchased[:100], 0.3)
    n = next(position for position, (one, other) in enumerate(zip(whole, part, strict=False)) if one != other)
    others = sum(not flag for flag in is_purchased[:100])
    assert n >= others  # until the shorter list runs out of other products
