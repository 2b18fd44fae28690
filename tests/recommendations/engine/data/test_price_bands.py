"""Price bands against answers by hand."""

import numpy as np

from recommendations.engine.data.price_bands import assign_price_bands


def compute_bands(
    price: list[float], currency: list[str] | None = None, category: list[int] | None = None, **options: int
) -> list[int]:
    n = len(price)
    codes = np.array([0] * n if category is None else category, np.int32)
    return assign_price_bands(
        np.array(price, float), ["EUR"] * n if currency is None else currency, codes, **options
    ).tolist()


def test_ten_prices_make_five_bands_of_two():
    assert compute_bands([10, 1, 9, 2, 8, 3, 7, 4, 6, 5], min_products=10) == [5, 1, 5, 1, 4, 2, 4, 2, 3, 3]


def test_equal_prices_share_a_band():
    assert compute_bands([1, 1, 1, 2, 3], bands=5, min_products=5) == [1, 1, 1, 4, 5]


def test_bands_are_relative_to_the_category():
    prices = [1, 2, 3, 4, 10, 20, 30, 40]
    assert compute_bands(prices, category=[0] * 4 + [1] * 4, bands=2, min_products=4) == [1, 1, 2, 2, 1, 1, 2, 2]
    assert compute_bands(prices, category=[-1] * 8, bands=2, min_products=4) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_small_category_is_compared_with_the_whole_catalog():
    assert compute_bands([1, 2, 3, 4, 100], category=[0, 0, 0, 0, 1], bands=2, min_products=4) == [1, 1, 2, 2, 2]


def test_currencies_are_never_compared():
    assert compute_bands([1, 2, 3, 100, 200, 300], ["EUR"] * 3 + ["JPY"] * 3, bands=3, min_products=3) == [
        1,
        2,
        3,
        1,
        2,
        3,
    ]
    assert compute_bands([1, 2, 3, 500], ["EUR"] * 3 + ["JPY"], bands=3, min_products=3) == [1, 2, 3, -1]


def test_products_without_a_price_have_no_band_and_do_not_count():
    assert compute_bands([float("nan"), 1, 2], bands=2, min_products=2) == [-1, 1, 2]
    assert compute_bands([float("nan")]) == [-1]
    assert compute_bands([]) == []
