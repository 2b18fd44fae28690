"""Bands of word scores."""

import numpy as np

from recommendations.engine.text_search.order_kernels import MAX_BANDS, compute_word_bands


def test_a_band_ends_at_half_of_the_best_score_of_its_tier() -> None:
    text = np.array([1.0, 0.5, 0.49, 0.2, 0.4, 0.0], np.float32)
    tier = np.array([2, 2, 2, 2, 1, 2])
    assert compute_word_bands(text, tier).tolist() == [0, 1, 1, 2, 0, MAX_BANDS - 1]


def test_an_empty_page_has_no_bands() -> None:
    assert compute_word_bands(np.zeros(0, np.float32), np.zeros(0, np.int64)).tolist() == []
