"""Chooses a model per demand class on validation origins, and forecasts with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config.foundation.array_types import Floats, Ints
from customers.demand.forecasting.accuracy import LEVELS
from customers.demand.forecasting.backtest import (
    MAX_SLOW_SERIES,
    SLOW_MODELS,
    OriginResult,
    choose_models,
    classify_history,
    find_slow_classes,
    forecast_part,
    list_origins,
    pick_forecasts,
    run_backtest,
)
from customers.demand.forecasting.conformal import ConformalTable, compute_spread, fit_conformal
from customers.demand.forecasting.demand_classes import CLASSES
from customers.demand.forecasting.models.registry import BASELINE, MODELS
from customers.demand.forecasting.series import Forecast, SeriesPanel

VALIDATION_ORIGINS = 4  # choose the models
CALIBRATION_ORIGINS = 4  # earlier ones, which only add errors for the intervals


@dataclass(frozen=True)
class OriginCounts:
    """How many origins choose the models, how many earlier ones only calibrate, and how many series slow models get."""

    validation: int = VALIDATION_ORIGINS
    calibration: int = CALIBRATION_ORIGINS
    slow_sample: int = MAX_SLOW_SERIES
    max_slow: int | None = None


@dataclass(frozen=True, eq=False)
class Choice:
    """What the validation origins decided: a model per demand class, in the order of `CLASSES`, and the results of all origins."""

    models: list[str]
    results: list[OriginResult]

    def list_used(self) -> list[str]:
        return [key for key in MODELS if key in self.models]

    def list_slow_classes(self) -> list[int]:
        return [code for code, key in enumerate(self.models) if key in SLOW_MODELS]


def list_usable_origins(panel: SeriesPanel, horizon: int, end: int | None, count: int) -> list[int]:
    """Return up to ``count`` origins, half a horizon apart, whose horizons end by ``end`` and whose history is long enough."""
    origins = list_origins(panel.n_periods, horizon, count, end=end, step=max(1, horizon // 2))
    return [origin for origin in origins if origin >= panel.rhythm.min_history + horizon]


def choose_on_validation(
    panel: SeriesPanel,
    horizon: int,
    *,
    end: int | None = None,
    models: Sequence[str] = tuple(MODELS),
    counts: OriginCounts = OriginCounts(),
    report: Callable[[int], None] = lambda done: None,
) -> Choice:
    """Compare the models at origins whose horizons end by ``end`` (by default the end of the history). Errors: ValueError if too short.

    The errors of one origin are correlated, so the intervals need more origins than the choice does: the chosen models, except for slow ones,
    also forecast at earlier origins. report: gets the number of finished origins.
    """
    origins = list_usable_origins(panel, horizon, end, counts.validation + counts.calibration)
    if not origins:
        needed = panel.rhythm.min_history + 2 * horizon
        raise ValueError(f"A history of {end or panel.n_periods} periods is too short; at least {needed} are needed.")
    earlier, latest = origins[: -counts.validation], origins[-counts.validation :]
    slow_classes = find_slow_classes(classify_history(panel.cut(end or panel.n_periods)), len(CLASSES), counts.max_slow)
    results = run_backtest(
        panel, latest, horizon, models, max_slow=counts.slow_sample, slow_classes=slow_classes, report=report
    )
    choice = Choice(choose_models(results, models, len(CLASSES)), results)
    more = run_backtest(
        panel,
        earlier,
        horizon,
        list(dict.fromkeys([BASELINE, *choice.list_used()])),
        max_slow=0,
        report=lambda done: report(len(latest) + done),
    )
    return Choice(choice.models, [*more, *results])


def calibrate(
    choice: Choice, results: Sequence[OriginResult], levels: Floats = LEVELS, *, series_level: Ints | None = None
) -> ConformalTable:
    """Return the quantiles of the errors that the chosen models made at these origins. series_level: (n,), by default products."""
    errors, classes, usable = [], [], []
    for result in results:
        forecast = pick_forecasts(result.forecasts, choice.models, result.demand_class)
        errors.append((result.actual - forecast.median) / compute_spread(forecast.mean, result.scale))
        classes.append(result.demand_class)
        usable.append(result.usable)
    origins = [result.origin for result in results]
    horizon = results[0].actual.shape[1]
    return fit_conformal(
        errors, classes, usable, levels, len(CLASSES), origins=origins, horizon=horizon, series_level=series_level
    )


def forecast_panel(panel: SeriesPanel, horizon: int, choice: Choice) -> Forecast:
    """Return the forecasts of the chosen models for the periods after the history."""
    slow = choice.list_slow_classes()
    forecasts = {key: forecast_part(panel, horizon, key, None, slow) for key in choice.list_used()}
    return pick_forecasts(forecasts, choice.models, classify_history(panel))
