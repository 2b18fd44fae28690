"""The figures of the home page. Each function makes one or two queries and returns plain values, independent of templates."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Q, Sum
from django.db.models.functions import TruncDate
from django.utils.timezone import get_current_timezone, localdate

from catalog.models import FeedImport
from config.foundation.job_runs import JobStatus
from customers.events.models import Event
from customers.lifecycle.alerts import find_model_alerts
from customers.lifecycle.models import LifecycleRun
from customers.lifecycle.rfm.queries import query_rfm_cells
from customers.lifecycle.stages.counts import query_stage_counts
from customers.lifecycle.stages.freshness import find_missing_data_since
from customers.orders.models import Order, OrderImport
from customers.processing.lag import measure_lag
from customers.processing.models import ProcessingRun
from customers.warehouse.models import ExportRun
from recommendations.serving.impressions.models import PerformanceRun, PositionBiasRun
from recommendations.training.models import EvaluationRun, ModelVersion

WEEK = timedelta(days=7)
STAGE_CHANGE_WINDOW = timedelta(days=28)


def query_sales(*, as_of: datetime, weeks: int = 13) -> dict[str, Any]:
    """Return revenue, orders and buying customers of the last weeks and of the same number of weeks before.

    A week is seven days in the shop's time zone; the last one ends with the day of ``as_of``. Revenue is the amount charged minus refunds
    and returns, without cancelled orders, in the currency of most orders; orders in other currencies are counted separately.
    """
    end = localdate(as_of) + timedelta(days=1)
    start, middle = end - 2 * weeks * WEEK, end - weeks * WEEK
    days = list(_query_sales_by_day(start=start, as_of=as_of))
    currency = _find_main_currency(days)
    revenue = [Decimal(0)] * (2 * weeks)
    orders = [0] * (2 * weeks)
    for row in days:
        if row["currency"] == currency:
            week = (row["day"] - start) // WEEK
            revenue[week] += row["revenue"]
            orders[week] += row["orders"]
    buyers_before, buyers = _count_buyers(start=start, middle=middle, as_of=as_of, currency=currency)
    return {
        "as_of": as_of,
        "currency": currency,
        "other_orders": sum(row["orders"] for row in days if row["currency"] != currency),
        "weeks": [
            {
                "from": middle + number * WEEK,
                "to": middle + (number + 1) * WEEK,
                "revenue": revenue[weeks + number],
                "revenue_before": revenue[number],
                "orders": orders[weeks + number],
                "orders_before": orders[number],
            }
            for number in range(weeks)
        ],
        "totals": [
            compare_periods("revenue", sum(revenue[weeks:], Decimal(0)), sum(revenue[:weeks], Decimal(0))),
            compare_periods("orders", sum(orders[weeks:]), sum(orders[:weeks])),
            compare_periods("customers", buyers, buyers_before),
            compare_periods(
                "order_value",
                divide(sum(revenue[weeks:], Decimal(0)), sum(orders[weeks:])),
                divide(sum(revenue[:weeks], Decimal(0)), sum(orders[:weeks])),
            ),
        ],
    }


def _query_sales_by_day(*, start: date, as_of: datetime) -> Iterable[dict[str, Any]]:
    days = (
        Order.objects.before(as_of)
        .filter(placed_at__gte=get_day_start(start))
        .exclude(status=Order.Status.CANCELLED)
        .values("currency", day=TruncDate("placed_at"))
        .annotate(revenue=Sum(F("total") - F("refunded")), orders=Count("id", filter=Q(kind=Order.Kind.SALE)))
        .order_by()
    )
    return (dict(day) for day in days)


def _find_main_currency(days: Iterable[dict[str, Any]]) -> str:
    orders: dict[str, int] = {}
    for row in days:
        orders[row["currency"]] = orders.get(row["currency"], 0) + row["orders"]
    return max(orders, key=lambda currency: (orders[currency], currency), default="")


def _count_buyers(*, start: date, middle: date, as_of: datetime, currency: str) -> tuple[int, int]:
    """Return the number of customers who bought in the previous and in the current period."""
    counts = (
        Order.objects.sales()
        .known()
        .before(as_of)
        .filter(placed_at__gte=get_day_start(start), currency=currency)
        .aggregate(
            before=Count("customer", distinct=True, filter=Q(placed_at__lt=get_day_start(middle))),
            now=Count("customer", distinct=True, filter=Q(placed_at__gte=get_day_start(middle))),
        )
    )
    return counts["before"], counts["now"]


def get_day_start(day: date) -> datetime:
    """Return the start of a day in the shop's time zone."""
    return datetime.combine(day, time.min, tzinfo=get_current_timezone())


def compare_periods(name: str, now: Decimal | int | None, before: Decimal | int | None) -> dict[str, Any]:
    """Return a figure with its relative change over the previous period: 0.1 is 10% more; None without a base."""
    change = float(now / before - 1) if now is not None and before else None
    return {"name": name, "now": now, "before": before, "change": change}


def divide(numerator: Decimal, denominator: int) -> Decimal | None:
    return numerator / denominator if denominator else None


def query_stages(*, as_of: datetime) -> dict[str, Any]:
    """Return the customers per stage, with those who entered and left it during the last four weeks."""
    counts = query_stage_counts(since=as_of - STAGE_CHANGE_WINDOW, until=as_of)
    return {"as_of": _query_refresh_time(), "total": sum(row["customers"] for row in counts), "stages": counts}


def query_rfm() -> dict[str, Any]:
    """Return the customers per recency and frequency score, and per RFM group."""
    cells = query_rfm_cells()
    groups: dict[str, dict[str, Any]] = {}
    for cell in cells:
        group = groups.setdefault(cell["group"], {"group": cell["group"], "customers": 0, "revenue": Decimal(0)})
        group["customers"] += cell["customers"]
        group["revenue"] += cell["total_revenue"]
    ordered = sorted(groups.values(), key=lambda group: -group["revenue"])
    return {"as_of": _query_refresh_time(), "cells": cells, "groups": ordered}


def _query_refresh_time() -> datetime | None:
    return LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).aggregate(at=Max("as_of"))["at"]


def query_model_accuracy(*, scenario: str = "for-you") -> dict[str, Any]:
    """Return the active model version and its accuracy against the other algorithms on the same time split."""
    version = ModelVersion.objects.filter(scenario=scenario, status=ModelVersion.Status.ACTIVE).first()
    if version is None:
        return {"version": None, "algorithms": []}
    run = version.evaluations.filter(status=EvaluationRun.Status.DONE).order_by("-started_at").first()
    figures = run.figures if run else {}
    metric = run.primary_metric if run else ""
    scores = [
        {"algorithm": name, **metrics[metric], "serves": name == version.algorithm}
        for name, metrics in figures.items()
        if metrics.get(metric, {}).get("value") is not None
    ]
    return {
        "version": {"id": version.pk, "name": version.version, "algorithm": version.algorithm},
        "as_of": version.as_of,
        "metric": metric,
        "test_users": run.test_users if run else 0,
        "cut_at": run.cut_at if run else None,
        "algorithms": sorted(scores, key=lambda score: -score["value"]),
    }


def query_health(*, as_of: datetime) -> dict[str, Any]:
    """Return the times of the latest data, the processing lag, alerts, and the failed runs of the last week."""
    since = as_of - WEEK
    failed = {
        "lifecycle.lifecyclerun": LifecycleRun.objects.filter(status=LifecycleRun.Status.FAILED),
        "training.evaluationrun": EvaluationRun.objects.filter(status=EvaluationRun.Status.FAILED),
        "orders.orderimport": OrderImport.objects.exclude(error=""),
        "catalog.feedimport": FeedImport.objects.exclude(error=""),
        "warehouse.exportrun": ExportRun.objects.exclude(error=""),
        "processing.processingrun": ProcessingRun.objects.filter(status=ProcessingRun.Status.FAILED),
        "serving.performancerun": PerformanceRun.objects.filter(status=JobStatus.FAILED),
        "serving.positionbiasrun": PositionBiasRun.objects.filter(status=JobStatus.FAILED),
    }
    return {
        "last_event": Event.objects.order_by("-id").values_list("received_at", flat=True).first(),
        "last_order": Order.objects.before(as_of).aggregate(at=Max("placed_at"))["at"],
        "last_refresh": LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).aggregate(at=Max("finished_at"))[
            "at"
        ],
        "model_as_of": ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).aggregate(at=Max("as_of"))["at"],
        "lag": measure_lag(at=as_of),
        "alarms": find_model_alerts(),
        "orders_missing_since": find_missing_data_since(as_of=as_of),
        "failed": [
            {"model": model, "runs": runs}
            for model, query in failed.items()
            if (runs := _count_started_since(query, since))
        ],
    }


def _count_started_since(query: Any, since: datetime) -> int:
    return query.filter(started_at__gte=since).count()
