"""Bands of word scores: popularity and taste order products of one band and never lift one over a better band."""

import numpy as np
import numpy.typing as npt

from recommendations.engine.text_search.order_kernels import write_word_bands


def compute_word_bands(text: npt.NDArray[np.float32], tier: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the band of each product within its tier: 0 for the best word scores, at most MAX_BANDS - 1.

    Band b holds the scores from BAND_RATIO^(b + 1) to BAND_RATIO^b of the largest of the tier.
    """
    bands = np.zeros(len(text), np.int64)
    if len(text):
        write_word_bands(text, tier, bands)
    return bands
