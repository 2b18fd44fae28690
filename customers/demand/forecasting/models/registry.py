"""The models of demand by key, the baseline first."""

from pathlib import Path
from typing import Protocol

from customers.demand.forecasting.models.auto_ets import AutoEts
from customers.demand.forecasting.models.chronos2 import Chronos2
from customers.demand.forecasting.models.croston import Croston
from customers.demand.forecasting.models.global_lag import GlobalLag
from customers.demand.forecasting.models.seasonal_naive import SeasonalNaive
from customers.demand.forecasting.models.tsb import Tsb
from customers.demand.forecasting.series import Forecast, SeriesPanel


class DemandModel(Protocol):
    """Fits all series of a panel and forecasts the next periods of each."""

    key: str

    def forecast(self, panel: SeriesPanel, horizon: int) -> Forecast:
        """Return the forecasts, at least 0."""
        ...


MODELS: dict[str, DemandModel] = {
    model.key: model for model in (SeasonalNaive(), AutoEts(), Croston(), Tsb(), GlobalLag())
}
BASELINE = "seasonal_naive"


def add_chronos(folder: Path | None) -> None:
    """Let Chronos-2 compete if an operator has put it into a folder."""
    if folder is not None and Chronos2.key not in MODELS:
        MODELS[Chronos2.key] = Chronos2(folder)
