"""Forecasts of a whole shop: products, their categories and the total, which add up, with intervals and quantiles of sums."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.demand.forecasting.accuracy import compute_coverage, compute_mean, compute_scale
from customers.demand.forecasting.backtest import OriginResult, list_origins, pick_forecasts, run_backtest
from customers.demand.forecasting.conformal import (
    CATEGORY,
    PRODUCT,
    SHOP,
    ConformalTable,
    compute_spread,
    fit_conformal,
)
from customers.demand.forecasting.demand_classes import CLASSES, classify_demand
from customers.demand.forecasting.models.registry import BASELINE, MODELS
from customers.demand.forecasting.new_products import forecast_new_products
from customers.demand.forecasting.pipeline import (
    Choice,
    OriginCounts,
    calibrate,
    choose_on_validation,
    forecast_panel,
    list_usable_origins,
)
from customers.demand.forecasting.reconciliation import add_up, reconcile
from customers.demand.forecasting.series import Forecast, SeriesPanel

HORIZON = 28
WEEK_DAYS = 7
# a shop has thousands of series, and AutoETS takes a twentieth of a second for each
COUNTS = OriginCounts(validation=3, calibration=3, slow_sample=40, max_slow=150)
INTERVAL = np.array([0.1, 0.9])
GRID = np.arange(1, 20) / 20  # evenly spaced, for expectations
NO_OTHERS: Ints = np.zeros(0, np.int64)
NEW = "category"  # the "model" of products that are too new
MAX_SHIFT = 3.0  # largest factor by which reconciliation shifts a median


@dataclass(frozen=True, eq=False)
class ShopForecast:
    """Forecasts of n products or sums of products, c categories and the shop, in this order: N = n + c + 1 rows.

    mean, low, high: (N, 28), per day; the means add up, low and high are the ends of 80% intervals. week_low, week_high: (N, 4), of the
    sums of seven days. cumulated: (n, 28, levels), quantiles of a product's demand over the first days, at the levels of `list_levels`.
    model, demand_class, error: (N,), key, code and MASE of the last validation origins (NaN if unknown).
    """

    mean: Floats
    low: Floats
    high: Floats
    week_low: Floats
    week_high: Floats
    cumulated: Floats
    model: list[str]
    demand_class: Ints
    error: Floats
    quality: dict[str, Any]


def count_needed_days() -> int:
    """Return the shortest history, in days, from which a shop can be forecast."""
    return 28 + 4 * HORIZON


def list_levels(service_level: float) -> Floats:
    """Return the levels of `ShopForecast.cumulated`: evenly spaced ones, followed by the service level."""
    return np.append(GRID, service_level)


def stack_panel(panel: SeriesPanel, n_categories: int) -> SeriesPanel:
    """Return the panel of products, followed by the series of their categories and of the shop; every product has a category."""
    categories = add_up(panel.quantity, panel.group, n_categories)
    quantity = np.vstack([panel.quantity, categories, panel.quantity.sum(axis=0, keepdims=True)])
    added = n_categories + 1
    sums = quantity[-added:]
    first = np.concatenate([panel.first, np.where(sums.any(axis=1), (sums > 0).argmax(axis=1), panel.n_periods - 1)])
    group = np.concatenate([panel.group, np.arange(n_categories), [-1]])
    price, promotion = None, None
    if panel.price is not None:
        price = np.vstack([panel.price, np.full((added, panel.n_periods), np.nan)])
    if panel.promotion is not None:
        shares = panel.promotion * panel.quantity
        part = np.vstack([add_up(shares, panel.group, n_categories), shares.sum(axis=0, keepdims=True)])
        promotion = np.vstack([panel.promotion, part / np.maximum(sums, 1e-9)])
    return SeriesPanel(quantity, panel.start, panel.step, first, group, price, promotion, country=panel.country)


def forecast_shop(
    panel: SeriesPanel,
    n_categories: int,
    *,
    service_level: float,
    others: Ints = NO_OTHERS,
    models: Sequence[str] = tuple(MODELS),
    report: Callable[[int, int], None] = lambda done, total: None,
) -> ShopForecast:
    """Return the forecasts of the next 28 days. Errors: ValueError if the history is shorter than `count_needed_days`.

    Args:
        panel: daily series of products; group is the row of the category. others: (m,), number of products in each of the last m series,
            which are sums. report: gets the number of finished series forecasts, and of all.
    Models are chosen at validation origins that end 28 days before the end. These 28 days test the choice, and then also calibrate.
    """
    if panel.n_periods < count_needed_days():
        raise ValueError(
            f"A history of {panel.n_periods} days is too short; at least {count_needed_days()} are needed."
        )
    stacked = stack_panel(panel, n_categories)
    test_start = stacked.n_periods - HORIZON
    n_steps = 2 + len(list_usable_origins(stacked, HORIZON, test_start, COUNTS.validation + COUNTS.calibration))

    def report_step(done: int) -> None:
        report(done * stacked.n_series, n_steps * stacked.n_series)

    choice = choose_on_validation(stacked, HORIZON, end=test_start, models=models, counts=COUNTS, report=report_step)
    tested = run_backtest(
        stacked,
        list_origins(stacked.n_periods, HORIZON, 1),
        HORIZON,
        list(dict.fromkeys([BASELINE, *choice.list_used()])),
        max_slow=None,
        slow_classes=choice.list_slow_classes(),
    )
    report_step(n_steps - 1)
    series_level = list_series_levels(panel.n_series - len(others), len(others) + n_categories)
    quality = measure_quality(choice, tested[0], series_level)
    results = [*choice.results, *tested]
    base = forecast_panel(stacked, HORIZON, choice)
    assembled = assemble(stacked, panel, n_categories, base, choice, results, service_level, others)
    report_step(n_steps)
    return ShopForecast(**assembled, quality=quality)


def list_series_levels(n_products: int, n_categories: int) -> Ints:
    """Return the level of each series of a shop, (N,). n_categories: sums of products included."""
    return np.repeat(np.array([PRODUCT, CATEGORY, SHOP], np.int64), [n_products, n_categories, 1])


def assemble(
    stacked: SeriesPanel,
    panel: SeriesPanel,
    n_categories: int,
    base: Forecast,
    choice: Choice,
    results: Sequence[OriginResult],
    service_level: float,
    others: Ints,
) -> dict[str, Any]:
    """Return the parts of `ShopForecast`: new products, reconciliation, then intervals around the reconciled means."""
    n_products = panel.n_series
    scale = compute_scale(stacked.quantity, stacked.first, stacked.rhythm.season)
    demand_class = classify_demand(stacked.quantity, np.minimum(stacked.first, stacked.n_periods - 1))
    n_own = n_products - len(others)
    is_new = find_new(panel) & (np.arange(n_products) < n_own)  # a sum of products has a model, like a category
    sizes = np.concatenate([np.ones(n_own), others])
    mean = base.mean.copy()
    mean[:n_products][is_new] = forecast_new(panel, n_categories, base.mean[n_products:-1], is_new, sizes)
    variance = measure_variance(choice, results, mean)
    parts = mean[:n_products], mean[n_products:-1], mean[-1]
    weights = variance[:n_products], variance[n_products:-1], float(variance[-1])
    products, categories, shop = reconcile(*parts, category=panel.group, weights=weights)
    reconciled = np.vstack([products, categories, shop[None, :]])
    shift = np.clip(reconciled / np.maximum(mean, 1e-9), 1 / MAX_SHIFT, MAX_SHIFT)
    median = base.median * shift
    median[:n_products][is_new] = reconciled[:n_products][is_new]
    series_level = list_series_levels(n_own, len(others) + n_categories)
    daily = calibrate(choice, results, INTERVAL, series_level=series_level)
    interval = daily.predict(median, compute_spread(reconciled, scale), demand_class)
    week_mean = sum_weeks(reconciled)
    weekly = calibrate_sums(choice, results, INTERVAL, series_level, sum_weeks, WEEK_DAYS)
    week = weekly.predict(week_mean, compute_spread(week_mean, scale * np.sqrt(WEEK_DAYS)), demand_class)
    levels = list_levels(service_level)
    cumulated_mean = np.cumsum(reconciled[:n_products], axis=1)
    lead = calibrate_sums(choice, results, levels, series_level, lambda values: np.cumsum(values, axis=1), 1)
    cumulated = lead.predict(
        cumulated_mean, compute_spread(cumulated_mean, scale[:n_products]), demand_class[:n_products]
    )
    model = [choice.models[code] for code in demand_class]
    for row in np.flatnonzero(is_new):
        model[row] = NEW
    return {
        "mean": reconciled,
        "low": np.minimum(interval[..., 0], reconciled),
        "high": np.maximum(interval[..., 1], reconciled),
        "week_low": np.minimum(week[..., 0], week_mean),
        "week_high": np.maximum(week[..., 1], week_mean),
        "cumulated": np.maximum.accumulate(cumulated, axis=1),
        "model": model,
        "demand_class": demand_class,
        "error": average_errors(choice, results),
    }


def find_new(panel: SeriesPanel) -> Flags:
    """Return which products have too short a history, or too few sales, for a model of their own."""
    sold = (panel.quantity > 0).sum(axis=1)
    return np.asarray((panel.n_periods - panel.first < panel.rhythm.min_history) | (sold < 3))


def forecast_new(panel: SeriesPanel, n_categories: int, category_mean: Floats, is_new: Flags, sizes: Floats) -> Floats:
    """Return the forecasts of new products, (new, 28). sizes: (n,), the number of products in each series."""
    counts = np.bincount(panel.group[~is_new], sizes[~is_new], n_categories).astype(np.int64)
    periods = panel.n_periods - panel.first[is_new]
    return forecast_new_products(
        category_mean,
        counts,
        category=panel.group[is_new],
        sold=panel.quantity[is_new].sum(axis=1),
        periods=periods,
    )


def measure_variance(choice: Choice, results: Sequence[OriginResult], mean: Floats) -> Floats:
    """Return the mean squared daily error of each series at the origins, (N,), at least the variance of a Poisson demand."""
    errors = np.hstack(
        [
            result.actual - pick_forecasts(result.forecasts, choice.models, result.demand_class).mean
            for result in results
        ]
    )
    known = np.isfinite(errors)
    squares = (errors**2).sum(axis=1, where=known) / np.maximum(known.sum(axis=1), 1)
    return np.maximum(squares, mean.mean(axis=1))


def average_errors(choice: Choice, results: Sequence[OriginResult]) -> Floats:
    """Return the mean MASE of each series over the origins, (N,); NaN if it is never known."""
    errors = np.stack([measure_own_errors(choice, result) for result in results])
    known = np.isfinite(errors)
    count = known.sum(axis=0)
    return np.where(count > 0, errors.sum(axis=0, where=known) / np.maximum(count, 1), np.nan)


def measure_own_errors(choice: Choice, result: OriginResult) -> Floats:
    by_model = {key: result.measure_errors(key) for key in result.forecasts}
    keys = list(by_model)
    row = np.array([keys.index(key) for key in choice.models])[result.demand_class]
    return np.stack(list(by_model.values()))[row, np.arange(len(row))]


def sum_weeks(values: Floats) -> Floats:
    """Return sums of seven days, (N, 4)."""
    return values.reshape(len(values), -1, WEEK_DAYS).sum(axis=2)


def calibrate_sums(
    choice: Choice,
    results: Sequence[OriginResult],
    levels: Floats,
    series_level: Ints,
    add: Callable[[Floats], Floats],
    days: int,
) -> ConformalTable:
    """Return the quantiles of the errors of sums over days, around the sum of the means. days: the unit of errors grows with its root."""
    errors, classes, usable = [], [], []
    for result in results:
        mean = add(pick_forecasts(result.forecasts, choice.models, result.demand_class).mean)
        errors.append((add(result.actual) - mean) / compute_spread(mean, result.scale * np.sqrt(days)))
        classes.append(result.demand_class)
        usable.append(result.usable)
    origins = [result.origin for result in results]
    return fit_conformal(
        errors, classes, usable, levels, len(CLASSES), origins=origins, horizon=HORIZON, series_level=series_level
    )


def measure_quality(choice: Choice, tested: OriginResult, series_level: Ints) -> dict[str, Any]:
    """Return the accuracy in the last 28 days, which were used neither for the choice nor for the intervals.

    All figures are those of products, except coverage80_categories and coverage80_shop.
    """
    table = calibrate(choice, choice.results, INTERVAL, series_level=series_level)
    forecast = pick_forecasts(tested.forecasts, choice.models, tested.demand_class)
    interval = table.predict(forecast.median, compute_spread(forecast.mean, tested.scale), tested.demand_class)
    rows = tested.usable & (series_level == PRODUCT)
    own, naive = measure_own_errors(choice, tested)[rows], tested.measure_errors(BASELINE)[rows]
    demand = float(tested.actual[rows].sum())
    figures = {
        "mase": compute_mean(own),
        "naive_mase": compute_mean(naive),
        **{
            name: compute_coverage(
                tested.actual, interval[..., 0], interval[..., 1], tested.usable & (series_level == key)
            )
            for name, key in (("coverage80", PRODUCT), ("coverage80_categories", CATEGORY), ("coverage80_shop", SHOP))
        },
        "bias": float(forecast.mean[rows].sum()) / demand if demand else float("nan"),
    }
    return {
        **{key: round(value, 4) if np.isfinite(value) else None for key, value in figures.items()},
        "tested_series": int(rows.sum()),
        "models": dict(zip(CLASSES, choice.models, strict=True)),
    }
