"""Sales of a range of whole days and of the range to compare with, and the products that sold most."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from catalog.models import Product
from config.foundation.backoffice.date_range import DateChoice, DayRange
from config.foundation.shop.profile import get_shop
from config.foundation.slow_figures import get_figures
from customers.lifecycle.facts.amounts import build_net_line, build_net_order
from customers.orders.models import Order, OrderLine

BEST_SELLERS = 8
CANDIDATES = 4  # this many times more products are read than shown, because inactive ones are left out


@dataclass(frozen=True, slots=True)
class SalesTotals:
    """The sales of a range of days.

    Attributes:
        revenue: amounts charged minus refunds and returns, without cancelled orders.
        customers: known customers with an order. Orders of guests count as orders only.
    """

    revenue: Decimal = Decimal(0)
    orders: int = 0
    customers: int = 0

    @property
    def order_value(self) -> Decimal | None:
        return self.revenue / self.orders if self.orders else None


@dataclass(frozen=True, slots=True)
class SalesComparison:
    """Totals of a range and of the compared one, in the shop's currency; orders in others are only counted.

    If no order has the shop's currency, the currency of most orders is used.
    """

    currency: str
    now: SalesTotals
    before: SalesTotals | None
    other_orders: int


def query_sales(choice: DateChoice) -> SalesComparison:
    """Return the sales of the chosen days and of the compared ones, in one query."""
    shop = get_shop().currency
    return get_figures(f"sales:{name_days(choice)}:{shop}", SalesComparison, lambda: _count_sales(choice, shop))


def name_days(choice: DateChoice) -> str:
    """Return a text with the start and end of the ranges, as a key for cached figures."""
    ranges = (choice.range, choice.compared)
    return "|".join(f"{days.start.isoformat()}–{days.end.isoformat()}" for days in ranges if days)


def _count_sales(choice: DateChoice, shop: str) -> SalesComparison:
    conditions = {"now": in_range(choice.range)}
    if choice.compared:
        conditions["before"] = in_range(choice.compared)
    totals: dict[str, Any] = {}
    for name, condition in conditions.items():
        sales = condition & Q(kind=Order.Kind.SALE)
        totals |= {
            f"revenue_{name}": Sum(build_net_order(), filter=condition),
            f"orders_{name}": Count("id", filter=sales),
            f"customers_{name}": Count("customer", filter=sales, distinct=True),
        }
    rows: list[dict[str, Any]] = list(
        filter_by_time(Order.objects.all(), conditions)
        .exclude(status=Order.Status.CANCELLED)
        .values("currency")
        .annotate(**totals)
        .order_by()  # type: ignore[arg-type]  # the annotations are only known at run time
    )
    main = max(rows, key=lambda row: (row["currency"] == shop, row["orders_now"], row["currency"]), default=None)
    if main is None:
        return SalesComparison("", SalesTotals(), SalesTotals() if choice.compared else None, 0)
    return SalesComparison(
        currency=main["currency"],
        now=build_totals(main, "now"),
        before=build_totals(main, "before") if choice.compared else None,
        other_orders=sum(row["orders_now"] for row in rows if row is not main),
    )


def in_range(days: DayRange, prefix: str = "") -> Q:
    return Q(**{f"{prefix}placed_at__gte": days.start, f"{prefix}placed_at__lt": days.end})


def filter_by_time(orders: QuerySet[Order], conditions: dict[str, Q]) -> QuerySet[Order]:
    chosen = Q()
    for condition in conditions.values():
        chosen |= condition
    return orders.filter(chosen)


def build_totals(row: dict[str, Any], name: str) -> SalesTotals:
    return SalesTotals(row[f"revenue_{name}"] or Decimal(0), row[f"orders_{name}"], row[f"customers_{name}"])


@dataclass(frozen=True, slots=True)
class BestSeller:
    """A product with its orders and its revenue, net of returns and refunds, in the range and in the compared one."""

    pk: int
    product_id: str
    title: str
    category: str
    image_url: str
    orders: int
    revenue: Decimal
    revenue_before: Decimal | None


def query_best_sellers(choice: DateChoice, *, currency: str, limit: int = BEST_SELLERS) -> list[BestSeller]:
    """Return the active products with the highest revenue in the range, in three queries."""
    key = f"best-sellers:{name_days(choice)}:{currency}:{limit}"
    return get_figures(key, list[BestSeller], lambda: _count_best_sellers(choice, currency, limit))


def _count_best_sellers(choice: DateChoice, currency: str, limit: int) -> list[BestSeller]:
    # The titles are read afterwards: grouping by them takes much longer than grouping by numbers.
    best = list(
        query_lines(in_range(choice.range, "order__"), currency)
        .values("product_id")
        .annotate(
            revenue=Sum(build_net_line()), orders=Count("order", filter=Q(order__kind=Order.Kind.SALE), distinct=True)
        )
        .filter(revenue__gt=0)
        .order_by("-revenue", "product_id")[: CANDIDATES * limit]
    )
    products = (
        Product.objects.filter(is_active=True).select_related("category").in_bulk([row["product_id"] for row in best])
    )
    rows = [row for row in best if row["product_id"] in products][:limit]
    before: dict[int, Decimal] = {}
    if choice.compared and rows:
        before = dict(
            query_lines(in_range(choice.compared, "order__"), currency)
            .filter(product__in=[row["product_id"] for row in rows])
            .values_list("product_id")
            .annotate(revenue=Sum(build_net_line()))
            .order_by()
        )
    return [
        BestSeller(
            pk=row["product_id"],
            product_id=product.product_id,
            title=product.title,
            category=product.category.path if product.category else "",
            image_url=product.image_url,
            orders=row["orders"],
            revenue=row["revenue"],
            revenue_before=before.get(row["product_id"], Decimal(0)) if choice.compared else None,
        )
        for row in rows
        for product in (products[row["product_id"]],)
    ]


def query_lines(days: Q, currency: str) -> QuerySet[OrderLine]:
    """Return the lines of orders and returns that were not canceled. days: a condition of `in_range`."""
    return OrderLine.objects.filter(days, order__currency=currency).exclude(order__status=Order.Status.CANCELLED)


def find_latest_order(*, before: datetime) -> datetime | None:
    return (
        Order.objects.filter(placed_at__lte=before).order_by("-placed_at").values_list("placed_at", flat=True).first()
    )
