"""Makes connected shops."""

import json
from typing import Any

from catalog.models import Product
from customers.connectors.models import ShopConnection, SyncedRecord
from customers.events.models import Source
from customers.orders.models import Order

UNKNOWN_ORDER = "99999999"
PRODUCT_CHANGES: tuple[dict[str, Any], ...] = ({"price": 1}, {"title": "Planted"}, {"is_active": False}, {"stock": 99})
ORDER_CHANGES: tuple[dict[str, Any], ...] = ({"total": 1}, {"total": 2}, {"refunded": 1}, {"status": "cancelled"})


def make_connection(platform: str, url: str, credentials: dict[str, str], source_key: str = "") -> ShopConnection:
    source = Source.objects.create(key=source_key or f"{platform}-shop", name="Tea shop", kind=Source.Kind.IMPORT)
    return ShopConnection.objects.create(
        name="Tea shop",
        platform=platform,
        address=url,
        credentials=json.dumps(credentials),
        currency="EUR",
        source=source,
    )


def plant_differences(shop: ShopConnection) -> set[tuple[str, str, str]]:
    """Change, delete and add ten records of an imported shop; return kind, ID and code of the differences that a reconciliation has to find."""
    rows = SyncedRecord.objects.filter(connection=shop).order_by("pk")
    products = list(rows.filter(kind="products", local_ids__0__isnull=False)[:4])
    orders = list(rows.filter(kind="orders", local_ids__0__isnull=False)[:5])
    for row, change in zip(products, PRODUCT_CHANGES, strict=True):
        Product.objects.filter(product_id=row.local_ids[0]).update(**change)
    own = Order.objects.filter(source=shop.source)
    for row, change in zip(orders, ORDER_CHANGES, strict=False):
        own.filter(order_id=row.local_ids[0]).update(**change)
    own.filter(order_id=orders[4].local_ids[0]).delete()
    unknown = own.filter(order_id=orders[0].local_ids[0]).get()
    unknown.pk, unknown.order_id = None, UNKNOWN_ORDER
    unknown.save()
    SyncedRecord.objects.create(
        connection=shop,
        kind="orders",
        external_id=UNKNOWN_ORDER,
        local_ids=[UNKNOWN_ORDER],
        updated_at=orders[0].updated_at,
    )
    return {
        *(("products", row.external_id, "different") for row in products),
        *(("orders", row.external_id, "different") for row in orders[:4]),
        ("orders", orders[4].external_id, "missing"),
        ("orders", UNKNOWN_ORDER, "extra"),
    }
