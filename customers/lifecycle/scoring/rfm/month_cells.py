"""A customer's RFM cells at several moments in one whole number."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from customers.lifecycle.scoring.rfm.rfm_scores import RfmFigures

BITS = 5  # 25 cells and none
MOST = 12  # 60 bits of the 63 that a bigint has for what is not negative


def pack_cells(*, customers: int, figures: Iterable[RfmFigures]) -> npt.NDArray[np.int64]:
    """The cells of n customers at k ≤ 12 moments, shape (n,): five bits a moment, the last moment in the lowest bits.

    Each cell is R and F as one number from 1 (R 1, F 1) to 25 (R 5, F 5), as `RfmFigures.cells`; 0 where nothing was ordered.
    ``figures``: of `measure_rfm`, by ascending moment; their rows are below ``customers``.

    Errors: ValueError for more moments.
    """
    packed = np.zeros(customers, np.int64)
    for number, found in enumerate(figures, start=1):
        if number > MOST:
            raise ValueError(f"pack_cells takes {MOST} moments at most; give the last of them.")
        packed <<= BITS
        packed[found.row] |= found.cells()
    return packed
