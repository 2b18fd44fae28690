"""Rolling origin: what each model would have forecast at earlier times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.demand.forecasting.accuracy import compute_mean, compute_scale, compute_scaled_errors
from customers.demand.forecasting.demand_classes import CLASSES, classify_demand
from customers.demand.forecasting.models.registry import MODELS
from customers.demand.forecasting.series import Forecast, SeriesPanel

MAX_SLOW_SERIES = 120  # per origin: AutoETS takes a twentieth of a second a series
SLOW_MODELS = ("auto_ets", "chronos2")
MIN_COMPARED = 30  # series × origins of a class; a class with fewer takes the model that is best over all classes
MIN_SALES = 8  # periods with demand; with fewer, the scale of the errors is mostly chance
SEED = 3
ALL_CLASSES = tuple(range(len(CLASSES)))


@dataclass(frozen=True, eq=False)
class OriginResult:
    """The forecasts of all models at one origin.

    forecasts: by model, (n, h); NaN for series that a slow model skipped. actual: (n, h). scale, demand_class, usable: (n,); usable says
    whether a series was known for long enough.
    """

    origin: int
    forecasts: dict[str, Forecast]
    actual: Floats
    scale: Floats
    demand_class: Ints
    usable: Flags

    def measure_errors(self, model: str) -> Floats:
        """Return the MASE of each series, (n,), NaN where it is unknown."""
        errors = compute_scaled_errors(self.actual, self.forecasts[model].median, self.scale)
        return np.where(self.usable, errors, np.nan)


def list_origins(
    n_periods: int, horizon: int, count: int, *, end: int | None = None, step: int | None = None
) -> list[int]:
    """Return origins in ascending order; the horizon of the last one ends at ``end``, by default the end of the history."""
    last = (n_periods if end is None else end) - horizon
    return [last - (step or horizon) * back for back in reversed(range(count))]


def run_backtest(
    panel: SeriesPanel,
    origins: Sequence[int],
    horizon: int,
    models: Sequence[str],
    *,
    max_slow: int | None = MAX_SLOW_SERIES,
    slow_classes: Sequence[int] = ALL_CLASSES,
    report: Callable[[int], None] = lambda done: None,
) -> list[OriginResult]:
    """Return the result at each origin; a model knows only the periods before it.

    max_slow, slow_classes: slow models forecast at most ``max_slow`` series (None for all), and only those of these demand classes.
    report: gets the number of finished origins.
    """
    results = []
    for done, origin in enumerate(origins, start=1):
        history = panel.cut(origin)
        forecasts = {key: forecast_part(history, horizon, key, max_slow, slow_classes) for key in models}
        results.append(describe_origin(panel, history, origin, horizon, forecasts))
        report(done)
    return results


def describe_origin(
    panel: SeriesPanel, history: SeriesPanel, origin: int, horizon: int, forecasts: dict[str, Forecast]
) -> OriginResult:
    rhythm = panel.rhythm
    return OriginResult(
        origin,
        forecasts,
        panel.quantity[:, origin : origin + horizon],
        compute_scale(history.quantity, history.first, rhythm.season),
        classify_history(history),
        (history.first <= origin - rhythm.min_history) & ((history.quantity > 0).sum(axis=1) >= MIN_SALES),
    )


def forecast_part(
    history: SeriesPanel, horizon: int, key: str, max_slow: int | None, slow_classes: Sequence[int] = ALL_CLASSES
) -> Forecast:
    """Return a model's forecasts; a slow model gets a random part of the series of its classes, and the others stay NaN."""
    model = MODELS[key]
    if key not in SLOW_MODELS:
        return model.forecast(history, horizon)
    rows = np.flatnonzero(np.isin(classify_history(history), list(slow_classes)))
    if max_slow is not None and len(rows) > max_slow:
        rows = np.sort(np.random.default_rng(SEED).choice(rows, max_slow, replace=False))
    median, mean = (np.full((history.n_series, horizon), np.nan) for _ in range(2))
    if len(rows):
        part = model.forecast(history.select(rows), horizon)
        median[rows], mean[rows] = part.median, part.mean
    return Forecast(median, mean)


def classify_history(history: SeriesPanel) -> Ints:
    """Return the class of each series; a series that has not begun yet counts as one period long."""
    return classify_demand(history.quantity, np.minimum(history.first, history.n_periods - 1))


def find_slow_classes(demand_class: Ints, n_classes: int, max_series: int | None) -> list[int]:
    """Return the classes, smallest first, that together have at most ``max_series`` series: slow models compete for them."""
    if max_series is None:
        return list(range(n_classes))
    sizes = np.bincount(demand_class, minlength=n_classes)
    order = np.argsort(sizes, kind="stable")
    return sorted(order[np.cumsum(sizes[order]) <= max_series].tolist())


def choose_models(results: Sequence[OriginResult], models: Sequence[str], n_classes: int) -> list[str]:
    """Return the model with the smallest mean MASE of each demand class, over all origins.

    A slow model competes with the best of the others on the series that it forecast. Classes with few series take the model that is best of all.
    """
    errors = {key: np.concatenate([result.measure_errors(key) for result in results]) for key in models}
    classes = np.concatenate([result.demand_class for result in results])
    fast = [key for key in models if key not in SLOW_MODELS] or list(models)
    common = np.isfinite(np.stack([errors[key] for key in fast])).all(axis=0)

    def find_best(part: Flags) -> str:
        means = {key: compute_mean(errors[key][part]) for key in fast}
        best = min(fast, key=lambda key: means[key] if np.isfinite(means[key]) else np.inf)
        for key in set(models) - set(fast):
            both = part & np.isfinite(errors[key])
            if both.sum() >= MIN_COMPARED and compute_mean(errors[key][both]) < compute_mean(errors[best][both]):
                best = key
        return best

    best = find_best(common)
    parts = [common & (classes == code) for code in range(n_classes)]
    return [find_best(part) if part.sum() >= MIN_COMPARED else best for part in parts]


def pick_forecasts(forecasts: dict[str, Forecast], chosen_models: Sequence[str], demand_class: Ints) -> Forecast:
    """Return the forecasts of the model of each series' class, (n, h)."""
    keys = list(forecasts)
    row = np.array([keys.index(key) for key in chosen_models])[demand_class]
    index = np.arange(len(demand_class))
    median = np.stack([forecasts[key].median for key in keys])[row, index]
    mean = np.stack([forecasts[key].mean for key in keys])[row, index]
    return Forecast(median, mean)
