"""Demand of many products over time, as arrays."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints

DAY, WEEK = "day", "week"


@dataclass(frozen=True)
class Rhythm:
    """What repeats in series of days or weeks, in periods.

    season: of the seasonal naive forecast. year: periods after which the calendar repeats with the same weekdays. windows: of moving means;
    level: the window whose mean is the level of a series.
    """

    step: str
    days: int
    season: int
    year: int
    windows: tuple[int, ...]
    level: int
    recent: int
    min_history: int


RHYTHMS = {
    DAY: Rhythm(DAY, 1, 7, 364, (7, 14, 28, 56, 112), 56, 28, 28),
    WEEK: Rhythm(WEEK, 7, 1, 52, (1, 2, 4, 8, 13, 26), 13, 8, 8),
}


@dataclass(frozen=True, eq=False)
class SeriesPanel:
    """Demand of n series in T consecutive periods.

    quantity: (n, T), units, 0 without a sale and before the first one. start: day of the first period. first: (n,), index of the period
    from which a series is known. group: (n,), code of the category, -1 for none. price: (n, T), NaN where unknown. promotion: (n, T) or
    longer, share of the units sold at a discount, or 1 on days of a promotion. is_planned: whether `promotion` is known beyond T.
    country: ISO code for public holidays, empty for none.
    """

    quantity: Floats
    start: np.datetime64
    step: str
    first: Ints
    group: Ints
    price: Floats | None = None
    promotion: Floats | None = None
    is_planned: bool = False
    country: str = ""

    @property
    def rhythm(self) -> Rhythm:
        return RHYTHMS[self.step]

    @property
    def n_series(self) -> int:
        return self.quantity.shape[0]

    @property
    def n_periods(self) -> int:
        return self.quantity.shape[1]

    def cut(self, periods: int) -> "SeriesPanel":
        """Return what was known after the first periods; a planned promotion stays known."""
        return replace(
            self,
            quantity=self.quantity[:, :periods],
            price=None if self.price is None else self.price[:, :periods],
            promotion=self.promotion if self.promotion is None or self.is_planned else self.promotion[:, :periods],
        )

    def select(self, rows: Ints | Flags) -> "SeriesPanel":
        """Return the panel of some series."""
        return replace(
            self,
            quantity=self.quantity[rows],
            first=self.first[rows],
            group=self.group[rows],
            price=None if self.price is None else self.price[rows],
            promotion=None if self.promotion is None else self.promotion[rows],
        )

    def list_days(self, start: int, stop: int) -> npt.NDArray[np.datetime64]:
        """Return the first days of the periods from start to stop."""
        return np.asarray(self.start + self.rhythm.days * np.arange(start, stop).astype("timedelta64[D]"))


@dataclass(frozen=True, eq=False)
class Forecast:
    """Forecasts of n series for h periods, both of shape (n, h).

    median minimizes the absolute error of one period; mean adds up over periods and products.
    """

    median: Floats
    mean: Floats


def fill_stock_outs(quantity: Floats, is_out: Flags, season: int) -> Floats:
    """Replace the demand of periods without stock, when sales say nothing about demand.

    Args:
        quantity, is_out: (n, T).
    A period without stock gets the mean of up to four earlier periods of the same season (weekday) with stock; 0 if there are none.
    """
    filled = quantity.copy()
    for period in np.flatnonzero(is_out.any(axis=0)).tolist():
        earlier = np.arange(period - season, max(-1, period - 4 * season - 1), -season)
        if len(earlier):  # filled ones included, so that a long stock-out keeps its level
            rows = is_out[:, period]
            filled[rows, period] = filled[np.ix_(rows, earlier)].mean(axis=1)
    return filled
