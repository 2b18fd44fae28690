"""The supports of several sources as one table for compiled code."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recommendations.engine.linear_algebra.array_views import find_address
from recommendations.engine.pair_support.support import PairSupport


class SupportTable:
    """`rows`: int64 (sources, 7): whether a more specific pair may replace a cause of the source, the number of items of its support (0
    for a source without one), and the addresses of its arrays: int64 indptr, int32 indices, orders and people, float32 lift.
    """  # fmt: skip

    def __init__(self, supports: Sequence[PairSupport | None], prefers_specific: Sequence[bool]) -> None:
        self.rows = np.zeros((max(len(supports), 1), 7), np.int64)
        self._arrays: list[tuple[npt.NDArray[Any], ...]] = []  # the table only has their addresses
        for row, support, is_replaceable in zip(self.rows, supports, prefers_specific, strict=False):
            if support is None:
                continue
            arrays: tuple[npt.NDArray[Any], ...] = (
                np.ascontiguousarray(support.indptr, np.int64),
                *(np.ascontiguousarray(part, np.int32) for part in (support.indices, support.orders, support.people)),
                np.ascontiguousarray(support.lift, np.float32),
            )
            row[:2] = is_replaceable, len(support.indptr) - 1
            row[2:] = [find_address(array) for array in arrays]
            self._arrays.append(arrays)
