"""Bands of word scores: popularity and taste order products of one band and never lift one over a better band."""

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
        _write_word_bands(text, tier, bands)
    return bands


@compiled_with_gil
def _write_word_bands(text: AnyFloats, tier: AnyInts, bands: AnyInts) -> None:
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
