"""Reads the orders and order lines of all customers once, for stages and counters.

For some customers, `histories` and `counters` compute the same figures in SQL; a test compares both.
"""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from psycopg import sql

from catalog.models import Category, Product
from config.foundation.array_types import Ints
from config.foundation.calendars.local_clock import get_local_clock
from config.foundation.database.binary_copy import IntegerColumns, read_integers
from config.foundation.shop.profile import read_time_zone_name
from customers.lifecycle.facts.amounts import build_amount_currency, build_net_amount
from customers.lifecycle.facts.histories import read_customers
from customers.lifecycle.facts.id_positions import find_positions
from customers.lifecycle.scoring.interests.favorite_kernels import find_top_codes, group_by_customer
from customers.lifecycle.scoring.stages.derivation import OrderHistories

DOCUMENTS = sql.SQL("""
    SELECT o.id, o.customer_id, o.placed_at AS at, (({net}) * 100)::bigint AS amount,
           (o.kind = 'sale')::int::bigint AS is_order, (o.currency = {currency})::int::bigint AS is_priced,
           (o.total * 100)::bigint AS total, (o.discount * 100)::bigint AS discount,
           date_part('hour', o.placed_at AT TIME ZONE {zone})::bigint AS hour
    FROM orders_order o
    WHERE o.customer_id IS NOT NULL AND o.status <> 'cancelled' AND o.placed_at < {as_of}
""")
LINES = sql.SQL("""
    SELECT order_id, product_id, (quantity * 1000)::bigint AS thousandths, (discount * 100)::bigint AS discount,
           (total * 100)::bigint AS total
    FROM orders_orderline
""")


@dataclass(frozen=True, eq=False)
class ProductAttributes:
    """Category and brand of p products, arrays of shape (p,).

    product: primary keys, ascending. top, inner: positions in `category_names` of the top-level category and of the category below it;
    brand: position in `brand_names`; -1 for none. The names are in the order of their bytes.
    """

    product: Ints
    top: Ints
    inner: Ints
    brand: Ints
    category_names: list[str]
    brand_names: list[str]


@dataclass(frozen=True, eq=False)
class LineFacts:
    """The order lines by customer: customer i has the lines start[i] to start[i + 1].

    product: row in `ProductAttributes`. thousandths: quantity in thousandths of a unit. discount: in minor
    units, 0 for returns and in other currencies. is_purchase: whether the line sold something.
    """

    start: Ints
    product: Ints
    thousandths: Ints
    discount: Ints
    is_purchase: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class OrderFacts:
    """All orders and order lines before a time.

    is_priced (whether it has the currency of amounts), total, discount (minor units) and hour (in the shop's time zone) belong to the
    facts in `histories`, in their order.
    """

    histories: OrderHistories
    is_priced: npt.NDArray[np.bool_]
    total: Ints
    discount: Ints
    hour: Ints
    lines: LineFacts
    products: ProductAttributes


def read_order_facts(*, as_of: datetime) -> OrderFacts:
    """Return the facts before ``as_of`` of all customers known before it and not erased."""
    customers = read_customers(as_of=as_of)
    ids = customers["id"]
    zone = read_time_zone_name()
    parts = {
        "as_of": sql.Literal(as_of),
        "net": build_net_amount(),
        "currency": build_amount_currency(),
        "zone": sql.Literal(zone),
    }
    columns = ["id", "customer_id", "at", "amount", "is_order", "is_priced", "total", "discount", "hour"]
    documents = read_integers(DOCUMENTS.format(**parts), columns, moments=["at"])
    order = np.lexsort((documents["id"], documents["at"], documents["customer_id"]))
    documents = {name: values[order] for name, values in documents.items()}
    row = find_positions(documents["customer_id"], ids)
    if (row < 0).any():  # orders of erased customers, who have no profile
        documents = {name: values[row >= 0] for name, values in documents.items()}
        row = row[row >= 0]
    products = read_product_attributes()
    lines, category = read_lines(documents, row, len(ids), products)
    tops = sorted({name for name in products.category_names if " > " not in name})
    histories = OrderHistories(
        customer=ids,
        known_at=customers["known_at"],
        identified_at=customers["identified_at"],
        start=np.concatenate(([0], np.cumsum(np.bincount(row, minlength=len(ids)), dtype=np.int64))),
        at=documents["at"],
        amount=documents["amount"],
        is_order=documents["is_order"].astype(bool),
        clock=get_local_clock(ZoneInfo(zone)),
        category=np.append(np.searchsorted(tops, products.category_names), -1)[category] if tops else category,
        categories=tops,
    )
    is_priced = documents["is_priced"].astype(bool)
    return OrderFacts(
        histories, is_priced, documents["total"], documents["discount"], documents["hour"], lines, products
    )


def read_lines(documents: IntegerColumns, row: Ints, n: int, products: ProductAttributes) -> tuple[LineFacts, Ints]:
    """Read the lines of the documents.

    Also return the main category of each document, that of its most expensive line.
    row: the customer of each document; n: number of customers.
    """
    columns = read_integers(LINES, ["order_id", "product_id", "thousandths", "discount", "total"])
    # All lines are read, without a join: lines of other documents get fact -1 here and are left out by the kernels.
    by_id = np.argsort(documents["id"])
    fact = np.append(by_id, -1)[find_positions(columns["order_id"], documents["id"][by_id])]
    product_row = find_positions(columns["product_id"], products.product)
    main_category = find_top_codes(fact, products.top[product_row], columns["total"], len(row))
    start, order = group_by_customer(np.append(row, -1)[fact], n)
    is_sale = documents["is_order"][fact[order]].astype(bool)
    is_priced = documents["is_priced"][fact[order]].astype(bool)
    thousandths = columns["thousandths"][order]
    lines = LineFacts(
        start=start,
        product=product_row[order],
        thousandths=thousandths,
        discount=np.where(is_sale & is_priced, columns["discount"][order], 0),
        is_purchase=is_sale & (thousandths > 0),
    )
    return lines, main_category


def read_product_attributes() -> ProductAttributes:
    paths = dict(Category.objects.values_list("id", "path"))
    tops = {key: path.split(" > ")[0] for key, path in paths.items()}
    categories = sort_by_bytes({*paths.values(), *tops.values()})
    code = {name: position for position, name in enumerate(categories)}
    rows = list(Product.objects.order_by("id").values_list("id", "category_id", "brand"))
    brands = sort_by_bytes({brand for _id, _category, brand in rows if brand})
    brand_code = {name: position for position, name in enumerate(brands)}
    top_of: dict[int | None, int] = {key: code[top] for key, top in tops.items()}
    inner_of: dict[int | None, int] = {key: code[path] for key, path in paths.items() if " > " in path}
    return ProductAttributes(
        product=np.array([product for product, _category, _brand in rows], np.int64),
        top=np.array([top_of.get(category, -1) for _product, category, _brand in rows], np.int64),
        inner=np.array([inner_of.get(category, -1) for _product, category, _brand in rows], np.int64),
        brand=np.array([brand_code.get(brand, -1) for _product, _category, brand in rows], np.int64),
        category_names=categories,
        brand_names=brands,
    )


def sort_by_bytes(names: set[str]) -> list[str]:
    """Return the names in the order of COLLATE "C", in which the SQL of `counters` breaks ties."""
    return sorted(names, key=str.encode)
