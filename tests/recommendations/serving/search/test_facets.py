"""Facet counts and price ranges against numpy and plain Python."""

from itertools import pairwise

import numpy as np
import pytest

from recommendations.engine.variety.product_groups import ProductGroups, count_values
from recommendations.serving.search.facets import (
    MAX_SAMPLED_PRICES,
    FacetValue,
    build_price_ranges,
    count_brands,
    interpolate_quantile,
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 250, 4999])
def test_quantiles_equal_those_of_numpy(size: int) -> None:
    ordered = np.sort(np.random.default_rng(size).lognormal(3, 1, size).round(2))
    for share in (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0):
        assert interpolate_quantile(ordered, share) == np.quantile(ordered, share)


@pytest.mark.parametrize("size", [30, 900, 2 * MAX_SAMPLED_PRICES + 5])
def test_every_price_is_in_one_range(size: int) -> None:
    prices = np.random.default_rng(size).lognormal(3, 1, size).round(2)
    prices[::7] = np.nan
    finite = prices[np.isfinite(prices)]
    ranges = build_price_ranges(prices)
    assert sum(entry.count for entry in ranges) == len(finite)
    for entry in ranges:
        low, high = entry.low or 0.0, entry.high or np.inf
        assert entry.count == ((finite > low - 0.005) & (finite < high + 0.005)).sum()
    for before, after in pairwise(ranges):
        assert before.high == pytest.approx((after.low or 0) - 0.01)


def test_equal_prices_have_no_ranges() -> None:
    assert build_price_ranges(np.array([5.0, 5.0, np.nan])) == []


def test_brands_are_counted_most_frequent_first_and_unknown_ones_are_left_out() -> None:
    codes = np.array([1, 1, 0, -1, 2, 3, 3, 3], np.int32)
    assert count_brands(["Leaf", "Hearth", "Basic"], codes) == [
        FacetValue("Hearth", 2),
        FacetValue("Leaf", 1),
        FacetValue("Basic", 1),
    ]
    assert count_brands([], np.empty(0, np.int32)) == []


def test_groups_are_counted_once_for_each_value() -> None:
    rng = np.random.default_rng(7)
    groups = ProductGroups.from_parents(rng.integers(-1, 40, 300).astype(np.int32))
    rows = groups.sort_by_group(rng.permutation(300)[:200].astype(np.int32))
    codes = rng.integers(-1, 5, len(rows)).astype(np.int32)
    pairs = {(code, group) for code, group in zip(codes.tolist(), groups.codes[rows].tolist(), strict=True)}
    expected = [sum(code == wanted for code, _group in pairs) for wanted in range(5)]
    assert count_values(codes, 5, groups.codes[rows]).tolist() == expected
    assert count_values(codes, 5).tolist() == [(codes == wanted).sum() for wanted in range(5)]
