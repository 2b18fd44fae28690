"""Simulates a whole shop on a platform: ``python -m benchmarks.connected_shops --platform shopify --orders 100000``.

A tenth as many products and a fifth as many customers as orders, of a shop that sells by category: every customer buys mostly from two of them, so
that recommendations have something to learn. It is the server of the tests, but with lookups that do not slow down as it grows, and
in a process of its own. It prints its URL, and ends when its standard input is closed.
``POST /control/refunds?number=N`` refunds the first orders and returns their IDs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.made_products import SimulatedProduct, make_products
from tests.customers.connectors.platforms import magento_server, shopify_server, woocommerce_server
from tests.customers.connectors.platforms.platform_server import Answer, Call

SEED = 20
LATEST = datetime(2026, 11, 24, tzinfo=UTC)
DAYS = 540
FIRST_ORDER = 10_000_000
CHANGED = "2026-11-25T10:00:00Z"
REPEATED_CATEGORY = 0.85
MAX_LINES = 3
FIRST_NAMES = (
    "Amara",
    "Ben",
    "Chiara",
    "David",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Kavya",
    "Liam",
    "Mei",
)
LAST_NAMES = (
    "Andersson",
    "Bianchi",
    "Chen",
    "Dubois",
    "Eze",
    "Fischer",
    "Garcia",
    "Hughes",
    "Ito",
    "Jensen",
    "Kowalski",
)


@dataclass(frozen=True)
class SimulatedOrder:
    """An order: its number, customer, time and the rows of its products."""

    number: int
    customer: int
    placed_at: datetime
    products: tuple[int, ...]

    @property
    def moment(self) -> str:
        return f"{self.placed_at:%Y-%m-%dT%H:%M:%S}"


def make_orders(products: Sequence[SimulatedProduct], *, count: int, customers: int) -> list[SimulatedOrder]:
    """Return orders in chronological order; popular products are bought more often."""
    chance = np.random.default_rng(SEED)
    rows = dict[str, list[int]]()
    for row, product in enumerate(products):
        rows.setdefault(product.fields["category"], []).append(row)
    categories = list(rows.values())
    tastes = chance.integers(len(categories), size=(customers, 2))
    buyers = np.minimum((chance.random(count) ** 1.6 * customers).astype(int), customers - 1)
    minutes = np.sort(chance.random(count) ** 0.8) * DAYS * 1440
    numbers = chance.integers(1, MAX_LINES + 1, size=count)
    draws, ranks = chance.random((count, MAX_LINES)), chance.random((count, MAX_LINES)) ** 3
    sides = chance.integers(2, size=(count, MAX_LINES))
    orders = []
    for index in range(count):
        chosen = list[int]()
        for line in range(numbers[index]):
            own = tastes[buyers[index], sides[index, line]]
            others = int(draws[index, line] * 1e6) % len(categories)
            members = categories[own if draws[index, line] < REPEATED_CATEGORY else others]
            chosen.append(members[int(ranks[index, line] * len(members))])
        placed_at = LATEST - timedelta(days=DAYS) + timedelta(minutes=float(minutes[index]))
        orders.append(
            SimulatedOrder(FIRST_ORDER + index, int(buyers[index]) + 1, placed_at, tuple(dict.fromkeys(chosen)))
        )
    return orders


def make_name(customer: int) -> tuple[str, str]:
    """Return the first and the last name of a customer; some are shared, as in a real shop."""
    return FIRST_NAMES[customer % len(FIRST_NAMES)], LAST_NAMES[customer * 7 // 13 % len(LAST_NAMES)]


def make_phone(customer: int) -> str:
    """Return a phone number that no other customer has, valid in the United States."""
    return f"+1 212 {200 + customer // 10_000} {customer % 10_000:04}"


class LargeShopifyServer(shopify_server.ShopifyServer):
    """A Shopify shop whose records are found by their IDs. country: where customers live and orders go."""

    country = "US"

    def fill(self, products: Sequence[SimulatedProduct], customers: int, orders: Sequence[SimulatedOrder]) -> None:
        self.records["products"] = [self.make_product(row, product) for row, product in enumerate(products, 1)]
        # in the EU, personalization needs a consent, which Shopify does not have
        self.records["customers"] = [self.make_customer(number) for number in range(1, customers + 1)]
        self.records["orders"] = [self.make_order(order, products) for order in orders]
        self.nodes = {row["id"]: (kind, row) for kind, rows in self.records.items() for row in rows}

    def make_customer(self, number: int) -> dict[str, Any]:
        first, last = make_name(number)
        return shopify_server.make_customer(
            number,
            firstName=first,
            lastName=last,
            defaultAddress={"countryCodeV2": self.country},
            defaultPhoneNumber={"phoneNumber": make_phone(number).replace(" ", ""), "marketingState": "NOT_SUBSCRIBED"},
        )

    def make_product(self, number: int, product: SimulatedProduct) -> dict[str, Any]:
        fields = product.fields
        return shopify_server.make_product(
            number,
            price=str(fields["price"]),
            stock=20,
            title=fields["title"],
            descriptionHtml=f"<p>{fields['description']}</p>",
            vendor=fields["brand"],
            productType=fields["category"].rpartition(" > ")[2],
            category={"fullName": fields["category"]},
        )

    def make_order(self, order: SimulatedOrder, products: Sequence[SimulatedProduct]) -> dict[str, Any]:
        lines = [
            {
                "id": f"gid://shopify/LineItem/{order.number * 10 + position}",
                "title": products[row].fields["title"],
                "variantTitle": None,
                "quantity": 1,
                "currentQuantity": 1,
                "sku": f"TEA-{row + 1}-1",
                "vendor": products[row].fields["brand"],
                "variant": {"id": f"gid://shopify/ProductVariant/{(row + 1) * 100 + 1}"},
                "product": {"id": f"gid://shopify/Product/{row + 1}"},
                "originalUnitPriceSet": shopify_server.money(str(products[row].fields["price"])),
                "discountedTotalSet": shopify_server.money(str(products[row].fields["price"])),
            }
            for position, row in enumerate(order.products)
        ]
        moment = f"{order.moment}Z"
        return shopify_server.make_order(
            order.number,
            customer=order.customer,
            total=f"{sum(products[row].fields['price'] for row in order.products):.2f}",
            processedAt=moment,
            createdAt=moment,
            updatedAt=moment,
            shippingAddress={"countryCodeV2": self.country},
            lineItems=lines,
        )

    def find_node(self, gid: str) -> dict[str, Any] | None:
        kind, row = self.nodes.get(gid, ("", None))
        return shopify_server.nest(kind, row) if row else None

    def refund(self, number: int) -> list[int]:
        rows = self.records["orders"][:number]
        for row in rows:
            row |= {
                "updatedAt": CHANGED,
                "totalRefundedSet": shopify_server.money("1.00"),
                "displayFinancialStatus": "PARTIALLY_REFUNDED",
            }
        return [int(row["id"].rpartition("/")[2]) for row in rows]


class LargeWooCommerceServer(woocommerce_server.WooCommerceServer):
    """A WooCommerce shop."""

    country = "US"

    def fill(self, products: Sequence[SimulatedProduct], customers: int, orders: Sequence[SimulatedOrder]) -> None:
        names = sorted({name for product in products for name in product.fields["category"].split(" > ")})
        numbers = {name: position for position, name in enumerate(names, 10)}
        parents = {child: parent for product in products for parent, child in [product.fields["category"].split(" > ")]}
        self.categories = [
            {"id": numbers[name], "name": name, "parent": numbers[parents[name]] if name in parents else 0}
            for name in names
        ]
        self.records["products"] = [
            woocommerce_server.make_product(
                row,
                name=product.fields["title"],
                description=f"<p>{product.fields['description']}</p>",
                sku=product.fields["sku"],
                price=str(product.fields["price"]),
                regular_price=str(product.fields["price"]),
                stock_quantity=20,
                categories=[{"id": numbers[product.fields["category"].rpartition(" > ")[2]]}],
                attributes=[{"id": 1, "name": "Brand", "options": [product.fields["brand"]]}],
            )
            for row, product in enumerate(products, 1)
        ]
        self.records["customers"] = [self.make_customer(number) for number in range(1, customers + 1)]
        self.records["orders"] = [self.make_order(order, products) for order in orders]

    def make_customer(self, number: int) -> dict[str, Any]:
        first, last = make_name(number)
        billing = {"first_name": first, "last_name": last, "phone": make_phone(number), "country": self.country}
        return woocommerce_server.make_customer(number, first_name=first, last_name=last, billing=billing)

    def make_order(self, order: SimulatedOrder, products: Sequence[SimulatedProduct]) -> dict[str, Any]:
        lines = [
            {
                "id": order.number * 10 + position,
                "name": products[row].fields["title"],
                "product_id": row + 1,
                "variation_id": 0,
                "quantity": 1,
                "subtotal": str(products[row].fields["price"]),
                "total": str(products[row].fields["price"]),
                "sku": products[row].fields["sku"],
                "price": products[row].fields["price"],
            }
            for position, row in enumerate(order.products)
        ]
        return woocommerce_server.make_order(
            order.number,
            customer=order.customer,
            total=f"{sum(products[row].fields['price'] for row in order.products) + 5:.2f}",
            discount_total="0.00",
            coupon_lines=[],
            date_created_gmt=order.moment,
            date_modified_gmt=order.moment,
            billing={"email": f"eva{order.customer}@example.com", "country": self.country},
            shipping={"country": self.country},
            line_items=lines,
        )

    def refund(self, number: int) -> list[int]:
        rows = self.records["orders"][:number]
        for row in rows:
            row |= {"date_modified_gmt": CHANGED[:-1], "refunds": [{"id": row["id"], "reason": "", "total": "-1.00"}]}
        return [row["id"] for row in rows]


class LargeMagentoServer(magento_server.MagentoServer):
    """A Magento shop."""

    country = "US"

    def fill(self, products: Sequence[SimulatedProduct], customers: int, orders: Sequence[SimulatedOrder]) -> None:
        paths = sorted({product.fields["category"] for product in products})
        numbers = {path: position for position, path in enumerate(paths, 1000)}
        parents = list(dict.fromkeys(path.partition(" > ")[0] for path in paths))
        self.categories = [
            {
                "id": position,
                "name": parent,
                "level": 2,
                "children_data": [
                    {"id": numbers[path], "name": path.partition(" > ")[2], "level": 3, "children_data": []}
                    for path in paths
                    if path.startswith(f"{parent} > ")
                ],
            }
            for position, parent in enumerate(parents, 10)
        ]
        self.records["/products"] = [
            magento_server.make_product(
                row,
                name=product.fields["title"],
                sku=product.fields["sku"],
                price=product.fields["price"],
                extension_attributes={"category_links": [{"category_id": str(numbers[product.fields["category"]])}]},
                custom_attributes=[
                    {"attribute_code": "description", "value": f"<p>{product.fields['description']}</p>"}
                ],
            )
            for row, product in enumerate(products, 1)
        ]
        self.stock = {product.fields["sku"]: 20 for product in products}
        self.records["/customers/search"] = [self.make_customer(number) for number in range(1, customers + 1)]
        self.records["/orders"] = [self.make_order(order, products) for order in orders]

    def make_customer(self, number: int) -> dict[str, Any]:
        first, last = make_name(number)
        address = {
            "id": number,
            "firstname": first,
            "lastname": last,
            "country_id": self.country,
            "telephone": make_phone(number),
            "default_billing": True,
        }
        return magento_server.make_customer(number, firstname=first, lastname=last, addresses=[address])

    def make_order(self, order: SimulatedOrder, products: Sequence[SimulatedProduct]) -> dict[str, Any]:
        lines = [
            {
                "item_id": order.number * 10 + position,
                "qty_ordered": 1,
                "base_price": products[row].fields["price"],
                "base_discount_amount": 0,
                "sku": products[row].fields["sku"],
                "name": products[row].fields["title"],
                "product_id": row + 1,
                "product_type": "simple",
            }
            for position, row in enumerate(order.products)
        ]
        moment = order.moment.replace("T", " ")
        return magento_server.make_order(
            order.number,
            customer=order.customer,
            created_at=moment,
            updated_at=moment,
            base_grand_total=round(sum(products[row].fields["price"] for row in order.products) + 5, 2),
            customer_email=f"roni{order.customer}@example.com",
            coupon_code=None,
            billing_address={"country_id": self.country},
            items=lines,
        )

    def refund(self, number: int) -> list[int]:
        rows = self.records["/orders"][:number]
        for row in rows:
            row |= {"updated_at": CHANGED[:-1].replace("T", " "), "base_total_refunded": 1.0}
        return [row["entity_id"] for row in rows]


type LargeServer = LargeShopifyServer | LargeWooCommerceServer | LargeMagentoServer

SERVERS: dict[str, type[LargeServer]] = {
    "shopify": LargeShopifyServer,
    "woocommerce": LargeWooCommerceServer,
    "magento": LargeMagentoServer,
}
KEYS = {
    "shopify": {"client_id": shopify_server.CLIENT_ID, "client_secret": shopify_server.CLIENT_SECRET},
    "woocommerce": {"consumer_key": woocommerce_server.KEY, "consumer_secret": woocommerce_server.SECRET},
    "magento": {"access_token": magento_server.TOKEN},
}


def add_control(server: LargeServer) -> None:
    """Let another process change the shop."""
    respond = server.respond

    def respond_or_change(call: Call) -> Answer:
        if call.path != "/control/refunds":
            return respond(call)
        return Answer(200, server.refund(int(call.query["number"])))

    server.respond = respond_or_change  # type: ignore[method-assign]


def change_orders(url: str, number: int) -> list[int]:
    """Refund the first orders of a running shop; return their IDs."""
    with urlopen(Request(f"{url}/control/refunds?number={number}", method="POST")) as answer:
        return list(json.loads(answer.read()))


@contextmanager
def run_shop(platform: str, *, orders: int, chinese: float = 0.0, country: str = "US") -> Iterator[str]:
    """Run a shop in another process; yield its URL."""
    command = [sys.executable, "-m", "benchmarks.connected_shops", "--platform", platform, "--orders", str(orders)]
    process = subprocess.Popen(
        [*command, "--chinese", str(chinese), "--country", country],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("The shop did not start.")
        yield url
    finally:
        process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=sorted(SERVERS), default="shopify")
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--chinese", type=float, default=0.0)
    parser.add_argument("--country", default="US")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    products = make_products(max(options.orders // 10, 1), seed=SEED, chinese=options.chinese)
    customers = max(options.orders // 5, 1)
    server = SERVERS[options.platform]()
    server.country = options.country
    server.fill(products, customers, make_orders(products, count=options.orders, customers=customers))
    server.keeps_calls = False
    add_control(server)
    with server.run(port=options.port) as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
