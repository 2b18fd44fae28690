"""The most frequent codes of customers, compared with counting by hand and by Counter."""

import json
from collections import Counter

import numpy as np
import pytest

from customers.lifecycle.scoring.interests.favorite_kernels import find_top_codes, group_by_customer
from customers.lifecycle.scoring.interests.favorites import Favorites, encode_copy_rows, merge_favorites, rank_favorites


def to_pairs(favorites: Favorites) -> list[list[tuple[int, int]]]:
    pairs = list(zip(favorites.code.tolist(), favorites.count.tolist(), strict=True))
    return [pairs[low:high] for low, high in zip(favorites.start[:-1], favorites.start[1:], strict=True)]


def rank_customers(customers: list[list[int]], n_codes: int, limit: int = 3) -> Favorites:
    start = np.cumsum([0, *map(len, customers)])
    code = np.array([code for codes in customers for code in codes], np.int64)
    total = np.array([len(codes) for codes in customers])
    return rank_favorites(start=start, code=code, total=total, names=[f"n{c}" for c in range(n_codes)], limit=limit)


def test_codes_are_ranked_by_frequency_with_ties_by_the_lower_code():
    assert to_pairs(rank_customers([[2, 0, 2, 1], [], [-1, -1], [3, 2, 1, 0]], 4, limit=2)) == [
        [(2, 2), (0, 1)],
        [],
        [],
        [(0, 1), (1, 1)],
    ]


@pytest.mark.parametrize("seed", range(20))
def test_rankings_match_counting_each_customer(seed: int):
    draws = np.random.default_rng(seed)
    customers = [draws.integers(-1, 9, draws.integers(0, 30)).tolist() for _customer in range(40)]
    expected = [
        sorted(Counter(code for code in codes if code >= 0).items(), key=lambda pair: (-pair[1], pair[0]))[:3]
        for codes in customers
    ]
    assert to_pairs(rank_customers(customers, 9)) == expected


def test_merged_rankings_have_the_same_order():
    first, second = rank_customers([[0, 0, 2], [1]], 5), rank_customers([[1, 1, 1, 3, 4, 4], []], 5)
    assert to_pairs(merge_favorites(first, second)) == [[(1, 3), (0, 2), (4, 2), (2, 1), (3, 1)], [(1, 1)]]


def test_copy_rows_contain_names_as_json_and_shares_rounded_half_up():
    labels = Favorites(
        start=np.array([0, 0, 2]), code=np.array([1, 0]), count=np.array([3, 1]), total=np.array([0, 16]),
        names=['Tea "green"', "茶 > 绿茶"],
    )  # fmt: skip
    hours = Favorites(np.array([0, 0, 1]), np.array([20]), np.array([1]), np.array([0, 1]), range(24))
    data = b"".join(encode_copy_rows(customer=np.array([7, 2**40]), columns=(labels, labels, hours)))
    at, rows = 0, []
    while at < len(data):
        assert data[at : at + 6] == b"\0\4\0\0\0\10"
        row = [int.from_bytes(data[at + 6 : at + 14])]
        at += 14
        for _field in range(3):
            length = int.from_bytes(data[at : at + 4])
            assert data[at + 4] == 1
            row.append(data[at + 5 : at + 4 + length].decode())
            at += 4 + length
        rows.append(row)
    assert rows[0] == [7, "[]", "[]", "[]"]
    assert rows[1][0] == 2**40
    assert rows[1][1] == '[["茶 > 绿茶", 0.1875], ["Tea \\"green\\"", 0.0625]]'
    assert json.loads(rows[1][2])[0] == ["茶 > 绿茶", 0.1875]
    assert rows[1][3] == "[[20, 1.0000]]"


def test_a_share_of_half_a_unit_is_rounded_up():
    half = Favorites(np.array([0, 1]), np.array([0]), np.array([1]), np.array([20_000]), ["a"])
    assert b'["a", 0.0001]' in b"".join(encode_copy_rows(customer=np.array([1]), columns=(half, half, half)))


def test_entries_are_grouped_in_their_order():
    start, order = group_by_customer(np.array([2, 0, -1, 2, 0]), 3)
    assert start.tolist() == [0, 2, 2, 4]
    assert order.tolist() == [1, 4, 0, 3]


def test_the_entry_with_the_largest_total_gives_the_code_with_ties_by_the_lowest():
    fact = np.array([0, 0, 0, 1, 1, 2, -1])
    code = np.array([4, 3, 5, -1, 2, -1, 1])
    total = np.array([9, 9, 1, 99, -5, 7, 50])
    assert find_top_codes(fact, code, total, 3).tolist() == [3, 2, -1]
