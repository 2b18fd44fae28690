"""Random draws depend only on the key and the number of the draw, and are uniform and independent."""

import numpy as np

from config.clickstream.random_draws import combine_keys, draw_exponential, draw_uniform, hash_to_keys, mix_keys

TEXTS = [f"basket {number}" for number in range(20_000)]


def test_draws_match_the_published_splitmix64_numbers() -> None:
    # the first three numbers for seed 0 in Vigna's splitmix64.c, whose state grows by the golden gamma
    states = np.array([0, 0x9E3779B97F4A7C15, 0x3C6EF372FE94F82A], dtype=np.uint64)
    assert [int(draw) for draw in mix_keys(states)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_a_key_has_the_same_draws_in_any_batch() -> None:
    keys = hash_to_keys(TEXTS, seed=1)
    subset = hash_to_keys(TEXTS[7:9], seed=1)
    assert (subset == keys[7:9]).all()
    assert (draw_uniform(subset, 3) == draw_uniform(keys, 3)[7:9]).all()
    assert (combine_keys(subset, [4, 5]) == combine_keys(keys[7:9], [4, 5])).all()


def test_another_seed_or_purpose_gives_other_draws() -> None:
    keys = hash_to_keys(TEXTS, seed=1)
    assert not (keys == hash_to_keys(TEXTS, seed=2)).any()
    assert abs(np.corrcoef(draw_uniform(keys, 1), draw_uniform(keys, 2))[0, 1]) < 0.03
    assert abs(np.corrcoef(draw_uniform(combine_keys(keys, 1), 1), draw_uniform(combine_keys(keys, 2), 1))[0, 1]) < 0.03


def test_draws_are_uniform() -> None:
    draws = draw_uniform(hash_to_keys(TEXTS, seed=-5), 1)
    assert 0 <= draws.min() < draws.max() < 1
    counts = np.histogram(draws, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi-square of 19 degrees of freedom, one in a thousand
    assert abs(draw_exponential(hash_to_keys(TEXTS, seed=1), 1).mean() - 1) < 0.03
