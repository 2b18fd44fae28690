"""Bands of word scores: popularity and taste order products of one band and never lift one over a better band."""

import numpy as np
import numpy.typing as npt

BAND_RATIO = 0.5  # a product with less than this share of the best word score is in the next band
MAX_BANDS = 8


def compute_word_bands(text: npt.NDArray[np.float32], tier: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the band of each product within its tier: 0 for the best word scores, at most MAX_BANDS - 1.

    Band b holds the scores from BAND_RATIO^(b + 1) to BAND_RATIO^b of the largest of the tier.
    """
    if not len(text):
        return np.zeros(0, np.int64)
    largest = np.zeros(int(tier.max()) + 1, np.float32)
    np.maximum.at(largest, tier, text)
    share = text / np.maximum(largest[tier], np.float32(1e-9))
    bands = np.floor(np.log(np.maximum(share, 1e-6)) / np.log(BAND_RATIO)).astype(np.int64)
    return np.clip(bands, 0, MAX_BANDS - 1)
