"""Chooses a model per demand class on validation origins, and forecasts with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from config.foundation.array_types import Floats
from customers.demand.forecasting.accuracy import LEVELS
from customers.demand.forecasting.backtest import (
    OriginResult,
    choose_models,
    classify_history,
    forecast_part,
    list_origins,
    pick_forecasts,
    run_backtest,
)
from customers.demand.forecasting.conformal import ConformalTable, compute_spread, fit_conformal
from customers.demand.forecasting.demand_classes import CLASSES
from customers.demand.forecasting.models.registry import MODELS
from customers.demand.forecasting.series import Forecast, SeriesPanel

VALIDATION_ORIGINS = 4


@dataclass(frozen=True, eq=False)
class Choice:
    """What the validation origins decided: a model per demand class, in the order of `CLASSES`, and the results themselves."""

    models: list[str]
    results: list[OriginResult]

    def list_used(self) -> list[str]:
        return [key for key in MODELS if key in self.models]


def choose_on_validation(
    panel: SeriesPanel,
    horizon: int,
    *,
    end: int | None = None,
    models: Sequence[str] = tuple(MODELS),
    count: int = VALIDATION_ORIGINS,
    report: Callable[[int], None] = lambda done: None,
) -> Choice:
    """Compare the models at origins whose horizons end by ``end`` (by default the end of the history). Errors: ValueError if too short.

    Origins are half a horizon apart.
    """
    rhythm = panel.rhythm
    step = max(1, horizon // 2)
    origins = list_origins(panel.n_periods, horizon, count, end=end, step=step)
    origins = [origin for origin in origins if origin >= rhythm.min_history + horizon]
    if not origins:
        needed = rhythm.min_history + 2 * horizon
        raise ValueError(f"A history of {end or panel.n_periods} periods is too short; at least {needed} are needed.")
    results = run_backtest(panel, origins, horizon, models, report=report)
    return Choice(choose_models(results, models, len(CLASSES)), results)


def calibrate(choice: Choice, results: Sequence[OriginResult], levels: Floats = LEVELS) -> ConformalTable:
    """Return the quantiles of the errors that the chosen models made at these origins."""
    errors, classes, usable = [], [], []
    for result in results:
        forecast = pick_forecasts(result.forecasts, choice.models, result.demand_class)
        errors.append((result.actual - forecast.median) / compute_spread(forecast.mean, result.scale))
        classes.append(result.demand_class)
        usable.append(result.usable)
    return fit_conformal(errors, classes, usable, levels, len(CLASSES))


def forecast_panel(panel: SeriesPanel, horizon: int, choice: Choice) -> Forecast:
    """Return the forecasts of the chosen models for the periods after the history."""
    forecasts = {key: forecast_part(panel, horizon, key, None, choice.models) for key in choice.list_used()}
    return pick_forecasts(forecasts, choice.models, classify_history(panel))
