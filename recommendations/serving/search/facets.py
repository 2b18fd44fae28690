"""Facets: how the matching products are distributed over categories, brands, prices and attributes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.variety.product_groups import count_values
from recommendations.serving.expressions.attributes import is_public
from recommendations.serving.search.index.category_levels import CategoryLevels
from recommendations.serving.search.snapshot import SearchSnapshot

MAX_VALUES = 30
PRICE_RANGES = 5
NICE_FACTORS = (1.0, 2.0, 2.5, 5.0, 10.0)
CENT = 0.01
MAX_SAMPLED_PRICES = 5000  # prices sampled to choose the range ends


# structs, because a page has hundreds of values
class FacetValue(msgspec.Struct, frozen=True):
    value: str
    count: int


class PriceRange(msgspec.Struct, frozen=True):
    """A price range including both ends; None: open end."""

    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Facets:
    category: Sequence[FacetValue] = ()
    brand: Sequence[FacetValue] = ()
    price: Sequence[PriceRange] = ()
    attributes: Mapping[str, Sequence[FacetValue]] = field(default_factory=dict)


def count_categories(
    levels: CategoryLevels, codes: npt.NDArray[np.int32], *, below: str, groups: Rows | None = None
) -> list[FacetValue]:
    """Count the children of the category ``below`` (roots for "").

    If all products are in one child, its children are counted instead. groups: to count groups instead, see `count_values`.
    """
    depth = len(below.split(" > ")) if below else 0
    # a product may have a category that the catalog added after these levels were built
    codes = np.where(codes < (levels.at[0].size - 1 if levels.at else 0), codes, -1)
    values: list[FacetValue] = []
    for level in range(depth, len(levels.at)):
        ancestors = levels.at[level][codes]
        counts = count_values(ancestors, len(levels.paths), groups)
        present = np.flatnonzero(counts)
        deeper = sort_values([levels.paths[index] for index in present.tolist()], counts[present])
        if below:
            deeper = [value for value in deeper if value.value.startswith(f"{below} > ")]
        if not deeper:
            break
        values = deeper
        if len(values) > 1:
            break
    return values[:MAX_VALUES]


def count_brands(brands: Sequence[str], codes: npt.NDArray[np.int32], groups: Rows | None = None) -> list[FacetValue]:
    """Count the brands, by the codes of the products; brands that were added after the list are left out.

    groups: to count groups instead, see `count_values`.
    """
    counts = count_values(codes, int(codes.max(initial=-1)) + 1, groups)
    present = np.flatnonzero(counts)
    best = present[np.argsort(-counts[present], kind="stable")[:MAX_VALUES]]
    pairs = zip(best.tolist(), counts[best].tolist(), strict=True)
    return [FacetValue(brands[code], count) for code, count in pairs if code < len(brands)]


def sort_values(names: Sequence[str], counts: npt.NDArray[np.integer]) -> list[FacetValue]:
    pairs = sorted(zip(names, counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [FacetValue(name, count) for name, count in pairs]


def build_price_ranges(prices: npt.NDArray[np.float64], groups: Rows | None = None) -> list[PriceRange]:
    """Return up to five ranges with about equally many products and round ends.

    None if all prices are equal. groups: to count groups in the ranges instead, see `count_values`.
    """
    is_finite = np.isfinite(prices)
    finite_prices = prices[is_finite]
    if len(finite_prices) < 2:
        return []
    sample = np.sort(finite_prices[:: len(finite_prices) // MAX_SAMPLED_PRICES + 1])
    quantiles = [interpolate_quantile(sample, number / PRICE_RANGES) for number in range(1, PRICE_RANGES)]
    is_whole = len(sample) == len(finite_prices)
    low, high = (sample[0], sample[-1]) if is_whole else (finite_prices.min(), finite_prices.max())
    edges = sorted({edge for quantile in quantiles if low < (edge := round_price(quantile)) <= high})
    if not edges:
        return []
    lows, highs = [None, *edges], [*(round(edge - CENT, 2) for edge in edges), None]
    if groups is not None:
        ranges = np.searchsorted([edge - CENT / 2 for edge in edges], finite_prices)
        counts = count_values(ranges, len(lows), groups[is_finite]).tolist()
        return [PriceRange(*entry) for entry in zip(lows, highs, counts, strict=True) if entry[-1]]
    if is_whole:
        ends = np.searchsorted(sample, [edge - CENT / 2 for edge in edges], side="right")
        counts_above = (len(sample) - ends).tolist()
    else:
        counts_above = [int(np.count_nonzero(finite_prices > edge - CENT / 2)) for edge in edges]
    counts = [more - fewer for more, fewer in pairwise([len(finite_prices), *counts_above, 0])]
    return [PriceRange(start, end, count) for start, end, count in zip(lows, highs, counts, strict=True) if count]


def interpolate_quantile(ordered: npt.NDArray[np.float64], share: float) -> float:
    """Return a quantile with linear interpolation, like `numpy.quantile`, but twenty times as fast."""
    position = share * (len(ordered) - 1)
    before = math.floor(position)
    low, high = float(ordered[before]), float(ordered[min(before + 1, len(ordered) - 1)])
    weight = position - before
    return high - (high - low) * (1 - weight) if weight >= 0.5 else low + (high - low) * weight


def round_price(value: float) -> float:
    """Round to the nearest of 1, 2, 2.5 and 5 times a power of ten.

    Round more finely if that differs by more than 10%.
    """
    if value <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(value))
    step = power / 10 if value / power >= 1.5 else power / 20
    rounded = min(NICE_FACTORS, key=lambda factor: abs(factor * power - value)) * power
    nearest = rounded if abs(rounded - value) <= value / 10 else round(value / step) * step
    return round(nearest, 2)


def count_attributes(
    snapshot: SearchSnapshot, rows: Rows, *, is_browser: bool, groups: Rows | None = None
) -> dict[str, list[FacetValue]]:
    """Count the values of the attributes of text rows; for a browser, only of public attributes."""
    counts = snapshot.texts.attributes.count_values(rows, is_shown=is_public if is_browser else None, groups=groups)
    return {name: [FacetValue(value, count) for value, count in values] for name, values in counts.items()}
