"""Opens the tables of questions: the warehouse, brought up to date from PostgreSQL."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from django.db import connection
from django.db.models import F
from django.utils.translation import gettext as _

from catalog.models import Product
from config.foundation.shop.profile import get_time_zone
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.expressions.tables import FEEDBACK_SCHEMA, AnalyticsTables
from customers.identity.models import Customer
from customers.identity.personal_data.cities import read_cities
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.segments.membership import query_members
from customers.segments.models import Segment
from customers.warehouse.connection import open_warehouse
from customers.warehouse.current_tables import OVERLAP, CurrentWarehouse, find_exported_position
from customers.warehouse.engines.base import WarehouseEngine
from customers.warehouse.position import read_position
from customers.warehouse.snapshot import read_snapshot

# property of customers → where it is stored
LABEL_QUERIES = {
    "stage": "SELECT customer_id, stage FROM lifecycle_customerprofile",
    "cluster": "SELECT customer_id, cluster::text FROM lifecycle_customerprofile WHERE cluster IS NOT NULL",
    "language": "SELECT id, language FROM identity_customer WHERE language <> '' AND erased_at IS NULL",
}
# the name of a city with fewer customers could reveal who they are
MIN_CITY_CUSTOMERS = 5
LABEL_SCHEMA = pa.schema([("customer_id", pa.int64()), ("label", pa.string())])
# including hidden reviews, because customers wrote them
FEEDBACK_QUERY = """
SELECT row_number() OVER (), customer_id, (extract(epoch FROM at) * 1000000)::bigint, kind, score FROM (
    SELECT customer_id, written_at AS at, 'review' AS kind, rating AS score FROM feedback_review
    UNION ALL SELECT customer_id, answered_at, kind, score FROM feedback_surveyanswer
) AS answer
"""


@contextmanager
def open_analytics_tables(*, as_of: datetime, engine: WarehouseEngine | None = None) -> Iterator[AnalyticsTables]:
    """Open the tables for the block, by default on DuckDB.

    What PostgreSQL knows beyond the files is copied first, so that no transaction is open while questions run.
    """
    with open_warehouse(engine) as files:
        with read_snapshot():
            exported = find_exported_position()
            current = CurrentWarehouse(files, position=read_position(as_of=as_of), exported=exported)
            events, orders, order_lines = current["events"], current["orders"], current["order_lines"]
            # the currency in which the pages state amounts; a shop that has not set its own would have none in that of its orders
            currency = get_amount_currency()
            erased: list[int] = []
            if exported is not None:
                since = exported.received_before - OVERLAP
                erased = list(find_erased(since=since))
        yield AnalyticsTables(
            backend=files.backend,
            engine=files.engine,
            events=drop_customers(events, erased),
            orders=drop_customers(orders, erased),
            order_lines=drop_customers(order_lines, erased),
            products=current["products"],
            as_of=as_of,
            zone=get_time_zone(),
            currency=currency,
            read_labels=read_labels,
            read_members=partial(read_members, as_of=as_of),
            read_costs=partial(read_costs, currency=currency),
            read_feedback=read_feedback,
        )


def find_erased(*, since: datetime) -> Iterable[int]:
    """Return the customers erased since then, without the anonymous customers that now own their orders and never had data of their own."""
    erased = Customer.objects.filter(erased_at__gte=since, created_at__lt=F("erased_at"))
    return erased.values_list("pk", flat=True)


def drop_customers(rows: ir.Table, customer_ids: list[int]) -> ir.Table:
    """Return the rows without those of customers who were erased since the files were written."""
    if not customer_ids:
        return rows
    erased = ibis.memtable(pa.table({"erased_id": pa.array(customer_ids, pa.int64())}))
    return rows.anti_join(erased, rows.customer_id == erased.erased_id)


def read_labels(name: str) -> ir.Table:
    """Return customer_id and label of everyone who has this property."""
    if name == "city":
        return build_city_labels()
    return copy_table(LABEL_QUERIES[name], LABEL_SCHEMA)


def build_city_labels() -> ir.Table:
    """Return customer_id and city of everyone who lives in a city of at least `MIN_CITY_CUSTOMERS` customers."""
    cities = read_cities(Customer.objects.filter(erased_at__isnull=True))
    counts = Counter(cities.values())
    known = {pk: city for pk, city in cities.items() if counts[city] >= MIN_CITY_CUSTOMERS}
    return ibis.memtable(pa.table([pa.array(list(known), pa.int64()), pa.array(list(known.values()))], LABEL_SCHEMA))


def read_feedback() -> ir.Table:
    """Return reviews and answers to surveys."""
    return copy_table(FEEDBACK_QUERY, FEEDBACK_SCHEMA)


def copy_table(query: str, schema: pa.Schema) -> ir.Table:
    """Return the rows of a query without parameters, by COPY."""
    buffer = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
        for block in copy:
            buffer.write(block)
    if not buffer.tell():
        return ibis.memtable(schema.empty_table())
    buffer.seek(0)
    options = pa_csv.ConvertOptions(column_types=schema)
    return ibis.memtable(
        pa_csv.read_csv(buffer, pa_csv.ReadOptions(column_names=schema.names), convert_options=options)
    )


def read_costs(*, currency: str) -> ir.Table:
    """Return product_id and cost of the products that have one in this currency; the warehouse does not contain costs.

    A product without a currency has no price: its cost is in that of the shop.
    """
    rows = Product.objects.filter(cost__isnull=False, currency__in=("", currency)).values_list("product_id", "cost")
    known = {product_id: float(cost) for product_id, cost in rows if cost is not None}
    return ibis.memtable(
        pa.table(
            {"product_id": pa.array(list(known), pa.string()), "cost": pa.array(list(known.values()), pa.float64())}
        )
    )


def read_members(key: str, *, as_of: datetime) -> ir.Table:
    """Return the customer_id of the members of a segment. Raises ParameterError: there is no such segment."""
    segment = Segment.objects.filter(key=key).first()
    if segment is None:
        raise ParameterError("segment", _("there is no segment %(key)s; choose an existing one.") % {"key": repr(key)})
    ids = query_members(segment=segment, as_of=as_of).order_by().values_list("pk", flat=True)
    return ibis.memtable(pa.table({"customer_id": pa.array(np.fromiter(ids.iterator(), np.int64))}))
