"""Demand of many products over time, as arrays."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Ints

DAY, WEEK = "day", "week"
MAX_REPEATED = 8  # weeks that are repeated while a product is out of stock


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


def fill_closed_days(quantity: Floats, is_closed: Flags, season: int) -> Floats:
    """Replace the demand of days on which the shop was closed by the mean of up to four earlier periods of the same season (weekday).

    Args:
        quantity: (n, T). is_closed: (T,).
    """
    filled = quantity.copy()
    for period in np.flatnonzero(is_closed).tolist():
        earlier = np.arange(period - season, max(-1, period - 4 * season - 1), -season)
        if len(earlier):  # filled ones included, so that a long closure keeps its level
            filled[:, period] = filled[:, earlier].mean(axis=1)
    return filled


def fill_stock_outs(quantity: Floats, last: Ints, first: Ints, is_out: Flags, season: int) -> Floats:
    """Replace the demand of sold-out series since their last sale, when sales say nothing about demand.

    Args:
        quantity: (n, T). last, first: (n,), periods of the last and the first sale. is_out: (n,).
    The whole weeks before the last sale, up to eight, are repeated. They do not contain the last sale, which is also replaced: the stock ends
    with a sale, so that day says as little about how often the product sells as the first sale does. Without a whole week before it, the
    last sale is kept. Means instead of repeated sales would be small amounts on every day, which Croston and TSB take for frequent sales.
    """
    known = last[is_out] - first[is_out]
    length = season * np.clip(known // season, 1, MAX_REPEATED)
    since = (np.arange(quantity.shape[1]) - last[is_out, None]).astype(np.int64)  # the last sale is period 0
    source = np.maximum(last[is_out, None] + since % length[:, None] - length[:, None], 0)
    is_unknown = since >= np.where(known >= season, 0, 1)[:, None]
    filled = quantity.copy()
    filled[is_out] = np.where(is_unknown, np.take_along_axis(quantity[is_out], source, axis=1), quantity[is_out])
    return filled
