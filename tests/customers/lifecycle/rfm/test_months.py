"""The RFM cells of several month ends in one integer."""

import numpy as np
import pytest

from customers.lifecycle.rfm.months import BITS_PER_MONTH, MAX_MONTHS, pack_cells
from customers.lifecycle.scoring.rfm.rfm_scores import measure_rfm
from customers.lifecycle.scoring.stages.order_gaps import DAY

# ten customers order once each, on the days 1 to 10; the first again on day 11
START = np.array([0, 2, *range(3, 12)])
AT = np.array([1, 11, *range(2, 11)]) * DAY
FACTS = {"start": START, "at": AT, "amount": np.ones(11, np.int64), "is_order": np.ones(11, bool)}


def unpack_cell(packed: np.ndarray, back: int) -> np.ndarray:
    """Return the cells ``back`` moments before the last one."""
    return (packed >> (BITS_PER_MONTH * back)) & (2**BITS_PER_MONTH - 1)


def test_packed_cells_can_be_unpacked_with_the_latest_in_the_lowest_bits() -> None:
    moments = [5 * DAY, 11 * DAY, 12 * DAY]
    packed = pack_cells(customers=10, figures=measure_rfm(**FACTS, moments=moments))
    for back, values in enumerate(reversed(list(measure_rfm(**FACTS, moments=moments)))):
        expected = np.zeros(10, np.int64)
        expected[values.row] = values.compute_cells()
        assert unpack_cell(packed, back).tolist() == expected.tolist()
    assert unpack_cell(packed, 2)[4:].tolist() == [0] * 6  # had not ordered by day 5
    assert unpack_cell(packed, 0)[0] == 25  # R 5 and F 5 after the second order
    assert unpack_cell(packed, 3).tolist() == [0] * 10


def test_twelve_moments_fit_but_not_more() -> None:
    moments = [12 * DAY] * MAX_MONTHS
    packed = pack_cells(customers=10, figures=measure_rfm(**FACTS, moments=moments))
    assert (packed >= 0).all()
    assert all(unpack_cell(packed, back)[0] == 25 for back in range(MAX_MONTHS))
    with pytest.raises(ValueError, match="at most 12 moments"):
        pack_cells(customers=10, figures=measure_rfm(**FACTS, moments=[*moments, 12 * DAY]))
