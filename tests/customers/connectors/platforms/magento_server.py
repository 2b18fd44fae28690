"""Plays Magento 2.4: the REST API V1 with searchCriteria, after developer.adobe.com/commerce/webapi/rest and the data interfaces of magento2."""

from bisect import bisect_right
from typing import Any

from tests.customers.connectors.platforms.platform_server import Answer, Call, PlatformServer

TOKEN = "0123456789abcdefghij"
PREFIX = "searchCriteria[filter_groups]"


def make_product(
    number: int, *, type_id: str = "simple", children: tuple[int, ...] = (), **fields: Any
) -> dict[str, Any]:
    return {
        "id": number,
        "sku": f"BAG-{number}",
        "name": f"Bag {number}",
        "price": 40,
        "status": 1,
        "visibility": 4,
        "type_id": type_id,
        "created_at": "2026-01-02 03:04:05",
        "updated_at": "2026-11-01 10:00:00",
        "extension_attributes": {
            "website_ids": [1],
            "category_links": [{"position": 0, "category_id": "4"}],
            **({"configurable_product_links": list(children)} if children else {}),
        },
        "custom_attributes": [
            {"attribute_code": "description", "value": "<p>A bag</p>"},
            {"attribute_code": "image", "value": "/b/a/bag.jpg"},
            {"attribute_code": "url_key", "value": f"bag-{number}"},
            {"attribute_code": "manufacturer", "value": "7"},
        ],
        **fields,
    }


def make_customer(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "email": f"roni{number}@example.com",
        "firstname": "Veronica",
        "lastname": f"Costello {number}",
        "updated_at": "2026-11-01 10:00:00",
        "addresses": [{"id": 1, "country_id": "US", "telephone": "(555) 229-3326", "default_billing": True}],
        "extension_attributes": {"is_subscribed": True},
        **fields,
    }


def make_order(number: int, *, customer: int | None = None, sku: str = "BAG-2", **fields: Any) -> dict[str, Any]:
    """Return an order of a configurable product, with the row of its variant below that of the product."""
    item = {"qty_ordered": 1, "base_price": 40, "base_discount_amount": 4, "sku": sku, "name": "Bag", "product_id": 3}
    return {
        "entity_id": number,
        "increment_id": f"00000{number}",
        "created_at": "2026-10-05 09:00:00",
        "updated_at": "2026-11-01 10:00:00",
        "state": "complete",
        "status": "complete",
        "base_currency_code": "USD",
        "base_grand_total": 41.0,
        "base_shipping_amount": 5.0,
        "base_tax_amount": 0.0,
        "base_total_refunded": None,
        "customer_id": customer,
        "customer_email": "roni@example.com",
        "coupon_code": "H20",
        "store_name": "Main Website\nMain Website Store\nDefault Store View",
        "billing_address": {"country_id": "US"},
        "items": [
            {**item, "item_id": number * 10, "product_type": "configurable"},
            {
                **item,
                "item_id": number * 10 + 1,
                "parent_item_id": number * 10,
                "base_price": 0,
                "product_type": "simple",
            },
        ],
        **fields,
    }


class MagentoServer(PlatformServer):
    """The records of a shop and its stock."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, list[dict[str, Any]]] = {"/products": [], "/customers/search": [], "/orders": []}
        self.stock: dict[str, int] = {}
        self.disabled_stock = set[str]()  # SKUs whose stock status is "out of stock"
        self.backorders = set[str]()  # SKUs that can be bought without stock
        self.credit_memos: list[dict[str, Any]] = []
        leaf = {"id": 4, "name": "Bags", "level": 3, "children_data": []}
        self.categories: list[dict[str, Any]] = [{"id": 3, "name": "Gear", "level": 2, "children_data": [leaf]}]
        self.denied = ""
        self.url_suffix: str | None = None  # of GraphQL, which a shop may block

    def respond(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"message": "The consumer isn't authorized to access %resources."})
        if call.path == "/graphql" and self.url_suffix is not None:
            return Answer(200, {"data": {"storeConfig": {"product_url_suffix": self.url_suffix}}})
        path = call.path.removeprefix("/rest/V1")
        if path == self.denied:
            return Answer(403, {"message": "The consumer isn't authorized to access %resources."})
        if path == "/store/storeConfigs":
            media = f"{self.url}/media/"
            return Answer(
                200,
                [
                    {
                        "id": 1,
                        "code": "default",
                        "base_currency_code": "USD",
                        "secure_base_media_url": media,
                        "website_id": 1,
                    }
                ],
            )
        if path == "/products/attributes/manufacturer/options":
            return Answer(200, [{"label": " ", "value": ""}, {"label": "Acme", "value": "7"}])
        if path == "/categories":
            return Answer(200, {"id": 2, "name": "Default Category", "level": 1, "children_data": self.categories})
        if path == "/inventory/source-items":
            wanted = list_filters(call)[0][1].split(",")
            items = [
                {
                    "sku": sku,
                    "source_code": "default",
                    "quantity": self.stock.get(sku, 0),
                    "status": int(sku not in self.disabled_stock),
                }
                for sku in wanted
            ]
            return Answer(200, {"items": items, "total_count": len(items)})
        if path == "/store/websites":
            return Answer(200, [{"id": 0, "code": "admin"}, {"id": 1, "code": "base"}])
        if path == "/inventory/stock-resolver/website/base":
            return Answer(200, {"stock_id": 2, "name": "EU"})
        if path == "/inventory/are-products-salable":
            assert call.query["stockId"] == "2"
            skus = [value for name, value in call.query.items() if name.startswith("skus[")]
            rows = [{"sku": sku, "stock_id": 2, "salable": sku in self.backorders} for sku in skus]
            return Answer(200, rows)
        if path == "/creditmemos":
            wanted = list_filters(call)[0][1].split(",")
            memos = [memo for memo in self.credit_memos if str(memo["order_id"]) in wanted]
            return Answer(200, {"items": memos, "total_count": len(memos)})
        if path not in self.records:
            return Answer(404, {"message": "Request does not match any route."})
        return self.search(path, call)

    def search(self, path: str, call: Call) -> Answer:
        assert call.query["searchCriteria[sortOrders][0][direction]"] == "ASC"
        rows = sorted(self.records[path], key=read_id)
        for field, value, condition in list_filters(call):
            if (field, condition) == ("entity_id", "gt"):
                rows = rows[bisect_right(rows, int(value), key=read_id) :]
                continue
            rows = [row for row in rows if does_match(row, field, value, condition)]
        size = int(call.query["searchCriteria[pageSize]"])
        return Answer(200, {"items": rows[:size] or None, "search_criteria": {}, "total_count": len(rows)})


def read_id(row: dict[str, Any]) -> int:
    return int(row.get("entity_id") or row["id"])


def list_filters(call: Call) -> list[tuple[str, str, str]]:
    filters = list[tuple[str, str, str]]()
    while f"{PREFIX}[{len(filters)}][filters][0][field]" in call.query:
        prefix = f"{PREFIX}[{len(filters)}][filters][0]"
        filters.append(
            (call.query[f"{prefix}[field]"], call.query[f"{prefix}[value]"], call.query[f"{prefix}[condition_type]"])
        )
    return filters


def does_match(row: dict[str, Any], field: str, value: str, condition: str) -> bool:
    stored: Any = read_id(row) if field == "entity_id" else row[field]
    if condition == "in":
        return str(stored) in value.split(",")
    return bool(stored >= value) if condition == "gteq" else bool(stored == value)
