"""Reads the daily series of products from the order lines of the warehouse, in the shop's time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.types as ir
import numpy as np

from catalog.models import Product
from catalog.sold_out import is_sold_out
from config.foundation.array_types import Flags, Floats, Ints
from config.foundation.calendars.local_clock import SECOND, get_local_clock
from customers.demand.forecasting.restocking import estimate_return_rates
from customers.demand.forecasting.series import DAY, SeriesPanel, fill_closed_days, fill_stock_outs
from customers.lifecycle.facts.histories import from_microseconds, to_microseconds
from customers.warehouse.connection import Warehouse

MAX_DAYS = 760  # two years, so that the same weeks of last year are known
SOLD_WITHIN = 365
MAX_PRODUCTS = 5_000  # with a series of their own
NO_CATEGORY = 0
SEASON = 7
MIN_DAILY_UNITS = 20.0  # a Poisson demand of 20 is 0 once in 500 million days
RESTOCK_ATTRIBUTES = ("lead_time_days", "pack_size", "minimum_order_quantity", "incoming_stock")


@dataclass(frozen=True, eq=False)
class OtherProducts:
    """Products without a series of their own, whose sales are added up by category.

    product: (k,), primary keys. row: (k,), row of their category. category: (m,), primary keys, 0 for none. count: (m,), products.
    """

    product: Ints
    row: Ints
    category: Ints
    count: Ints


@dataclass(frozen=True, eq=False)
class ShopSeries:
    """The panel of the products that sold within a year, and what restocking needs of them; arrays of shape (n,).

    The last m series of the panel are the sums of the other products of a category. others: (m,), the number of products in each of them.
    sold: (n + m, T), units; for days without stock or with the shop closed, the panel has the estimated demand instead. product: primary
    keys, ascending. category: primary keys by row of the panel's groups, 0 for none. price, cost: of a unit, NaN if unknown. stock: units,
    NaN if it is not tracked. lead_days, pack_size, minimum, incoming: attributes of the product, NaN without one. return_rate: units that
    come back per unit sold.
    """

    panel: SeriesPanel
    others: Ints
    sold: Floats
    product: Ints
    category: list[int]
    price: Floats
    cost: Floats
    stock: Floats
    lead_days: Floats
    pack_size: Floats
    minimum: Floats
    incoming: Floats
    return_rate: Floats
    is_active: Floats


def build_local_day(moment: ir.TimestampValue, zone: ZoneInfo, first: datetime, last: datetime) -> ir.DateValue:
    """Return the day of a moment in a time zone as an expression that every engine understands."""
    changes = get_local_clock(zone).list_changes(to_microseconds(first), to_microseconds(last))
    offset: Any = ibis.literal(changes[0][1] // SECOND)
    for at, later in changes[1:]:  # the latest change before the moment decides
        offset = ibis.ifelse(moment >= ibis.literal(from_microseconds(at)), later // SECOND, offset)
    return (moment + offset.as_interval("s")).date()


def build_daily_sales(
    tables: Warehouse, *, zone: ZoneInfo, first: datetime, until: datetime, currency: str
) -> ir.Table:
    """Select units, discounted units, returned units and revenue per product and day of the shop.

    Orders that were cancelled do not count. A return is counted separately, not as negative demand, because the customer did want the
    product. Revenue counts only lines in the currency.
    """
    lines = tables["order_lines"]
    lines = lines.filter(
        (lines.status != "cancelled")
        & lines.product_pk.notnull()
        & (lines.placed_at >= ibis.literal(first))
        & (lines.placed_at < ibis.literal(until))
    )
    quantity = lines.quantity.cast("float64")
    is_sale = (lines.kind == "sale") & (quantity > 0)
    units = ibis.ifelse(is_sale, quantity, 0.0)
    is_priced = is_sale & (lines.currency == currency) & (lines.total > 0)
    rows = lines.select(
        "product_pk",
        day=build_local_day(lines.placed_at, zone, first, until),
        units=units,
        discounted=ibis.ifelse(is_sale & (lines.discount > 0), quantity, 0.0),
        returned=ibis.ifelse(lines.kind == "return", quantity.abs(), 0.0),
        priced=ibis.ifelse(is_priced, quantity, 0.0),
        revenue=ibis.ifelse(is_priced, lines.total.cast("float64"), 0.0),
    )
    return rows.group_by("product_pk", "day").aggregate(
        units=rows.units.sum(),
        discounted=rows.discounted.sum(),
        returned=rows.returned.sum(),
        priced=rows.priced.sum(),
        revenue=rows.revenue.sum(),
    )


def get_day_start(zone: ZoneInfo, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def read_shop_series(
    tables: Warehouse, *, as_of: datetime, zone: ZoneInfo, currency: str, country: str
) -> ShopSeries | None:
    """Return the series of all complete days before ``as_of``; None without sales within a year."""
    today = as_of.astimezone(zone).date()
    first, until = get_day_start(zone, today - timedelta(days=MAX_DAYS)), get_day_start(zone, today)
    sales = build_daily_sales(tables, zone=zone, first=first, until=until, currency=currency).to_pyarrow()
    columns = {name: sales[name].to_numpy() for name in sales.column_names if name != "day"}
    day = sales["day"].to_numpy().astype("datetime64[D]")
    last = np.datetime64(today, "D")
    category_of = dict(Product.objects.filter(is_active=True).values_list("pk", "category_id"))
    active = np.array(sorted(category_of), np.int64)
    products, rest = choose_products(columns["product_pk"], day, columns["units"], last, active=active)
    if not len(products):
        return None
    others = group_by_category(rest, category_of)
    keys = np.concatenate([products, others.product])
    keep = np.isin(columns["product_pk"], keys)
    columns, day = {name: values[keep] for name, values in columns.items()}, day[keep]
    order = np.argsort(keys)
    row_of = np.concatenate([np.arange(len(products)), len(products) + others.row])[order]
    row = row_of[np.searchsorted(keys[order], columns["product_pk"])]
    start = day.min()
    period = (day - start).astype(np.int64)
    shape = (len(products) + len(others.category), int((last - start).astype(np.int64)))

    def spread(name: str) -> Floats:
        sums = np.bincount(row * shape[1] + period, columns[name], shape[0] * shape[1])
        return sums.astype(np.float64).reshape(shape)

    units, priced = spread("units"), spread("priced")
    is_priced = (priced > 0) & (np.arange(len(priced)) < len(products))[:, None]  # a sum of products has no price
    panel = SeriesPanel(
        units,
        start,
        DAY,
        np.where(units.any(axis=1), (units > 0).argmax(axis=1), 0),
        np.zeros(len(units), np.int64),
        np.where(is_priced, spread("revenue") / np.maximum(priced, 1e-9), np.nan),
        spread("discounted") / np.maximum(units, 1e-9),
        country=country,
    )
    own = slice(len(products))
    return_rate = estimate_return_rates(units[own].sum(axis=1), spread("returned")[own].sum(axis=1))
    return add_catalog(panel, products, others, return_rate, currency=currency)


def choose_products(product: Ints, day: Any, units: Floats, today: np.datetime64, *, active: Ints) -> tuple[Ints, Ints]:
    """Return the keys of active products that sold within a year: the `MAX_PRODUCTS` that sold most, ascending, and the others."""
    recent = (day >= today - np.timedelta64(SOLD_WITHIN, "D")) & (units > 0) & np.isin(product, active)
    keys, row = np.unique(product[recent], return_inverse=True)
    sold = np.bincount(row, units[recent], len(keys))
    ranked = keys[np.argsort(-sold, kind="stable")].astype(np.int64)
    return np.sort(ranked[:MAX_PRODUCTS]), ranked[MAX_PRODUCTS:]


def group_by_category(products: Ints, category_of: Mapping[int, int | None]) -> OtherProducts:
    """Return the products with their categories; without them, categories and the shop would lack a part of their sales."""
    own = np.array([category_of[key] or NO_CATEGORY for key in products.tolist()], np.int64)
    categories, row, count = np.unique(own, return_inverse=True, return_counts=True)
    return OtherProducts(products, row.astype(np.int64), categories, count.astype(np.int64))


def add_catalog(
    panel: SeriesPanel, products: Ints, others: OtherProducts, return_rate: Floats, *, currency: str
) -> ShopSeries:
    """Return the series with category, price, cost, stock and lead time of each product.

    Demand is unknown while a product is out of stock (since its last sale) or the shop is closed; it is then that of earlier weeks.
    Price and cost are unknown if they are in another currency, because there are no exchange rates.
    """
    fields = ("pk", "category_id", "price", "cost", "stock", "availability", "is_active", "currency")
    attributes = [f"attributes__{name}" for name in RESTOCK_ATTRIBUTES]
    rows = {row[0]: row for row in Product.objects.filter(pk__in=products.tolist()).values_list(*fields, *attributes)}
    unknown = (None, None, None, None, "", False, "", *(None for _name in RESTOCK_ATTRIBUTES))
    values = [rows.get(key, (key, *unknown)) for key in products.tolist()]
    own = {
        name: _read_numbers([value[place] for value in values])
        for place, name in enumerate(RESTOCK_ATTRIBUTES, len(fields))
    }
    is_priced = np.array([value[7] in ("", currency) for value in values])
    category_of = np.array([value[1] or NO_CATEGORY for value in values], np.int64)
    categories, group = np.unique(np.concatenate([category_of, others.category]), return_inverse=True)
    stock = np.array([np.nan if value[4] is None else float(value[4]) for value in values])
    is_out = np.array([is_sold_out(availability=value[5], stock=value[4]) for value in values], np.bool_)
    is_out = np.append(is_out, np.zeros(len(others.category), bool))
    quantity = fill_closed_days(panel.quantity, find_closed_days(panel.quantity), SEASON)
    quantity = fill_stock_outs(quantity, last_sale(panel.quantity), panel.first, is_out, SEASON)
    filled = SeriesPanel(
        quantity,
        panel.start,
        panel.step,
        panel.first,
        group.astype(np.int64),
        panel.price,
        panel.promotion,
        country=panel.country,
    )
    return ShopSeries(
        filled,
        others.count,
        panel.quantity,
        products,
        [int(key) for key in categories],
        np.where(is_priced, _read_numbers([value[2] for value in values]), np.nan),
        np.where(is_priced, _read_numbers([value[3] for value in values]), np.nan),
        stock,
        own["lead_time_days"],
        own["pack_size"],
        own["minimum_order_quantity"],
        own["incoming_stock"],
        return_rate,
        np.array([float(value[6]) for value in values]),
    )


def find_closed_days(quantity: Floats) -> Flags:
    """Return the days on which nothing at all was sold, (T,), in a shop that sells too much for that to be chance."""
    total = quantity.sum(axis=0)
    return (total == 0) & bool(np.median(total) >= MIN_DAILY_UNITS)


def last_sale(quantity: Floats) -> Ints:
    """Return the last period with a sale of each series, (n,); -1 without one."""
    sold = quantity > 0
    return np.where(sold.any(axis=1), quantity.shape[1] - 1 - sold[:, ::-1].argmax(axis=1), -1)


def _read_numbers(values: list[Any]) -> Floats:
    def read(value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            return np.nan
        return number if 0 <= number < 1e9 else np.nan

    return np.array([read(value) for value in values])
