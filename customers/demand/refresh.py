"""The nightly job: forecasts the demand of the next four weeks and computes the restock list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from config.foundation.array_types import Floats
from config.foundation.database.advisory_locks import exclusive_lock, is_locked
from config.foundation.job_runs import record_run
from config.foundation.progress import Progress, PublishedProgress, ignore_progress, read_published_progress
from config.foundation.shop.profile import get_time_zone
from customers.demand.forecasting.demand_classes import CLASSES
from customers.demand.forecasting.models.registry import MODELS, add_chronos
from customers.demand.forecasting.reconciliation import add_up
from customers.demand.forecasting.restocking import RestockPlan, StockPosition, plan_restock
from customers.demand.forecasting.shop_forecast import GRID, ShopForecast, count_needed_days, forecast_shop
from customers.demand.models import (
    MAX_LEAD_DAYS,
    DemandForecast,
    DemandRun,
    DemandSettings,
    RestockItem,
    load_demand_settings,
)
from customers.demand.series_reading import NO_CATEGORY, ShopSeries, read_shop_series
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.warehouse.current_tables import open_current_warehouse

LOCK = "demand forecast"
BATCH = 2_000
HISTORY_DAYS = 182
MAX_UNITS = 2**31 - 1  # of an integer column
NO_SALES, TOO_SHORT = "no_sales", "too_short"


def refresh_demand(
    *, as_of: datetime, models: Sequence[str] | None = None, progress: Progress = ignore_progress
) -> DemandRun:
    """Compute and store all forecasts; the earlier ones stay until the new ones replace them in one transaction.

    models: those that compete, by default all.
    Errors: AlreadyRunningError.
    """
    with exclusive_lock(LOCK), record_run(DemandRun(as_of=as_of, started_at=as_of)) as run:
        publish = PublishedProgress(get_progress_key(run.pk))
        options = load_demand_settings()
        with open_current_warehouse(as_of=as_of) as tables:
            series = read_shop_series(
                tables,
                as_of=as_of,
                zone=get_time_zone(),
                currency=get_amount_currency(),
                country=options.country,
            )
        run.problem = find_problem(series)
        if series is None or run.problem:
            replace_forecasts([], [])
            return run
        run.products, run.categories = len(series.product), sum(key != NO_CATEGORY for key in series.category)
        run.days = series.panel.n_periods
        run.save(update_fields=["products", "categories", "days"])  # for the page, which shows the progress

        def report(done: int, total: int) -> None:
            publish(done, total)
            progress(done, total)

        add_chronos(settings.CHRONOS_PATH)
        forecast = forecast_shop(
            series.panel,
            len(series.category),
            others=series.others,
            service_level=float(options.service_level),
            models=models or tuple(MODELS),
            report=report,
        )
        run.quality = forecast.quality
        replace_forecasts(build_forecasts(series, forecast, as_of), build_items(series, forecast, options, as_of))
    return run


def find_problem(series: ShopSeries | None) -> str:
    if series is None:
        return NO_SALES
    return TOO_SHORT if series.panel.n_periods < count_needed_days() else ""


def replace_forecasts(forecasts: list[DemandForecast], items: list[RestockItem]) -> None:
    with transaction.atomic():
        DemandForecast.objects.all().delete()
        RestockItem.objects.all().delete()
        DemandForecast.objects.bulk_create(forecasts, batch_size=BATCH)
        RestockItem.objects.bulk_create(items, batch_size=BATCH)


def build_forecasts(series: ShopSeries, forecast: ShopForecast, as_of: datetime) -> list[DemandForecast]:
    """Return the rows of products, categories and the shop, but none for the other products, or for those without a category."""
    categories = series.category
    keys: list[dict[str, Any] | None] = [{"product_id": key} for key in series.product.tolist()]
    keys += [None] * len(series.others)
    keys += [{"category_id": key} if key != NO_CATEGORY else None for key in categories] + [{}]
    start = (series.panel.start + np.timedelta64(series.panel.n_periods, "D")).item()
    arrays = {
        name: np.round(getattr(forecast, name), 3).tolist() for name in ("mean", "low", "high", "week_low", "week_high")
    }
    sold = series.sold[:, -HISTORY_DAYS:]
    by_category = add_up(sold, series.panel.group, len(categories))
    arrays["history"] = np.round(np.vstack([sold, by_category, sold.sum(axis=0)]), 3).tolist()
    return [
        DemandForecast(
            **key,
            **{name: values[row] for name, values in arrays.items()},
            start=start,
            model=forecast.model[row],
            demand_class=CLASSES[forecast.demand_class[row]],
            error=None if np.isnan(forecast.error[row]) else round(float(forecast.error[row]), 4),
            computed_at=as_of,
        )
        for row, key in enumerate(keys)
        if key is not None
    ]


def build_items(
    series: ShopSeries, forecast: ShopForecast, options: DemandSettings, as_of: datetime
) -> list[RestockItem]:
    """Return the restock list of the active products whose stock is tracked."""
    rows = np.flatnonzero(~np.isnan(series.stock) & (series.is_active > 0))
    if not len(rows):
        return []
    lead = np.where(np.isnan(series.lead_days[rows]), options.lead_days, series.lead_days[rows])
    lead = lead.clip(0, MAX_LEAD_DAYS).astype(np.int64)
    price = np.nan_to_num(series.price[rows])
    cost = np.where(np.isnan(series.cost[rows]), price * (1 - settings.VALUE_MARGIN), series.cost[rows])
    position = StockPosition(
        stock=series.stock[rows],
        incoming=np.ceil(np.nan_to_num(series.incoming[rows])),
        lead_days=lead,
        cost=cost,
        margin=price - cost,
        returned=series.return_rate[rows] * float(options.resale_share),
        pack_size=np.maximum(np.ceil(np.nan_to_num(series.pack_size[rows])), 1),
        minimum=np.maximum(np.nan_to_num(series.minimum[rows]), 1),
    )
    cumulated = forecast.cumulated[rows]
    daily = forecast.mean[: len(series.product)][rows]
    cover = lead + options.review_days
    plan = plan_restock(
        position,
        daily,
        take_quantiles_over(cumulated[..., -1:], daily, cover)[:, 0],
        take_quantiles_over(cumulated[..., : len(GRID)], daily, lead),
        review_days=options.review_days,
        order_cost=float(options.order_cost),
        holding_rate=float(options.holding_rate),
    )
    return [
        build_item(int(series.product[row]), float(series.return_rate[row]), position, plan, place, as_of)
        for place, row in enumerate(rows)
    ]


def take_quantiles_over(cumulated: Floats, daily: Floats, days: Any) -> Floats:
    """Return the quantiles of the demand over a number of days per product, (n, levels).

    Args:
        cumulated: (n, h, levels), over 1 … h days. daily: (n, h), expected demand. days: (n,).
    Beyond the horizon the expected demand goes on, and the distance of a quantile from it grows with the root of the time, as for
    independent days.
    """
    horizon = daily.shape[1]
    rows = np.arange(len(daily))
    within = np.clip(days, 1, horizon)
    expected = np.cumsum(daily, axis=1)[rows, within - 1]
    ratio = np.maximum(days, 1) / within
    distance = cumulated[rows, within - 1] - expected[:, None]
    quantiles = (expected * ratio)[:, None] + distance * np.sqrt(ratio)[:, None]
    return np.where(days[:, None] > 0, np.maximum(quantiles, 0), 0)


def build_item(
    product: int, return_rate: float, position: StockPosition, plan: RestockPlan, row: int, as_of: datetime
) -> RestockItem:
    quantity = int(min(plan.order_quantity[row], MAX_UNITS))
    cost = float(position.cost[row])
    return RestockItem(
        product_id=product,
        stock=int(position.stock[row]),
        incoming=int(min(position.incoming[row], MAX_UNITS)),
        lead_days=int(position.lead_days[row]),
        return_rate=round(return_rate, 4),
        lead_demand=round(float(plan.lead_demand[row]), 2),
        safety_stock=round(float(plan.safety_stock[row]), 2),
        reorder_point=int(min(plan.reorder_point[row], MAX_UNITS)),
        order_quantity=quantity,
        order_value=Decimal(f"{quantity * cost:.2f}") if cost > 0 else None,
        days_left=int(plan.days_left[row]) if np.isfinite(plan.days_left[row]) else None,
        lost_units=round(float(plan.lost_units[row]), 2),
        money_at_risk=Decimal(f"{plan.money_at_risk[row]:.2f}"),
        computed_at=as_of,
    )


@dataclass(frozen=True)
class RunningForecast:
    """A forecast that is being computed. percent: None until the series are read."""

    run: DemandRun
    percent: int | None


def get_progress_key(run_id: int) -> str:
    return f"demand-progress:{run_id}"


def find_running() -> RunningForecast | None:
    """Return the run that a process works on now; None for one whose process was killed."""
    run = DemandRun.objects.filter(status=DemandRun.Status.RUNNING).first()
    if run is None or not is_locked(LOCK):
        return None
    return RunningForecast(run, read_published_progress(get_progress_key(run.pk)))


def find_latest_run() -> DemandRun | None:
    return DemandRun.objects.filter(status=DemandRun.Status.DONE).first()


def has_last_run_failed() -> bool:
    """Return whether the last run ended without a result. Call it while no run is in progress."""
    last = DemandRun.objects.first()
    return last is not None and last.status != DemandRun.Status.DONE
