"""How the products that were found spread over categories, brands, prices and attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.serving.search.snapshot import Levels, Snapshot

MOST_VALUES = 30
PRICE_RANGES = 5
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
CENT = 0.01
MOST_LOOKED_AT = 5000  # prices from which the ends are chosen


@dataclass(frozen=True)
class Value:
    value: str
    count: int


@dataclass(frozen=True)
class PriceRange:
    """Both ends belong to it; None: without end."""

    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class Facets:
    category: Sequence[Value] = ()
    brand: Sequence[Value] = ()
    price: Sequence[PriceRange] = ()
    attributes: Mapping[str, Sequence[Value]] = field(default_factory=dict)


def category_counts(levels: Levels, codes: npt.NDArray[np.int32], *, below: str) -> list[Value]:
    """The children of the category ``below`` (the roots for ""), or further down where all products are in one child."""
    depth = len(below.split(" > ")) if below else 0
    codes = np.where(codes < (levels.at[0].size - 1 if levels.at else 0), codes, -1)
    found: list[Value] = []
    for level in range(depth, len(levels.at)):
        places = levels.at[level][codes]
        counts = np.bincount(places[places >= 0], minlength=len(levels.paths))
        met = np.flatnonzero(counts)
        deeper = most_first([levels.paths[place] for place in met.tolist()], counts[met])
        if below:
            deeper = [value for value in deeper if value.value.startswith(f"{below} > ")]
        if not deeper:
            break
        found = deeper
        if len(found) > 1:
            break
    return found[:MOST_VALUES]


def brand_counts(brands: Mapping[str, int], codes: npt.NDArray[np.int32]) -> list[Value]:
    counts = np.bincount(codes[codes >= 0])
    best = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    names = named(brands, [place for place in best.tolist() if counts[place]])
    return [Value(names[place], int(counts[place])) for place in names]


def named(codes: Mapping[str, int], wanted: Sequence[int]) -> dict[int, str]:
    """Names of codes that were given in the order in which the names stand, 0 first."""
    every = list(codes)
    return {code: every[code] for code in wanted if code < len(every)}


def most_first(names: Sequence[str], counts: npt.NDArray[np.integer]) -> list[Value]:
    pairs = sorted(zip(names, counts.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [Value(name, count) for name, count in pairs]


def price_ranges(prices: npt.NDArray[np.float64]) -> list[PriceRange]:
    """Up to five ranges that hold about as many products each, with round ends; none where all cost the same."""
    known = prices[np.isfinite(prices)]
    if len(known) < 2:
        return []
    sample = known[:: len(known) // MOST_LOOKED_AT + 1]
    cuts = np.quantile(sample, np.arange(1, PRICE_RANGES) / PRICE_RANGES)
    low, high = float(known.min()), float(known.max())
    edges = sorted({edge for cut in cuts.tolist() if low < (edge := nice(cut)) <= high})
    if not edges:
        return []
    above = [int(np.count_nonzero(known > edge - CENT / 2)) for edge in edges]
    counts = [more - fewer for more, fewer in pairwise([len(known), *above, 0])]
    lows, highs = [None, *edges], [*(round(edge - CENT, 2) for edge in edges), None]
    return [PriceRange(start, end, count) for start, end, count in zip(lows, highs, counts, strict=True) if count]


def nice(value: float) -> float:
    """The nearest of 1, 2, 2.5 and 5 times a power of ten, or of tenths of the next power where that is nearer than a fifth."""
    if value <= 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(value))
    step = power / 10 if value / power >= 1.5 else power / 20
    rough = min(NICE, key=lambda factor: abs(factor * power - value)) * power
    nearest = rough if abs(rough - value) <= value / 10 else round(value / step) * step
    return round(float(nearest), 2)


def attribute_counts(snapshot: Snapshot, rows: Rows) -> dict[str, list[Value]]:
    found = snapshot.texts.attributes.counts(rows)
    return {name: [Value(value, count) for value, count in values] for name, values in found.items()}
