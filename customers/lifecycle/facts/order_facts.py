"""Reads orders and order lines of all customers once, for stages and counters.

For some customers, `histories` and `counters` compute the same figures in SQL; a test compares both.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from django.conf import settings
from psycopg import sql

from catalog.models import Category, Product
from config.foundation.array_types import Ints
from config.foundation.database.binary_copy import IntegerColumns, read_integers
from customers.lifecycle.facts.histories import NET_AMOUNT, read_customers
from customers.lifecycle.facts.id_positions import find_positions
from customers.lifecycle.scoring.interests.favorite_kernels import find_top_codes, group_by_customer
from customers.lifecycle.scoring.stages.derivation import OrderHistories

DOCUMENTS = sql.SQL("""
    SELECT o.id, o.customer_id, o.placed_at AS at, (({net}) * 100)::bigint AS amount,
           (o.kind = 'sale')::int::bigint AS is_order, (o.total * 100)::bigint AS total, (o.discount * 100)::bigint AS discount,
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
    """What p products belong to, shape (p,), places among the names and -1 for none: top category, category where it is not a top
    one, brand. category_names: of both, and brand_names, in the order of their bytes."""

    product: Ints
    top: Ints
    inner: Ints
    brand: Ints
    category_names: list[str]
    brand_names: list[str]


@dataclass(frozen=True, eq=False)
class LineFacts:
    """Order lines by customer: customer i has start[i] to start[i + 1]. product: its row in ``names``; thousandths of a unit; discount
    in minor units, 0 for returns; bought: whether something was sold."""

    start: Ints
    product: Ints
    thousandths: Ints
    discount: Ints
    is_purchase: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class OrderFacts:
    """What happened before a moment. total, discount (minor units), hour (in the shop's time): of each fact in ``histories``."""

    histories: OrderHistories
    total: Ints
    discount: Ints
    hour: Ints
    lines: LineFacts
    products: ProductAttributes


def read_order_facts(*, as_of: datetime) -> OrderFacts:
    """Return the facts before ``as_of`` of all customers known before it and not erased."""
    customers = read_customers(as_of=as_of)
    ids = customers["id"]
    parts = {"as_of": sql.Literal(as_of), "net": NET_AMOUNT, "zone": sql.Literal(settings.TIME_ZONE)}
    columns = ["id", "customer_id", "at", "amount", "is_order", "total", "discount", "hour"]
    documents = read_integers(DOCUMENTS.format(**parts), columns, moments=["at"])
    order = np.lexsort((documents["id"], documents["at"], documents["customer_id"]))
    documents = {name: values[order] for name, values in documents.items()}
    row = find_positions(documents["customer_id"], ids)
    if (row < 0).any():  # erased
        documents = {name: values[row >= 0] for name, values in documents.items()}
        row = row[row >= 0]
    names = read_product_attributes()
    lines, category = read_lines(documents, row, len(ids), names)
    tops = sorted({name for name in names.category_names if " > " not in name})
    histories = OrderHistories(
        customer=ids,
        known_at=customers["known_at"],
        identified_at=customers["identified_at"],
        start=np.concatenate(([0], np.cumsum(np.bincount(row, minlength=len(ids)), dtype=np.int64))),
        at=documents["at"],
        amount=documents["amount"],
        is_order=documents["is_order"].astype(bool),
        category=np.append(np.searchsorted(tops, names.category_names), -1)[category] if tops else category,
        categories=tops,
    )
    return OrderFacts(histories, documents["total"], documents["discount"], documents["hour"], lines, names)


def read_lines(documents: IntegerColumns, row: Ints, n: int, names: ProductAttributes) -> tuple[LineFacts, Ints]:
    """The lines of these documents, which are of the customers ``row``, and what each document was mainly of: the top category of its
    dearest line."""
    found = read_integers(LINES, ["order_id", "product_id", "thousandths", "discount", "total"])
    by_id = np.argsort(documents["id"])
    fact = np.append(by_id, -1)[find_positions(found["order_id"], documents["id"][by_id])]
    product = find_positions(found["product_id"], names.product)
    category = find_top_codes(fact, names.top[product], found["total"], len(row))
    start, order = group_by_customer(np.append(row, -1)[fact], n)
    sold = documents["is_order"][fact[order]].astype(bool)
    thousandths = found["thousandths"][order]
    lines = LineFacts(
        start=start,
        product=product[order],
        thousandths=thousandths,
        discount=np.where(sold, found["discount"][order], 0),
        is_purchase=sold & (thousandths > 0),
    )
    return lines, category


def read_product_attributes() -> ProductAttributes:
    paths = dict(Category.objects.values_list("id", "path"))
    tops = {key: path.split(" > ")[0] for key, path in paths.items()}
    categories = sort_by_bytes({*paths.values(), *tops.values()})
    code = {name: place for place, name in enumerate(categories)}
    rows = list(Product.objects.order_by("id").values_list("id", "category_id", "brand"))
    brands = sort_by_bytes({brand for _id, _category, brand in rows if brand})
    brand_code = {name: place for place, name in enumerate(brands)}
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
    """Return names in the order of COLLATE "C"."""
    return sorted(names, key=str.encode)
