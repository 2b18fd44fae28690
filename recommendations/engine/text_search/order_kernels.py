"""Order of the matches of a search, compiled: a pass or two instead of dozens over all candidates.

Word scores form bands: popularity and taste order the products within a band and never lift one into a better band.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts
from recommendations.engine.text_search.kernels import compiled_with_gil

BAND_RATIO = 0.5  # a product with less than this share of the best word score is in the next band
MAX_BANDS = 8


def compute_word_bands(text: npt.NDArray[np.float32], tier: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the band of each product within its tier: 0 for the best word scores, at most MAX_BANDS - 1.

    Band b holds the scores from BAND_RATIO^(b + 1) to BAND_RATIO^b of the largest of the tier.
    """
    bands = np.zeros(len(text), np.int64)
    if len(text):
        write_word_bands(text, tier, bands)
    return bands


@compiled_with_gil
def write_word_bands(text: AnyFloats, tier: AnyInts, bands: AnyInts) -> None:
    """Write what `compute_word_bands` returns for at least one product."""
    # one pass instead of a dozen over all candidates: this runs for every search
    largest = np.zeros(tier.max() + 1, np.float32)
    for position in range(text.shape[0]):
        largest[tier[position]] = max(largest[tier[position]], text[position])
    for position in range(text.shape[0]):
        limit = largest[tier[position]] * BAND_RATIO
        band = 0
        while band < MAX_BANDS - 1 and text[position] <= limit:
            limit *= BAND_RATIO
            band += 1
        bands[position] = band


@compiled_with_gil
def weigh_categories(
    text: AnyFloats,
    tier: AnyInts,
    codes: AnyInts,
    popularity: AnyFloats,
    base: float,
    gains: AnyFloats,
    weight: float,
    n_categories: int,
) -> npt.NDArray[np.float32]:
    """Return 1 + weight · the share of each candidate's category, relative to the largest share.

    The share is Σ text⁴ · (base + popularity) · gain over the candidates of the best tier. codes: category of each candidate, -1 for none.
    popularity: of each candidate, empty for none; gains: of each category after the first entry, empty for none.
    """
    shares = np.zeros(n_categories + 1, np.float64)
    best = tier.max()
    for position in range(text.shape[0]):
        if tier[position] == best:
            squared = text[position] * text[position]
            value = squared * squared
            if popularity.shape[0] > 0:
                value = value * (np.float32(base) + popularity[position])
            shares[codes[position] + 1] += value
    shares[0] = 0.0  # products without a category
    if gains.shape[0] > 0:
        shares *= gains
    largest = shares.max()
    divisor = largest if largest != 0 else 1.0
    factors = np.empty(text.shape[0], np.float32)
    for position in range(text.shape[0]):
        factors[position] = np.float32(1 + np.float64(np.float32(weight)) * (shares[codes[position] + 1] / divisor))
    return factors


@compiled_with_gil
def compute_order(
    text: AnyFloats,
    tier: AnyInts,
    personal: AnyFloats,
    popularity: AnyFloats,
    rule: AnyFloats,
    boost: AnyFloats,
    category: AnyFloats,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the score of each candidate, text² times its factors; the number of its group of equal matches; and the sort key of both.

    A factor without entries is 1. Steps between groups are larger than any score: no factor lifts a product over one that matches the
    words better.
    """
    n = text.shape[0]
    score = text * text
    for factor in (personal, popularity, rule, boost, category):
        if factor.shape[0] > 0:
            for position in range(n):
                score[position] *= factor[position]
    groups, keys = np.zeros(n, np.int64), np.empty(n, np.float64)
    if n > 0:
        write_word_bands(text, tier, groups)
    largest = np.float32(0)
    for position in range(n):
        groups[position] = tier[position] * MAX_BANDS - groups[position]
        largest = max(largest, score[position])
    step = np.float64(largest) + 1.0
    for position in range(n):
        keys[position] = groups[position] * step + score[position]
    return score, groups, keys
