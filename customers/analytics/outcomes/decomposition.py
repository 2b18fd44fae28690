"""Splits a change of revenue into customers, orders per customer and order value, so that the parts add up exactly."""

from dataclasses import dataclass
from math import isclose, log


@dataclass(frozen=True, kw_only=True)
class RevenueFactors:
    """Revenue = customers × orders per customer × order value."""

    customers: int
    orders: int
    revenue: float


@dataclass(frozen=True, kw_only=True)
class RevenueChange:
    """A change of revenue against another period.

    Attributes:
        before: the revenue of the other period. change: in money. relative: 0.1 is 10% more; None from a revenue of 0.
        customers, orders_per_customer, order_value: what each contributes, in money; their sum is the change. None if a period has
            no revenue, as its factors are unknown.
    """

    before: float
    change: float
    relative: float | None
    customers: float | None
    orders_per_customer: float | None
    order_value: float | None


def explain_change(now: RevenueFactors, before: RevenueFactors) -> RevenueChange:
    """Return the change and its parts by the logarithmic mean Divisia index.

    ΔR_f = L(R₁, R₀)·ln(f₁ / f₀) with L(a, b) = (a − b) / (ln a − ln b). As ln R is the sum of the logarithms of the factors, the parts
    add up to R₁ − R₀ without a remainder, and none depends on the order of the factors. Source: Ang, Energy Policy 2005.
    """
    change = now.revenue - before.revenue
    relative = change / before.revenue if before.revenue > 0 else None
    if min(now.customers, now.orders, before.customers, before.orders) <= 0 or min(now.revenue, before.revenue) <= 0:
        return RevenueChange(
            before=before.revenue,
            change=change,
            relative=relative,
            customers=None,
            orders_per_customer=None,
            order_value=None,
        )
    weight = compute_logarithmic_mean(now.revenue, before.revenue)
    customers = weight * log(now.customers / before.customers)
    orders = weight * log(now.orders / before.orders)
    return RevenueChange(
        before=before.revenue,
        change=change,
        relative=relative,
        customers=customers,
        orders_per_customer=orders - customers,
        order_value=change - orders,
    )


def compute_logarithmic_mean(a: float, b: float) -> float:
    """Return (a − b) / (ln a − ln b) of two positive numbers; a if they are equal."""
    return a if isclose(a, b, rel_tol=1e-12) else (a - b) / log(a / b)
