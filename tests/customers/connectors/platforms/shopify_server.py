"""Plays Shopify: GraphQL Admin API 2026-10, client credentials, bulk operations, webhooks.

The nodes have the fields of shopify.dev/docs/api/admin-graphql/2026-10; bulk files follow docs/api/usage/bulk-operations/queries with
``groupObjects: true``; a throttled answer is that of docs/api/usage/limits.
"""

import base64
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from tests.customers.connectors.platforms.platform_server import Answer, Call, PlatformServer

CLIENT_ID, CLIENT_SECRET = "3a8f0c", "shpss_0123456789abcdef"
SCOPES = ("read_products", "read_customers", "read_orders", "read_all_orders")
CONNECTIONS = {"products": ("variants", "collections"), "customers": (), "orders": ("lineItems",)}
TYPES = {"products": "Product", "customers": "Customer", "orders": "Order"}
THROTTLED = {
    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
    "extensions": {
        "cost": {
            "requestedQueryCost": 722,
            "actualQueryCost": None,
            "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 132, "restoreRate": 100.0},
        }
    },
}


def money(amount: str) -> dict[str, Any]:
    return {"shopMoney": {"amount": amount, "currencyCode": "EUR"}}


def make_product(
    number: int, *, price: str = "12.50", stock: int = 5, variants: int = 1, **fields: Any
) -> dict[str, Any]:
    """Return a product; the variants of product 7 have the IDs 701, 702, …"""
    names = ["Default Title"] if variants == 1 else [f"Size {size}" for size in range(1, variants + 1)]
    return {
        "id": f"gid://shopify/Product/{number}",
        "title": f"Tea {number}",
        "descriptionHtml": f"<p>Tea from garden <b>{number}</b></p>",
        "vendor": "Acme",
        "productType": "Tea",
        "status": "ACTIVE",
        "tags": ["green"],
        "publishedAt": "2026-01-02T03:04:05Z",
        "updatedAt": "2026-11-01T10:00:00Z",
        "onlineStoreUrl": f"https://shop.example/products/tea-{number}",
        "category": {"fullName": "Food > Tea"},
        "featuredMedia": {"preview": {"image": {"url": f"https://cdn.example/{number}.jpg"}}},
        "variants": [
            {
                "id": f"gid://shopify/ProductVariant/{number * 100 + position}",
                "title": name,
                "sku": f"TEA-{number}-{position}",
                "price": price,
                "compareAtPrice": None,
                "inventoryQuantity": stock,
                "inventoryPolicy": "DENY",
                "availableForSale": stock > 0,
                "selectedOptions": [{"name": "Title" if name == "Default Title" else "Size", "value": name}],
                "inventoryItem": {"tracked": True, "unitCost": {"amount": "4.00"}},
            }
            for position, name in enumerate(names, 1)
        ],
        "collections": [{"id": "gid://shopify/Collection/9", "title": "Bestsellers"}],
        **fields,
    }


def make_customer(number: int, *, state: str = "SUBSCRIBED", **fields: Any) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/Customer/{number}",
        "firstName": "Ada",
        "lastName": f"Lovelace {number}",
        "locale": "en",
        "tags": ["vip"],
        "updatedAt": "2026-11-01T10:00:00Z",
        "defaultAddress": {"countryCodeV2": "DE"},
        "defaultEmailAddress": {"emailAddress": f"ada{number}@example.com", "marketingState": state},
        "defaultPhoneNumber": None,
        **fields,
    }


def make_order(
    number: int, *, customer: int | None = None, variant: int = 101, total: str = "25.00", **fields: Any
) -> dict[str, Any]:
    """Return an order of two pieces at 12.50."""
    return {
        "id": f"gid://shopify/Order/{number}",
        "name": f"#{number}",
        "email": f"ada{customer}@example.com" if customer else "guest@example.com",
        "test": False,
        "processedAt": "2026-10-05T09:00:00Z",
        "createdAt": "2026-10-05T09:00:00Z",
        "updatedAt": "2026-11-01T10:00:00Z",
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "discountCodes": [],
        "sourceName": "web",
        "customer": {"id": f"gid://shopify/Customer/{customer}"} if customer else None,
        "shippingAddress": {"countryCodeV2": "DE"},
        "totalPriceSet": money(total),
        "totalShippingPriceSet": money("0.0"),
        "totalTaxSet": money("3.99"),
        "totalDiscountsSet": money("0.0"),
        "totalRefundedSet": money("0.0"),
        "lineItems": [
            {
                "id": f"gid://shopify/LineItem/{number}1",
                "title": "Tea",
                "variantTitle": None,
                "quantity": 2,
                "currentQuantity": 2,
                "sku": "TEA",
                "vendor": "Acme",
                "variant": {"id": f"gid://shopify/ProductVariant/{variant}"},
                "product": {"id": f"gid://shopify/Product/{variant // 100}"},
                "originalUnitPriceSet": money("12.50"),
                "discountedTotalSet": money("25.00"),
            }
        ],
        **fields,
    }


class ShopifyServer(PlatformServer):
    """The shop's records by kind, and the tokens, operations and webhooks of its app."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, list[dict[str, Any]]] = {"products": [], "customers": [], "orders": []}
        self.scopes = list(SCOPES)
        self.tokens: list[str] = []
        self.operations: dict[str, str] = {}
        self.exports: dict[str, tuple[int, bytes]] = {}
        self.webhooks: dict[str, tuple[str, str]] = {}
        self.polls = 0
        self.is_bulk_cut = False
        self.hides: set[str] = set()  # records that the next lists lack, as after a partial page

    def respond(self, call: Call) -> Answer:
        if call.path == "/admin/oauth/access_token":
            return self.give_token(call)
        if call.path.startswith("/bulk/"):
            number = call.path.removeprefix("/bulk/")
            return self.give_bulk(self.export(f"gid://shopify/BulkOperation/{number}")[1])
        if not re.fullmatch(r"/admin/api/2026-10/graphql\.json", call.path):
            return Answer(404, {"errors": "Not Found"})
        if call.headers.get("x-shopify-access-token") not in self.tokens[-1:]:
            return Answer(
                401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
            )
        content = json.loads(call.body)
        return self.run_graphql(content["query"], content["variables"])

    def give_token(self, call: Call) -> Answer:
        body = call.body.decode()
        if f"client_secret={CLIENT_SECRET}" not in body or "grant_type=client_credentials" not in body:
            return Answer(400, {"error": "application_cannot_be_found"})
        self.tokens.append(f"shpat_{len(self.tokens)}")
        return Answer(200, {"access_token": self.tokens[-1], "scope": ",".join(self.scopes), "expires_in": 86399})

    def run_graphql(self, query: str, variables: dict[str, Any]) -> Answer:
        if "bulkOperationRunQuery" in query:
            operation = f"gid://shopify/BulkOperation/{len(self.operations) + 1}"
            assert "groupObjects: true" in query
            self.operations[operation] = variables["query"]
            created = {"bulkOperation": {"id": operation, "status": "CREATED"}, "userErrors": []}
            return Answer(200, {"data": {"bulkOperationRunQuery": created}})
        if "BulkOperation {" in query:
            return Answer(200, {"data": {"node": self.read_operation(variables["id"])}})
        if "currentAppInstallation" in query:
            shop = {"name": "Tea shop", "currencyCode": "EUR", "myshopifyDomain": "tea.myshopify.com"}
            scopes = [{"handle": scope} for scope in self.scopes]
            return Answer(200, {"data": {"shop": shop, "currentAppInstallation": {"accessScopes": scopes}}})
        if "webhookSubscription" in query:
            return self.answer_webhooks(query, variables)
        if "refundLineItems(first: 200" in query:
            return self.read_further_refund_lines(variables["id"])
        if "nodes(ids: $ids)" in query:
            nodes = [self.find_stock(gid) or self.find_refund(gid) or self.find_node(gid) for gid in variables["ids"]]
            return Answer(200, {"data": {"nodes": nodes}})
        for kind in self.records:
            rows = self.list_shown(kind)
            if f"{kind}Count" in query:
                return Answer(200, {"data": {f"{kind}Count": {"count": len(rows)}}})
            if query.startswith(f"{{ {kind}(first"):
                nodes = [nest(kind, row) for row in rows[:10]]
                return Answer(200, {"data": {kind: {"nodes": nodes}}})
        return Answer(200, {"errors": [{"message": f"Unknown query {query[:60]}"}]})

    def read_operation(self, operation: str) -> dict[str, Any] | None:
        if operation not in self.operations:
            return None
        self.polls += 1
        if self.polls % 2:
            return {"id": operation, "status": "RUNNING", "objectCount": "0", "rootObjectCount": "0", "url": None}
        roots, content = self.export(operation)
        lines = content.count(b"\n")
        url = f"{self.url}/bulk/{operation.rpartition('/')[2]}" if lines else None
        return {
            "id": operation,
            "status": "COMPLETED",
            "objectCount": str(lines),
            "rootObjectCount": str(roots),
            "url": url,
        }

    def list_shown(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of a kind; without the scope read_all_orders, only the orders of the last 60 days."""
        if kind != "orders" or "read_all_orders" in self.scopes:
            return self.records[kind]
        start = (datetime.now(UTC) - timedelta(days=60)).isoformat()
        return [row for row in self.records[kind] if row["createdAt"] >= start]

    def list_rows(self, query: str) -> list[dict[str, Any]]:
        kind = next(kind for kind in self.records if query.startswith(f"{{ {kind}"))
        since = re.search(r"updated_at:>='([^']+)'", query)
        rows = [row for row in self.list_shown(kind) if row["id"] not in self.hides]
        return [row for row in rows if since is None or row["updatedAt"] >= since[1]]

    def export(self, operation: str) -> tuple[int, bytes]:
        """Return the number of records and the lines of an operation, which sees the shop once."""
        if operation not in self.exports:
            rows = self.list_rows(self.operations[operation])
            self.exports[operation] = len(rows), self.write_bulk(self.operations[operation], rows)
        return self.exports[operation]

    def write_bulk(self, query: str, rows: list[dict[str, Any]]) -> bytes:
        kind = next(kind for kind in self.records if query.startswith(f"{{ {kind}"))
        lines = []
        for row in rows:
            lines.append(
                {name: value for name, value in hide_refund_lines(row).items() if name not in CONNECTIONS[kind]}
            )
            lines += [{**child, "__parentId": row["id"]} for name in CONNECTIONS[kind] for child in row[name]]
        return "".join(f"{json.dumps(line)}\n" for line in lines).encode()

    def give_bulk(self, text: bytes) -> Answer:
        """Return a file, the first time cut off if it should be."""
        is_cut, self.is_bulk_cut = self.is_bulk_cut, False
        return Answer(200, text[: len(text) * 2 // 3] if is_cut else text, {"Content-Type": "application/jsonl"})

    def find_stock(self, gid: str) -> dict[str, Any] | None:
        """Return an inventory item with its product; it has the number of its variant."""
        prefix, _slash, number = gid.rpartition("/")
        if prefix != "gid://shopify/InventoryItem" or not self.find_node(f"gid://shopify/Product/{int(number) // 100}"):
            return None
        return {"id": gid, "variant": {"product": {"id": f"gid://shopify/Product/{int(number) // 100}"}}}

    def find_refund(self, gid: str) -> dict[str, Any] | None:
        """Return a refund with its first lines; the others are a page of their own."""
        if not gid.startswith("gid://shopify/Refund/"):
            return None
        refunds = (refund for row in self.records["orders"] for refund in row.get("refunds", ()))
        lines = next((refund["refundLineItems"] for refund in refunds if refund["id"] == gid), None)
        if lines is None:
            return None
        page = {"hasNextPage": len(lines) > 1, "endCursor": "1"}
        return {"id": gid, "refundLineItems": {"nodes": lines[:1], "pageInfo": page}}

    def read_further_refund_lines(self, gid: str) -> Answer:
        refunds = (refund for row in self.records["orders"] for refund in row.get("refunds", ()))
        lines = next(refund["refundLineItems"] for refund in refunds if refund["id"] == gid)[1:]
        connection = {"nodes": lines, "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return Answer(200, {"data": {"node": {"refundLineItems": connection}}})

    def find_node(self, gid: str) -> dict[str, Any] | None:
        for kind in self.records:
            for row in self.list_shown(kind):
                if row["id"] == gid:
                    return nest(kind, row)
        return None

    def answer_webhooks(self, query: str, variables: dict[str, Any]) -> Answer:
        if "webhookSubscriptionCreate" in query:
            gid = f"gid://shopify/WebhookSubscription/{len(self.webhooks) + 1}"
            self.webhooks[gid] = (variables["topic"], variables["webhook"]["uri"])
            return Answer(
                200, {"data": {"webhookSubscriptionCreate": {"webhookSubscription": {"id": gid}, "userErrors": []}}}
            )
        if "webhookSubscriptionDelete" in query:
            self.webhooks.pop(variables["id"], None)
            return Answer(200, {"data": {"webhookSubscriptionDelete": {"userErrors": []}}})
        nodes = [{"id": gid, "topic": topic, "uri": uri} for gid, (topic, uri) in self.webhooks.items()]
        return Answer(200, {"data": {"webhookSubscriptions": {"nodes": nodes}}})


def nest(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a node with its connections, as queries without bulk operations have them."""
    connections = {
        name: {"nodes": row[name], "pageInfo": {"hasNextPage": False, "endCursor": None}} for name in CONNECTIONS[kind]
    }
    return {**hide_refund_lines(row), **connections}


def hide_refund_lines(row: dict[str, Any]) -> dict[str, Any]:
    """Return an order without the lines of its refunds: bulk operations cannot give them, and queries of orders do not ask."""
    if not row.get("refunds"):
        return row
    return {**row, "refunds": [{**refund, "refundLineItems": None} for refund in row["refunds"]]}


def make_refund(number: int, moment: str, amount: str, lines: dict[int, tuple[int, str]]) -> dict[str, Any]:
    """Return a refund. lines: number of the line of the order to the quantity and the amount without tax."""
    return {
        "id": f"gid://shopify/Refund/{number}",
        "createdAt": moment,
        "totalRefundedSet": money(amount),
        "refundLineItems": [
            {
                "id": f"gid://shopify/RefundLineItem/{number}{line}",
                "quantity": quantity,
                "lineItem": {"id": f"gid://shopify/LineItem/{line}"},
                "subtotalSet": money(subtotal),
            }
            for line, (quantity, subtotal) in lines.items()
        ],
    }


def sign(
    body: bytes, *, topic: str, event_id: str, secret: str = CLIENT_SECRET, triggered_at: str = ""
) -> dict[str, str]:
    """Return the headers of a webhook (shopify.dev/docs/apps/build/webhooks)."""
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.new(secret.encode(), body, sha256).digest()).decode(),
        "X-Shopify-Shop-Domain": "tea.myshopify.com",
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "X-Shopify-Event-Id": event_id,
    }
    return headers | ({"X-Shopify-Triggered-At": triggered_at} if triggered_at else {})
