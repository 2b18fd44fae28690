"""Random numbers that depend on a key, not on a position in a stream, so an order's draws do not depend on other simulated data.

Keys are unsigned 64-bit numbers, one per entity (an order, a device, an event of a session). Each draw of an entity has its own number.
Source: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from config.foundation.random_numbers.splitmix64 import GOLDEN, Keys, mix_bits, scale_to_unit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def hash_to_keys(texts: Sequence[str], *, seed: int) -> Keys:
    """Return a key for each text; another seed gives unrelated keys."""
    salt = seed.to_bytes(8, "big", signed=True)
    digests = b"".join(blake2b(text.encode(), digest_size=8, salt=salt).digest() for text in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def mix_keys(keys: Keys) -> Keys:
    with np.errstate(over="ignore"):  # SplitMix64 computes modulo 2^64, so overflow is part of the algorithm
        return mix_bits(keys + GOLDEN)


def combine_keys(keys: Keys, numbers: npt.ArrayLike) -> Keys:
    """Return the keys of numbered parts, such as the n-th event of a session or a day of a household."""
    return mix_keys(mix_keys(keys) ^ np.asarray(numbers).astype(np.uint64))


def draw_uniform(keys: Keys, question: int) -> Floats:
    """Draw uniformly from [0, 1), using the upper 53 bits, as many as a double can hold."""
    return scale_to_unit(combine_keys(keys, np.uint64(question)))


def draw_exponential(keys: Keys, question: int) -> Floats:
    """Draw exponential waiting times of mean 1."""
    return -np.log1p(-draw_uniform(keys, question))
