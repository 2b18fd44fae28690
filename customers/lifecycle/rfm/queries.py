"""RFM of all customers: cells, groups and flows between groups.

Each function returns plain values with one query.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypedDict

from django.db.models import Avg, Count, F, Sum
from django.db.models.expressions import CombinedExpression

from config.foundation.slow_figures import get_figures
from customers.lifecycle.models import CustomerProfile, LifecycleRun
from customers.lifecycle.rfm.months import BITS_PER_MONTH, list_month_ends
from customers.lifecycle.scoring.rfm.rfm_scores import BINS, RFM_GROUPS, find_rfm_group

CELLS_BY_GROUP: Mapping[str, list[int]] = {
    group: [cell for cell in range(BINS * BINS + 1) if find_rfm_group(cell) == group] for group in ("", *RFM_GROUPS)
}


@dataclass(frozen=True)
class RfmBasis:
    """The profile columns of RFM for all time or for the window."""

    key: str
    r: str
    f: str
    group: str
    orders: str
    revenue: str
    months: str


ALL_TIME = RfmBasis("all", "r", "f", "rfm_group", "orders", "revenue", "rfm_months")
WINDOW = RfmBasis("window", *(f"{name}_window" for name in ("r", "f", "rfm_group", "orders", "revenue", "rfm_months")))
BASES: Mapping[str, RfmBasis] = {basis.key: basis for basis in (ALL_TIME, WINDOW)}


def get_profiles_run() -> LifecycleRun | None:
    """Return the run that wrote the current profiles: the last finished one, whatever its as_of."""
    return LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).order_by("-id").first()


def get_window_days(run: LifecycleRun) -> int | None:
    """Return the length of the window; None for a run of an earlier version, which had no window."""
    return run.quality.get("rfm_window_days")


class RfmCellFigures(TypedDict):
    """The customers of one cell of recency and frequency."""

    r: int
    f: int
    group: str
    customers: int
    total_revenue: Decimal


class RfmGroupFigures(TypedDict):
    """The customers of one RFM group; means are None without customers."""

    customers: int
    revenue: Decimal
    recency_days: float | None
    orders: float | None
    value: Decimal | None


def query_rfm_cells(*, basis: RfmBasis = ALL_TIME) -> list[RfmCellFigures]:
    """Return the cells of recency and frequency that have customers.

    Each has their number, revenue and group.
    """
    return get_figures(f"rfm-cells:{basis.key}", list[RfmCellFigures], lambda: _count_cells(basis))


def _count_cells(basis: RfmBasis) -> list[RfmCellFigures]:
    cells = (
        CustomerProfile.objects.filter(**{f"{basis.r}__isnull": False})
        .values(cell_r=F(basis.r), cell_f=F(basis.f), cell_group=F(basis.group))
        .annotate(customers=Count("customer"), total_revenue=Sum(basis.revenue))
        .order_by("cell_r", "cell_f", "cell_group")
    )
    return [
        {
            "r": cell["cell_r"],
            "f": cell["cell_f"],
            "group": cell["cell_group"],
            "customers": cell["customers"],
            "total_revenue": cell["total_revenue"],
        }
        for cell in cells
    ]


def query_rfm_groups(*, basis: RfmBasis, as_of: datetime) -> dict[str, RfmGroupFigures]:
    """Return customers, revenue and means of each group.

    Means are of days since the last order, orders and revenue. The averages of a group without customers are None.
    """
    key = f"rfm-groups:{basis.key}:{as_of.isoformat()}"
    return get_figures(key, dict[str, RfmGroupFigures], lambda: _count_groups(basis, as_of))


def _count_groups(basis: RfmBasis, as_of: datetime) -> dict[str, RfmGroupFigures]:
    rows = (
        CustomerProfile.objects.filter(**{f"{basis.r}__isnull": False})
        .values(key=F(basis.group))
        .annotate(
            customers=Count("customer"),
            total_revenue=Sum(basis.revenue),
            mean_recency=Avg(as_of - F("last_order_at")),
            mean_orders=Avg(basis.orders),
            mean_revenue=Avg(basis.revenue),
        )
        .order_by()
    )
    rows_by_group = {row["key"]: row for row in rows}
    empty = {
        "customers": 0,
        "total_revenue": Decimal(0),
        "mean_recency": None,
        "mean_orders": None,
        "mean_revenue": None,
    }
    return {group: to_group_figures(rows_by_group.get(group, empty)) for group in RFM_GROUPS}


def to_group_figures(row: Mapping[str, Any]) -> RfmGroupFigures:
    return {
        "customers": row["customers"],
        "revenue": row["total_revenue"],
        "recency_days": None if row["mean_recency"] is None else row["mean_recency"].total_seconds() / 86_400,
        "orders": row["mean_orders"],
        "value": row["mean_revenue"],
    }


def make_cell_expression(*, basis: RfmBasis, months_back: int) -> CombinedExpression:
    """Return an expression of a profile's cell ``months_back`` month ends before the last one.

    The cell is 0 if there is none.
    """
    return F(basis.months).bitrightshift(BITS_PER_MONTH * months_back).bitand(2**BITS_PER_MONTH - 1)


def count_group_flows(*, basis: RfmBasis, as_of: datetime, since: int, until: int) -> list[dict[str, Any]]:
    """Return the customers per pair of groups at two month ends.

    as_of: of the run that wrote the profiles. since, until: number of month ends before the last one. The group is "" for customers
    without one; customers without a group at both month ends are left out.
    """
    # the profiles count months back from the last month end, so that the same numbers mean other months in the next month
    last_month = list_month_ends(as_of=as_of)[-1].date()
    key = f"rfm-flows:{basis.key}:{last_month}:{since}:{until}"
    return get_figures(key, list[dict[str, Any]], lambda: _count_flows(basis, since, until))


def _count_flows(basis: RfmBasis, since: int, until: int) -> list[dict[str, Any]]:
    rows = (
        CustomerProfile.objects.annotate(
            cell_before=make_cell_expression(basis=basis, months_back=since),
            cell_after=make_cell_expression(basis=basis, months_back=until),
        )
        .values_list("cell_before", "cell_after")
        .annotate(customers=Count("customer"))
        .order_by()
    )
    counts: Counter[tuple[str, str]] = Counter()
    for cell_before, cell_after, customers in rows:
        counts[find_rfm_group(cell_before), find_rfm_group(cell_after)] += customers
    order = ("", *RFM_GROUPS)
    return [
        {"from_group": old, "to_group": new, "customers": counts[old, new]}
        for old in order
        for new in order
        if counts[old, new] and (old or new)
    ]


def count_groups_at(*, basis: RfmBasis, as_of: datetime, months_back: int) -> dict[str, int]:
    """Return the customers per group at a month end. as_of: of the run that wrote the profiles."""
    rows = count_group_flows(basis=basis, as_of=as_of, since=months_back, until=months_back)
    counts = {row["to_group"]: row["customers"] for row in rows}
    return {group: counts.get(group, 0) for group in RFM_GROUPS}
