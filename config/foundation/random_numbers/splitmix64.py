"""SplitMix64: pseudo-random 64-bit numbers that depend only on a key. Source: Steele, Lea & Flood, OOPSLA 2014.

`mix_bits` takes arrays, and single numbers once compiled (`recommendations/engine/linear_algebra/formula_kernels.py`).
"""

import numpy as np
import numpy.typing as npt

type Keys = npt.NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: the step between the states of a stream
FIRST_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
SECOND_FACTOR = np.uint64(0x94D049BB133111EB)


def mix_bits[Number: (Keys, np.uint64)](state: Number) -> Number:
    """Return the output of SplitMix64 for each state, computed modulo 2^64."""
    mixed = (state ^ (state >> np.uint64(30))) * FIRST_FACTOR
    mixed = (mixed ^ (mixed >> np.uint64(27))) * SECOND_FACTOR
    return mixed ^ (mixed >> np.uint64(31))


def scale_to_unit(bits: Keys) -> npt.NDArray[np.float64]:
    """Return numbers in [0, 1) from the upper 53 bits, as many as a double can hold."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
