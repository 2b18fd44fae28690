"""Plays WooCommerce: REST API v3 of WooCommerce 9, after developer.woocommerce.com/docs/apis/rest-api/v3 (payloads and headers of lists)."""

import base64
import hmac
import json
import re
from hashlib import sha256
from typing import Any

from tests.customers.connectors.platforms.platform_server import Answer, Call, PlatformServer

KEY, SECRET = "ck_0123", "cs_4567"
API = "/wp-json/wc/v3"
UNAUTHORIZED = {
    "code": "woocommerce_rest_cannot_view",
    "message": "Sorry, you cannot list resources.",
    "data": {"status": 401},
}


def make_product(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Mug {number}",
        "slug": f"mug-{number}",
        "permalink": f"https://shop.example/product/mug-{number}/",
        "date_created_gmt": "2026-01-02T03:04:05",
        "date_modified_gmt": "2026-11-01T10:00:00",
        "type": "simple",
        "status": "publish",
        "catalog_visibility": "visible",
        "description": "<p>A mug</p>",
        "sku": f"MUG-{number}",
        "price": "9.90",
        "regular_price": "12.00",
        "stock_quantity": 3,
        "stock_status": "instock",
        "parent_id": 0,
        "categories": [{"id": 20, "name": "Mugs", "slug": "mugs"}],
        "tags": [{"id": 1, "name": "gift"}],
        "images": [{"id": 1, "src": "https://shop.example/mug.jpg"}],
        "attributes": [{"id": 1, "name": "Brand", "options": ["Acme"]}],
        "variations": [],
        **fields,
    }


def make_variation(number: int, size: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "sku": f"V-{number}",
        "status": "publish",
        "price": "11.00",
        "regular_price": "11.00",
        "stock_quantity": None,
        "stock_status": "onbackorder",
        "image": {"src": f"https://shop.example/{number}.jpg"},
        "attributes": [{"id": 2, "name": "Size", "option": size}],
        **fields,
    }


def make_customer(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "date_created_gmt": "2026-01-02T03:04:05",
        "date_modified_gmt": "2026-11-01T10:00:00",
        "email": f"eva{number}@example.com",
        "first_name": "Eva",
        "last_name": f"Moss {number}",
        "billing": {"phone": "555 123 4567", "country": "US"},
        **fields,
    }


def make_order(
    number: int, *, customer: int = 0, product: int = 1, variation: int = 0, **fields: Any
) -> dict[str, Any]:
    return {
        "id": number,
        "number": str(number),
        "status": "completed",
        "currency": "USD",
        "date_created_gmt": "2026-10-05T09:00:00",
        "date_modified_gmt": "2026-11-01T10:00:00",
        "discount_total": "1.98",
        "shipping_total": "5.00",
        "total": "22.82",
        "total_tax": "0.00",
        "customer_id": customer,
        "created_via": "checkout",
        "billing": {"email": "eva@example.com", "country": "US"},
        "shipping": {"country": "CA"},
        "line_items": [
            {
                "id": number * 10,
                "name": "Mug",
                "product_id": product,
                "variation_id": variation,
                "quantity": 2,
                "subtotal": "19.80",
                "total": "17.82",
                "sku": "MUG",
                "price": 8.91,
            }
        ],
        "coupon_lines": [{"id": 1, "code": "mug10"}],
        "refunds": [],
        **fields,
    }


def make_refund(number: int, *, product: int, quantity: int, amount: str) -> dict[str, Any]:
    """Return a refund (developer.woocommerce.com, order refunds): its lines have negative quantities and amounts."""
    line = {"id": number + 1, "name": "Mug", "product_id": product, "variation_id": 0, "quantity": -quantity}
    return {
        "id": number,
        "date_created_gmt": "2026-10-20T09:00:00",
        "amount": amount,
        "reason": "",
        "line_items": [{**line, "subtotal": f"-{amount}", "total": f"-{amount}", "sku": "MUG"}],
    }


class WooCommerceServer(PlatformServer):
    """The records of a shop, with their variations, and its webhooks."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, list[dict[str, Any]]] = {"products": [], "customers": [], "orders": []}
        self.variations: dict[int, list[dict[str, Any]]] = {}
        self.refunds: dict[int, list[dict[str, Any]]] = {}
        self.categories = [
            {"id": 10, "name": "Kitchen", "parent": 0},
            {"id": 20, "name": "Mugs", "parent": 10},
        ]
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.namespaces = ["wp/v2", "wc/v3"]
        self.may_write = True

    def respond(self, call: Call) -> Answer:
        if call.path == "/wp-json/":
            return Answer(200, {"name": "Mug shop", "url": self.url, "namespaces": self.namespaces})
        if call.headers.get("authorization") != f"Basic {base64.b64encode(f'{KEY}:{SECRET}'.encode()).decode()}":
            return Answer(401, UNAUTHORIZED)
        path = call.path.removeprefix(API)
        if path.startswith("/webhooks"):
            return self.answer_webhooks(call, path)
        if path == "/data/currencies/current":
            return Answer(200, {"code": "USD", "name": "United States (US) dollar"})
        if path == "/products/categories":
            return give_page(self.categories, call)
        if match := re.fullmatch(r"/products/(\d+)/variations", path):
            return give_page(self.variations.get(int(match[1]), []), call)
        if match := re.fullmatch(r"/orders/(\d+)/refunds", path):
            return give_page(self.refunds.get(int(match[1]), []), call)
        kind = path.removeprefix("/")
        if kind not in self.records:
            return Answer(
                404,
                {"code": "rest_no_route", "message": "No route was found matching the URL.", "data": {"status": 404}},
            )
        rows = self.records[kind]
        if "include" in call.query:
            rows = [row for row in rows if str(row["id"]) in call.query["include"].split(",")]
        if "modified_after" in call.query:
            assert call.query["dates_are_gmt"] == "true"
            rows = [row for row in rows if row["date_modified_gmt"] > call.query["modified_after"]]
        return give_page(sorted(rows, key=lambda row: row["id"]), call)

    def answer_webhooks(self, call: Call, path: str) -> Answer:
        if call.method == "GET":
            return give_page(list(self.webhooks.values()), call)
        if not self.may_write:
            return Answer(401, UNAUTHORIZED)
        number = int(path.rpartition("/")[2]) if path != "/webhooks" else len(self.webhooks) + 1
        if call.method == "DELETE":
            return Answer(200, self.webhooks.pop(number))
        self.webhooks[number] = {**json.loads(call.body), "id": number}
        return Answer(201 if call.method == "POST" else 200, self.webhooks[number])


def give_page(rows: list[dict[str, Any]], call: Call) -> Answer:
    """Return a page with the headers of WordPress."""
    size, page = int(call.query.get("per_page", 10)), int(call.query.get("page", 1))
    headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(-(-len(rows) // size))}
    return Answer(200, rows[(page - 1) * size : page * size], headers)


def sign(body: bytes, *, topic: str, delivery_id: str, secret: str) -> dict[str, str]:
    """Return the headers of a webhook, after the plug-in's WC_Webhook::deliver."""
    resource, _point, event = topic.partition(".")
    return {
        "X-WC-Webhook-Source": "https://shop.example/",
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Resource": resource,
        "X-WC-Webhook-Event": event,
        "X-WC-Webhook-Signature": base64.b64encode(hmac.new(secret.encode(), body, sha256).digest()).decode(),
        "X-WC-Webhook-ID": "1",
        "X-WC-Webhook-Delivery-ID": delivery_id,
    }
