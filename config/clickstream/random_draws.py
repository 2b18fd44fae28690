"""Random numbers that belong to things, not to a place in a stream: a basket draws the same whatever else is simulated.

`keys` are unsigned 64-bit numbers, one a thing (a basket, a device, an event of a session). Each question has a number of its own.
The mixing is SplitMix64's (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
"""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def keys_of(texts: Sequence[str], *, seed: int) -> Keys:
    """A key for each text; another seed gives quite other ones."""
    salt = seed.to_bytes(8, "big", signed=True)
    digests = b"".join(blake2b(text.encode(), digest_size=8, salt=salt).digest() for text in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def mixed(keys: Keys) -> Keys:
    with np.errstate(over="ignore"):
        z = keys + GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def joined(keys: Keys, numbers: npt.ArrayLike) -> Keys:
    """Keys of parts: of the so-manieth event of a session, of a household's day."""
    return mixed(mixed(keys) ^ np.asarray(numbers).astype(np.uint64))


def uniform(keys: Keys, question: int) -> Floats:
    """Evenly in [0, 1)."""
    return (joined(keys, np.uint64(question)) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def exponential(keys: Keys, question: int) -> Floats:
    """Waiting times of mean 1."""
    return -np.log1p(-uniform(keys, question))
