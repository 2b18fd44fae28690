"""Scores the demand forecasts made four weeks before the end against what was sold, and against the true rate."""

from datetime import timedelta
from typing import Any

import numpy as np

from benchmarks.truth_measures import measure_coverage
from benchmarks.truth_shop import ShopTruth, get_end, parse_rows
from config.foundation.array_types import Floats
from config.simulation.plan import ShopPlan

HORIZON = 28
STATED = 0.8


def score_demand(plan: ShopPlan, truth: ShopTruth) -> dict[str, Any]:
    """Return MAE and coverage of the shop, of categories (one per cluster) and of products; oracle_mae is of the true rate."""
    from customers.demand.models import DemandForecast
    from customers.demand.refresh import refresh_demand

    run = refresh_demand(as_of=get_end(plan) - timedelta(days=HORIZON))
    if run.problem:
        return {"problem": run.problem}
    units, expected = read_demand(plan, truth)
    category = dict(zip(*read_categories(truth), strict=True))
    forecasts = list(DemandForecast.objects.select_related("product", "category"))
    of_products = [forecast for forecast in forecasts if forecast.product]
    of_categories = [forecast for forecast in forecasts if forecast.category and forecast.category.path in category]
    of_shop = [forecast for forecast in forecasts if not forecast.product and not forecast.category]
    clusters = np.array([category[str(forecast.category)] for forecast in of_categories], np.int64)
    rows = parse_rows([forecast.product.product_id for forecast in of_products if forecast.product])
    sold = read_product_units(plan)
    return {
        "shop": score_forecasts(of_shop, units.sum(axis=0, keepdims=True), expected.sum(axis=0, keepdims=True)),
        "categories": score_forecasts(of_categories, units[clusters], expected[clusters]),
        "products": score_forecasts(of_products, sold[rows], None),
        "stated": STATED,
    }


def read_demand(plan: ShopPlan, truth: ShopTruth) -> tuple[Floats, Floats]:
    """Return sold and expected units of each cluster in the last four weeks, shape (g, 28)."""
    demand = truth.read("demand")
    clusters = int(demand["cluster"].max()) + 1
    chosen = (demand["day"] >= plan.days - HORIZON) & (demand["day"] < plan.days)
    cell = demand["cluster"][chosen] * HORIZON + demand["day"][chosen] - (plan.days - HORIZON)
    shape = (clusters, HORIZON)
    units = np.bincount(cell, demand["units"][chosen], minlength=clusters * HORIZON).reshape(shape)
    rates = (demand["expected"] + demand["expected_rhythm"])[chosen]
    return units, np.bincount(cell, rates, minlength=clusters * HORIZON).reshape(shape)


def read_categories(truth: ShopTruth) -> tuple[list[str], list[int]]:
    products = truth.read("products")
    return list(products["category"]), products["cluster"].tolist()


def read_product_units(plan: ShopPlan) -> Floats:
    """Return the units of each product in the last four weeks, shape (m, 28), from the stored orders."""
    from django.db.models import Sum
    from django.db.models.functions import TruncDate

    from customers.orders.models import OrderLine

    end = get_end(plan)
    since = end - timedelta(days=HORIZON)
    lines = OrderLine.objects.filter(order__placed_at__gte=since, order__placed_at__lt=end)
    sums = lines.values_list("product__product_id", TruncDate("order__placed_at")).annotate(units=Sum("quantity"))
    sold = np.zeros((plan.products, HORIZON))
    for product_id, day, units in sums:
        sold[int(product_id[1:]), (day - since.date()).days] += float(units)
    return sold


def score_forecasts(forecasts: list[Any], units: Floats, expected: Floats | None) -> dict[str, Any]:
    if not forecasts:
        return {"series": 0}
    mean, low, high, week_low, week_high = (
        np.array([getattr(forecast, name)[:HORIZON] for forecast in forecasts])
        for name in ("mean", "low", "high", "week_low", "week_high")
    )
    days = min(HORIZON, mean.shape[1])
    units, mean, low, high = units[:, :days], mean[:, :days], low[:, :days], high[:, :days]
    weeks = np.stack([units[:, day : day + 7].sum(axis=1) for day in range(0, days - 6, 7)], axis=1)
    figures = {
        "series": len(forecasts),
        "units_a_day": float(units.mean()),
        "mae": float(np.abs(units - mean).mean()),
        "bias": float(mean.sum() / units.sum()),
        "inside_days": measure_coverage(units, low, high),
        "weeks": weeks.shape[1],
        "inside_weeks": measure_coverage(weeks, week_low[:, : weeks.shape[1]], week_high[:, : weeks.shape[1]]),
    }
    if expected is not None:
        expected = expected[:, :days]
        figures |= {
            "oracle_mae": float(np.abs(units - expected).mean()),
            "rate_error": float(np.abs(mean - expected).mean() / expected.mean()),
        }
    return figures
