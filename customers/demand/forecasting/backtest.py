"""Rolling origin: what each model would have forecast at earlier times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints
from customers.demand.forecasting.accuracy import compute_mean, compute_scale, compute_scaled_errors
from customers.demand.forecasting.demand_classes import classify_demand
from customers.demand.forecasting.models.registry import MODELS
from customers.demand.forecasting.series import Forecast, SeriesPanel

MAX_SLOW_SERIES = 120  # per origin: AutoETS takes a tenth of a second a series
SLOW_MODELS = ("auto_ets",)
MIN_SALES = 8  # periods with demand; of fewer, the scale of the errors is chance
SEED = 3


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
    """Return origins in ascending order; the last has its horizon end at ``end``, by default the end of the history."""
    last = (n_periods if end is None else end) - horizon
    return [last - (step or horizon) * back for back in reversed(range(count))]


def run_backtest(
    panel: SeriesPanel,
    origins: Sequence[int],
    horizon: int,
    models: Sequence[str],
    *,
    max_slow: int | None = MAX_SLOW_SERIES,
    chosen: Sequence[str] = (),
    report: Callable[[int], None] = lambda done: None,
) -> list[OriginResult]:
    """Return the result at each origin; a model knows only the periods before it.

    chosen: the model per demand class, if it is known: slow models then forecast the series of their classes, all of them.
    report: gets the number of finished origins.
    """
    results = []
    for done, origin in enumerate(origins, start=1):
        history = panel.cut(origin)
        forecasts = {key: forecast_part(history, horizon, key, max_slow, chosen) for key in models}
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
    history: SeriesPanel, horizon: int, key: str, max_slow: int | None, chosen: Sequence[str] = ()
) -> Forecast:
    """Return a model's forecasts; a slow model gets the series of its classes, or a random part, and the others stay NaN."""
    model = MODELS[key]
    rows = None
    if key in SLOW_MODELS and chosen:
        codes = [code for code, name in enumerate(chosen) if name == key]
        rows = np.flatnonzero(np.isin(classify_history(history), codes))
    elif key in SLOW_MODELS and max_slow is not None and history.n_series > max_slow:
        rows = np.sort(np.random.default_rng(SEED).choice(history.n_series, max_slow, replace=False))
    if rows is None:
        return model.forecast(history, horizon)
    median, mean = (np.full((history.n_series, horizon), np.nan) for _ in range(2))
    if len(rows):
        part = model.forecast(history.select(rows), horizon)
        median[rows], mean[rows] = part.median, part.mean
    return Forecast(median, mean)


def classify_history(history: SeriesPanel) -> Ints:
    """Return the class of each series; one that has not begun yet counts as of one period."""
    return classify_demand(history.quantity, np.minimum(history.first, history.n_periods - 1))


def choose_models(results: Sequence[OriginResult], models: Sequence[str], n_classes: int) -> list[str]:
    """Return the model with the smallest mean MASE of each demand class, over all origins.

    Models are compared on the series that all of them forecast. A class with fewer than 30 series-origins takes the best of all classes.
    """
    errors = {key: np.concatenate([result.measure_errors(key) for result in results]) for key in models}
    classes = np.concatenate([result.demand_class for result in results])
    common = np.isfinite(np.stack(list(errors.values()))).all(axis=0)

    def find_best(part: Flags) -> str:
        means = {key: compute_mean(values[part]) for key, values in errors.items()}
        return min(models, key=lambda key: means[key] if np.isfinite(means[key]) else np.inf)

    best = find_best(common)
    parts = [common & (classes == code) for code in range(n_classes)]
    return [find_best(part) if part.sum() >= 30 else best for part in parts]


def pick_forecasts(forecasts: dict[str, Forecast], chosen_models: Sequence[str], demand_class: Ints) -> Forecast:
    """Return the forecasts of the model of each series' class, (n, h)."""
    keys = list(forecasts)
    row = np.array([keys.index(key) for key in chosen_models])[demand_class]
    index = np.arange(len(demand_class))
    median = np.stack([forecasts[key].median for key in keys])[row, index]
    mean = np.stack([forecasts[key].mean for key in keys])[row, index]
    return Forecast(median, mean)
