"""Builds Arrow arrays from our own data.

``pa.array`` would import pandas to look for its types, which takes a second and 60 MB.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def build_integer_array(values: Sequence[int] | npt.NDArray[np.int64]) -> pa.Array:
    """Return whole numbers as a 64-bit Arrow array."""
    numbers = np.asarray(values, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def build_text_array(values: Sequence[str]) -> pa.Array:
    """Return texts as an Arrow array; raises UnicodeEncodeError for half of a surrogate pair."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers)
