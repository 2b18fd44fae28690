"""Features of a series as of an origin, for the global lag model: moving means, lags of the season, calendar, price and promotion.

Everything is computed from the periods up to the origin, apart from the calendar and planned promotions.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints
from customers.demand.forecasting.calendar_features import build_calendar
from customers.demand.forecasting.series import SeriesPanel

SEASON_LAGS, SEASON_MEANS = 3, (4, 8)
MAX_GROUPS = 60  # with more categories, the model would overfit
MIN_LEVEL = 1e-9


@dataclass(frozen=True, eq=False)
class LagFeatures:
    """Features of r = series × horizons at one origin.

    matrix: (n, h, f). level: (n,), demand per period to which the lags are relative. scale: (n,), mean absolute seasonal change.
    """

    matrix: Floats
    level: Floats
    scale: Floats


class FeatureBuilder:
    """Builds the features of a panel at any origin; what all origins share is computed once."""

    def __init__(self, panel: SeriesPanel, horizon: int) -> None:
        self.panel, self.horizon, self.rhythm = panel, horizon, panel.rhythm
        days = panel.list_days(0, panel.n_periods + horizon)
        self.calendar = build_calendar(days, panel.rhythm.days, panel.country)
        self.sums = _sum_up(panel.quantity)
        self.sold_sums = _sum_up((panel.quantity > 0).astype(np.float64))
        self.square_sums = _sum_up(panel.quantity**2)
        change = np.abs(panel.quantity[:, self.rhythm.season :] - panel.quantity[:, : -self.rhythm.season])
        known = np.arange(change.shape[1])[None, :] >= panel.first[:, None]
        self.change_sums, self.change_counts = _sum_up(change * known), _sum_up(known.astype(np.float64))
        totals = panel.quantity.sum(axis=0, keepdims=True)
        codes = panel.group + 1
        groups = np.zeros((int(codes.max()) + 1, panel.n_periods))
        np.add.at(groups, codes, panel.quantity)
        self.total_sums, self.group_sums = _sum_up(totals), _sum_up(groups)
        self.group_code = np.where(panel.group < MAX_GROUPS, panel.group, -1) if codes.max() > 1 else codes * 0
        self.last_sale = np.maximum.accumulate(
            np.where(panel.quantity > 0, np.arange(panel.n_periods)[None, :], -1), axis=1
        )

    def select(self, rows: Ints) -> "FeatureBuilder":
        """Return a builder of some series, which still knows the totals of all."""
        part = copy(self)
        part.panel = self.panel.select(rows)
        for name in ("sums", "sold_sums", "square_sums", "change_sums", "change_counts", "last_sale", "group_code"):
            setattr(part, name, getattr(self, name)[rows])
        return part

    def build(self, origin: int) -> LagFeatures:
        """Return the features as of the end of period ``origin − 1`` for the next periods."""
        level, scale = self._measure_level(origin), self._measure_scale(origin)
        own = self._build_own(origin, level, scale)
        by_horizon = self._build_seasonal(origin, level)
        columns = [np.repeat(own[:, None, :], self.horizon, axis=1), by_horizon, self._build_shared(origin)]
        columns.append(self._build_offers(origin))
        return LagFeatures(np.concatenate(columns, axis=2), level, scale)

    def _measure_level(self, origin: int) -> Floats:
        """Return the mean demand of the last periods, blended with that of the whole history for series without recent sales."""
        recent = self._average(self.sums, origin, self.rhythm.level)
        whole = self.sums[:, origin] / np.maximum(origin - self.panel.first, 1)
        return np.maximum(0.9 * recent + 0.1 * whole, MIN_LEVEL)

    def _measure_scale(self, origin: int) -> Floats:
        end = max(origin - self.rhythm.season, 0)
        counts = self.change_counts[:, end]
        return np.where(counts > 0, self.change_sums[:, end] / np.maximum(counts, 1), np.nan)

    def _average(self, sums: Floats, origin: int, window: int, skip: int = 0) -> Floats:
        """Return means of the window that ends ``skip`` periods before the origin, over the periods since the series is known."""
        end = max(origin - skip, 0)
        start = np.maximum(end - window, np.minimum(self.panel.first, end))
        return (sums[:, end] - sums[np.arange(len(sums)), start]) / np.maximum(end - start, 1)

    def _build_own(self, origin: int, level: Floats, scale: Floats) -> Floats:
        windows = self.rhythm.windows
        columns = [self._average(self.sums, origin, window) / level for window in windows]
        columns += [self._average(self.sold_sums, origin, window) for window in windows[2:4]]
        wide = self.rhythm.level
        mean = self._average(self.sums, origin, wide)
        spread = np.sqrt(np.maximum(self._average(self.square_sums, origin, wide) - mean**2, 0))
        columns += [spread / level, np.log1p(level), scale / level]
        columns.append(np.minimum(origin - self.panel.first, self.rhythm.year).astype(np.float64))
        columns.append(np.minimum(origin - 1 - self.last_sale[:, origin - 1], self.rhythm.year).astype(np.float64))
        for sums, rows in ((self.group_sums, self.panel.group + 1), (self.total_sums, np.zeros(len(level), np.int64))):
            for short, long in ((windows[0], windows[2]), (windows[2], windows[4])):
                ratio = self._compare(sums, origin, short, long)
                columns.append(ratio[rows])
        columns.append(self.group_code.astype(np.float64))
        return np.column_stack(columns).astype(np.float64)

    def _compare(self, sums: Floats, origin: int, short: int, long: int) -> Floats:
        begin = max(origin - long, 0), max(origin - short, 0)
        whole = (sums[:, origin] - sums[:, begin[0]]) / max(origin - begin[0], 1)
        part = (sums[:, origin] - sums[:, begin[1]]) / max(origin - begin[1], 1)
        return np.where(whole > 0, part / np.maximum(whole, MIN_LEVEL), np.nan)

    def _build_seasonal(self, origin: int, level: Floats) -> Floats:
        """Return lags of the same season and of the same time last year, (n, h, …); NaN before the history."""
        steps = np.arange(1, self.horizon + 1)
        season = self.rhythm.season
        nearest = origin - 1 + steps - season * -(-steps // season)
        lags = nearest[None, :] - season * np.arange(max(SEASON_MEANS))[:, None]  # (8, h)
        values = self._take(lags) / level[:, None, None]  # (n, 8, h)
        with np.errstate(invalid="ignore"):
            columns = [values[:, lag] for lag in range(SEASON_LAGS)]
            columns += [_mean_known(values[:, :count]) for count in SEASON_MEANS]
            columns.append(_mean_known((values > 0).astype(np.float64) + values * 0))
            columns.append(np.nanmedian(np.where(np.isnan(values), 0, values), axis=1))
        columns += self._build_yearly(origin, steps)
        return np.stack(columns, axis=2)

    def _build_yearly(self, origin: int, steps: Ints) -> list[Floats]:
        """Return demand around the same time last year ÷ demand before the same origin last year: own and of all series."""
        year, width = self.rhythm.year, 3 if self.rhythm.days == 1 else 1
        around = origin - 1 + steps - year  # (h,)
        columns = []
        shape = (self.panel.n_series, self.horizon)
        for sums in (self.sums, self.total_sums):
            low, high = (around - width).clip(0), (around + width + 1).clip(0, origin)
            base_end = max(origin - year, 0)
            base_start = max(base_end - self.rhythm.recent, 0)
            base = (sums[:, base_end] - sums[:, base_start]) / max(base_end - base_start, 1)
            near = (sums[:, high] - sums[:, low]) / np.maximum(high - low, 1)
            known = (around - width >= 0) & (base_end - base_start >= self.rhythm.season)
            ratio = np.where(known & (base[:, None] > 0), near / np.maximum(base[:, None], MIN_LEVEL), np.nan)
            columns.append(np.broadcast_to(ratio, shape))
        exact = self._take(around[None, :])[:, 0]
        base_own = self._average(self.sums, origin, self.rhythm.recent, skip=year)
        columns.append(exact / np.where(base_own > 0, base_own, np.nan)[:, None])
        return columns

    def _take(self, periods: Ints) -> Floats:
        """Return the demand of periods (k, h) as (n, k, h); NaN before a series is known."""
        known = (periods >= 0)[None] & (periods[None] >= self.panel.first[:, None, None])
        return np.where(known, self.panel.quantity[:, periods.clip(0)], np.nan)

    def _build_shared(self, origin: int) -> Floats:
        calendar = self.calendar[origin : origin + self.horizon]
        steps = np.arange(1, self.horizon + 1)[:, None]
        shared = np.concatenate([steps, calendar], axis=1)
        return np.broadcast_to(shared, (self.panel.n_series, *shared.shape))

    def _build_offers(self, origin: int) -> Floats:
        """Return price and promotion of the last periods, relative to before, and planned promotions, (n, h, 4)."""
        shape = (self.panel.n_series, self.horizon)
        columns = np.full((*shape, 4), np.nan)
        recent, wide = self.rhythm.windows[0] if self.rhythm.days == 1 else 2, self.rhythm.level
        if self.panel.price is not None:
            now = _mean_known(self.panel.price[:, max(origin - recent, 0) : origin], axis=1)
            usual = _mean_known(self.panel.price[:, max(origin - wide, 0) : origin], axis=1)
            columns[:, :, 0] = (now / np.where(usual > 0, usual, np.nan))[:, None]
        if self.panel.promotion is not None:
            columns[:, :, 1] = self.panel.promotion[:, max(origin - recent, 0) : origin].mean(axis=1)[:, None]
            columns[:, :, 2] = self.panel.promotion[:, max(origin - wide, 0) : origin].mean(axis=1)[:, None]
            if self.panel.is_planned:
                plan = self.panel.promotion[:, origin : origin + self.horizon]
                columns[:, : plan.shape[1], 3] = plan
        return columns


def _sum_up(values: Floats) -> Floats:
    """Return cumulative sums with a leading 0, (n, T + 1)."""
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)


def _mean_known(values: Floats, axis: int = 1) -> Floats:
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    return np.where(count > 0, values.sum(axis=axis, where=known) / np.maximum(count, 1), np.nan)
