"""Makers of demand."""

from datetime import date, datetime
from decimal import Decimal

from catalog.models import Product
from customers.demand.models import DemandForecast, DemandRun, RestockItem


def make_forecast(product: Product | None, *, as_of: datetime, units: float = 4.0) -> DemandForecast:
    """Make a forecast of a product, or of the shop: the same number of units every day."""
    days = [units] * 28
    return DemandForecast.objects.create(
        product=product,
        start=date(as_of.year, as_of.month, as_of.day),
        history=[units] * 56,
        mean=days,
        low=[units / 2] * 28,
        high=[units * 2] * 28,
        week_low=[units * 5] * 4,
        week_high=[units * 10] * 4,
        model="global_lag",
        demand_class="smooth",
        error=0.8,
        computed_at=as_of,
    )


def make_restock_item(product: Product, *, as_of: datetime, quantity: int = 90, risk: str = "40.00") -> RestockItem:
    return RestockItem.objects.create(
        product=product,
        stock=12,
        lead_days=7,
        return_rate=0.05,
        lead_demand=28,
        safety_stock=10,
        reorder_point=66,
        order_quantity=quantity,
        order_value=Decimal(6 * quantity),
        days_left=0 if quantity else 3,
        lost_units=4,
        money_at_risk=Decimal(risk),
        computed_at=as_of,
    )


def make_run(*, as_of: datetime) -> DemandRun:
    quality = {"mase": 0.8, "naive_mase": 1.0, "coverage80": 0.8}
    return DemandRun.objects.create(
        status=DemandRun.Status.DONE, as_of=as_of, started_at=as_of, products=2, days=200, quality=quality
    )
