"""Names of NumPy array types for signatures, and the sentinel for a time that never comes."""

import numpy as np
import numpy.typing as npt

type Ints = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]
type Flags = npt.NDArray[np.bool_]
type Rows = npt.NDArray[np.int32]  # row numbers of users or items in the engine
type AnyInts = npt.NDArray[np.integer]  # kernels accept every width and are compiled once per width
type AnyFloats = npt.NDArray[np.floating]

# A quarter of the largest int64, so that a kernel can add durations in microseconds to it without overflow.
NEVER = np.iinfo(np.int64).max // 4
