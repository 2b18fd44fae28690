"""Packs a customer's RFM cells at several moments into one integer."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from customers.lifecycle.scoring.rfm.rfm_scores import RfmValues

BITS_PER_MONTH = 5  # 25 cells, and 0 for none
MAX_MONTHS = 12  # 60 of the 63 bits that a non-negative bigint has


def pack_cells(*, customers: int, figures: Iterable[RfmValues]) -> npt.NDArray[np.int64]:
    """Return the cells of n customers at k ≤ 12 moments, shape (n,): five bits per moment, the last in the lowest bits.

    Each cell is R and F as one number from 1 (R 1, F 1) to 25 (R 5, F 5), as `RfmValues.compute_cells`; 0 without orders.
    ``figures``: of `measure_rfm`, by ascending moment; their rows are below ``customers``.
    Errors: ValueError for more than 12 moments.
    """
    packed = np.zeros(customers, np.int64)
    for number, values in enumerate(figures, start=1):
        if number > MAX_MONTHS:
            raise ValueError(f"pack_cells accepts at most {MAX_MONTHS} moments; pass the latest ones.")
        packed <<= BITS_PER_MONTH
        packed[values.row] |= values.compute_cells()
    return packed
