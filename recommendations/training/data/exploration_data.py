"""How many people the new products were shown to, and how many of them were interested, from the recorded impressions."""

from datetime import datetime, timedelta
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from django.conf import settings
from django.db import connection

from catalog.models import Product
from customers.warehouse.current_tables import OVERLAP, CurrentWarehouse
from recommendations.engine.exploration import ExplorationTrials
from recommendations.training.data.interaction_tables import build_order_lines_table, build_product_events_table

SHOWN_SCHEMA = pa.schema(
    [
        ("product_id", pa.string()),
        ("customer_id", pa.int64()),
        ("person", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
    ]
)
# The table belongs to serving, which may import training but not the other way round.
SHOWN_SINCE = """
SELECT product.id, i.customer_id,
       COALESCE('c' || i.customer_id, 'u' || NULLIF(i.user_id, ''), 'a' || NULLIF(i.anonymous_id, ''),
                'r' || i.recommendation_id),
       min(i.served_at)
FROM serving_impression i
CROSS JOIN LATERAL unnest(i.product_ids) AS product (id)
WHERE i.served_at >= %(since)s AND i.served_at < %(until)s AND i.product_ids && %(products)s::varchar[]
  AND product.id = ANY(%(products)s::varchar[])
GROUP BY 1, 2, 3
"""


def read_exploration_trials(tables: CurrentWarehouse, *, as_of: datetime) -> ExplorationTrials:
    """Return the counts of every product published in the last RECOMMEND_NEW_DAYS days."""
    since = as_of - timedelta(days=settings.RECOMMEND_NEW_DAYS)
    new = Product.objects.filter(published_at__gte=since, published_at__lte=as_of).order_by("product_id")
    rows = list(new.values_list("product_id", "category__path"))
    product_ids = [product_id for product_id, _path in rows]
    counts = count_people(tables, product_ids, since=since, as_of=as_of) if rows else {}
    columns = np.array([counts.get(product_id, (0, 0, 0)) for product_id in product_ids], np.int64).reshape(-1, 3)
    return ExplorationTrials.of(
        product_ids,
        categories=[path or "" for _product_id, path in rows],
        shown=columns[:, 0],
        takers=columns[:, 1],
        interested=columns[:, 2],
    )


def count_people(
    tables: CurrentWarehouse, product_ids: list[str], *, since: datetime, as_of: datetime
) -> dict[str, tuple[int, int, int]]:
    """Return product → people it was shown to, how many of these interacted with it afterwards, and how many interacted at all."""
    wanted = ibis.memtable(pa.table({"product_id": pa.array(product_ids, pa.string())}))
    shown = build_shown_table(tables, wanted, product_ids, since=since, as_of=as_of)
    interactions = build_order_lines_table(tables).union(build_product_events_table(tables))
    interactions = interactions.filter((interactions["at"] >= since) & (interactions["at"] < as_of))
    interested = (
        interactions.semi_join(wanted, "product_id")
        .group_by("customer_id", "product_id")
        .aggregate(last_at=ibis._["at"].max())
        .rename(by="customer_id", of="product_id")
    )
    pairs = shown.left_join(interested, [shown.customer_id == interested.by, shown.product_id == interested.of])
    of_shown = pairs.group_by("product_id").aggregate(
        shown=pairs.count(), takers=(pairs.last_at >= pairs.shown_at).sum().fill_null(0)
    )
    of_interested = interested.group_by(product_id="of").aggregate(interested=ibis._.count())
    counts: dict[str, tuple[int, int, int]] = {}
    for row in of_interested.to_pyarrow().to_pylist():
        counts[row["product_id"]] = (0, 0, row["interested"])
    for row in of_shown.to_pyarrow().to_pylist():
        counts[row["product_id"]] = (row["shown"], row["takers"], counts.get(row["product_id"], (0, 0, 0))[2])
    return counts


def build_shown_table(
    tables: CurrentWarehouse, wanted: ir.Table, product_ids: list[str], *, since: datetime, as_of: datetime
) -> ir.Table:
    """Return one row per product and person: product_id, customer_id, person, shown_at (the first time)."""
    impressions = tables["impressions"]
    impressions = impressions.filter((impressions.served_at >= since) & (impressions.served_at < as_of))
    person = ibis.coalesce(
        "c" + impressions.customer_id.cast("string"),
        "u" + impressions.user_id,
        "a" + impressions.anonymous_id,
        "r" + impressions.recommendation_id,
    )
    rows = impressions.select(
        "customer_id", product_id=impressions.product_ids.unnest(), person=person, at=impressions.served_at
    )
    rows = rows.semi_join(wanted, "product_id").select(*SHOWN_SCHEMA.names)
    newer = read_shown_since_export(tables, product_ids, since=since, as_of=as_of)
    if newer.num_rows:
        rows = rows.union(ibis.memtable(newer))
    # what was shown on the days around the export may be in both tables
    return rows.group_by("product_id", "person").aggregate(
        customer_id=rows.customer_id.max(), shown_at=rows["at"].min()
    )


def read_shown_since_export(
    tables: CurrentWarehouse, product_ids: list[str], *, since: datetime, as_of: datetime
) -> pa.Table:
    """Return what was shown since the last export, in SHOWN_SCHEMA.

    Impressions are written some time after they were served, so those of the day before the export are read again.
    """
    exported = tables.exported
    parameters: dict[str, Any] = {
        "since": since if exported is None else max(since, exported.received_before - OVERLAP),
        "until": as_of,
        "products": product_ids,
    }
    with connection.cursor() as cursor:
        cursor.execute(SHOWN_SINCE, parameters)
        rows = cursor.fetchall()
    arrays = [pa.array([row[number] for row in rows], field.type) for number, field in enumerate(SHOWN_SCHEMA)]
    return pa.table(arrays, SHOWN_SCHEMA)
