"""The month ends of stored RFM cells, and the cells packed into one integer."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from config.foundation.shop.profile import get_time_zone
from customers.lifecycle.scoring.rfm.rfm_scores import RfmValues

BITS_PER_MONTH = 5  # 25 cells, and 0 for none
MAX_MONTHS = 12  # 60 of the 63 bits that a non-negative bigint has
MONTH = timedelta(days=30.4375)


def list_month_ends(*, as_of: datetime) -> list[datetime]:
    """Return the last twelve month ends up to as_of in the shop's time zone, ascending."""
    zone = get_time_zone()
    local = as_of.astimezone(zone)
    newest = 12 * local.year + local.month - 1
    return [
        datetime(number // 12, number % 12 + 1, 1, tzinfo=zone) for number in range(newest - MAX_MONTHS + 1, newest + 1)
    ]


def find_month_ago(*, as_of: datetime) -> int:
    """Return the month end nearest to one month before as_of, as the number of month ends before the last one."""
    ends = list_month_ends(as_of=as_of)[::-1]
    return min(range(len(ends)), key=lambda back: abs(as_of - MONTH - ends[back]))


def pack_cells(*, customers: int, figures: Iterable[RfmValues]) -> npt.NDArray[np.int64]:
    """Return the cells of n customers at k ≤ 12 moments as integers, shape (n,).

    Each moment has five bits, the last moment the lowest ones.
    Each cell is R and F as one number from 1 (R 1, F 1) to 25 (R 5, F 5), as `RfmValues.compute_cells`; 0 without orders.
    ``figures``: of `measure_rfm`, by ascending moment; their rows are below ``customers``.
    Errors: ValueError for more than 12 moments.
    """
    packed = np.zeros(customers, np.int64)
    for number, values in enumerate(figures, start=1):
        if number > MAX_MONTHS:
            raise ValueError(f"pack_cells accepts at most {MAX_MONTHS} moments; pass the latest ones.")
        packed <<= BITS_PER_MONTH  # the latest moment ends up in the lowest bits
        packed[values.row] |= values.compute_cells()
    return packed
