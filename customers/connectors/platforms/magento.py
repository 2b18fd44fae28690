"""Magento 2 and Adobe Commerce: the REST API with the token of an integration. Without webhooks: changes are read every ten minutes.

Sources: developer.adobe.com/commerce/webapi/rest (searchCriteria, tokens), and the interfaces of magento/magento2 2.4: CatalogDataProductInterface,
CustomerDataCustomerInterface (``is_subscribed``), SalesDataOrderInterface, InventoryApiDataSourceItemInterface and
InventorySalesApi (AreProductsSalable, StockResolver). Amounts are in the base currency.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.feeds.presets.base import strip_html
from catalog.models import Availability
from customers.connectors.models import ShopRecordKind
from customers.connectors.platforms import http_client
from customers.connectors.platforms.base import (
    Connector,
    CredentialField,
    MappedRecord,
    PlatformError,
    RecordPage,
    ShopAccess,
    ShopFacts,
)
from customers.connectors.platforms.refunds import ReturnedGoods, add_returns, build_returned_line
from customers.connectors.platforms.values import clean_shop_url, dig, read_amount, read_time

API = "/rest/V1"
PAGE_SIZE, SAMPLE_SIZE = 200, 10
MAX_CREDIT_MEMOS = 2000  # of the orders of a page
MAX_SALABLE_SKUS = 50  # of a request, whose address has all of them
PATHS = {
    ShopRecordKind.PRODUCTS: "/products",
    ShopRecordKind.CUSTOMERS: "/customers/search",
    ShopRecordKind.ORDERS: "/orders",
}
ID_FIELDS = {
    ShopRecordKind.PRODUCTS: "entity_id",
    ShopRecordKind.CUSTOMERS: "entity_id",
    ShopRecordKind.ORDERS: "entity_id",
}
PARENT_TYPES = frozenset({"configurable", "grouped", "bundle"})
STATUSES = {"canceled": "cancelled", "closed": "refunded", "fraud": "cancelled"}
VISIBLE = frozenset({"2", "3", "4"})
BRAND_ATTRIBUTES = ("brand", "manufacturer")


@dataclass(frozen=True)
class Parent:
    """The configurable product of variants, on whose page they are sold."""

    product_id: str
    url_key: str
    is_shown: bool


class MagentoConnector(Connector):
    """A shop with Magento 2 or Adobe Commerce."""

    key: ClassVar = "magento"
    label: ClassVar = "Magento, Adobe Commerce"
    description: ClassVar = gettext_lazy(
        "Products with variants and stock, categories, customers with newsletter consent, orders and refunds."
    )
    address_label: ClassVar = gettext_lazy("Address of the shop")
    address_help: ClassVar = gettext_lazy("The base URL of the shop, such as https://shop.example.")
    has_webhooks: ClassVar = False
    steps: ClassVar = (
        gettext_lazy("In the admin, open System › Extensions › Integrations and add an integration."),
        gettext_lazy(
            "Under API, allow Sales, Catalog, Customers and Stores; save and activate it, and copy the access token."
        ),
        gettext_lazy(
            "In version 2.4.4 and later, set Stores › Configuration › Services › OAuth › “Allow OAuth Access Tokens to be "
            "used as standalone Bearer tokens” to Yes."
        ),
    )
    fields: ClassVar = (CredentialField("access_token", gettext_lazy("Access token")),)

    def __init__(self, access: ShopAccess) -> None:
        super().__init__(access)
        token = str(access.credentials.get("access_token", ""))
        self.client = http_client.PlatformClient(access.address, headers={"Authorization": f"Bearer {token}"})
        self._category_paths: dict[str, str] | None = None
        self._parents: dict[str, Parent] | None = None
        self._url_suffix: str | None = None
        self._brands: dict[str, str] | None = None
        self._store: dict[str, Any] | None = None
        self._has_sources = True
        self._stock_id: int | None = None  # 0 if the integration may not read it

    def close(self) -> None:
        self.client.close()

    def interrupt(self) -> None:
        self.client.interrupt()

    @classmethod
    def clean_address(cls, text: str) -> str:
        return clean_shop_url(text.partition("/rest")[0].partition("/admin")[0])

    def authorise(self) -> ShopFacts:
        configs = self.read("/store/storeConfigs")
        for kind in ShopRecordKind:
            self._search(kind, [], page_size=1)
        first = configs[0] if configs else {}
        return ShopFacts(str(first.get("code") or ""), str(first.get("base_currency_code") or ""))

    def count_records(self, kind: str) -> int | None:
        total = self._search(kind, [], page_size=1).get("total_count")
        return int(total) if total is not None else None

    def read_sample(self, kind: str) -> Sequence[MappedRecord]:
        return self._map_rows(kind, self._search(kind, [], page_size=SAMPLE_SIZE).get("items") or ())

    def iterate_pages(
        self, kind: str, cursor: Mapping[str, Any], *, since: datetime | None = None
    ) -> Iterator[RecordPage]:
        """Yield pages by ID; each asks for IDs above the last one, so nothing is skipped or read twice."""
        last, total = int(cursor.get("last", 0)), cursor.get("total")
        while True:
            filters = [("entity_id", str(last), "gt")]
            if since is not None:
                filters.append(("updated_at", f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}", "gteq"))
            answer = self._search(kind, filters, page_size=PAGE_SIZE)
            rows = answer.get("items") or ()
            if total is None:
                total = answer.get("total_count")
            if not rows:
                return
            last = max(int(row.get("entity_id") or row.get("id") or 0) for row in rows)
            yield RecordPage(self._map_rows(kind, rows), {"last": last, "total": total}, total)

    def fetch_records(self, kind: str, ids: Collection[str]) -> Sequence[MappedRecord]:
        wanted, records = sorted(ids), list[MappedRecord]()
        for start in range(0, len(wanted), PAGE_SIZE):
            batch = ",".join(wanted[start : start + PAGE_SIZE])
            answer = self._search(kind, [("entity_id", batch, "in")], page_size=PAGE_SIZE)
            records += self._map_rows(kind, answer.get("items") or ())
        return records

    def read(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of a path. Raises PlatformError with the fix."""
        answer = self.client.send("GET", API + path, query=query)
        if answer.status >= 400:
            raise_for_answer(answer)
        return answer.read_json()

    def _search(self, kind: str, filters: Sequence[tuple[str, str, str]], *, page_size: int) -> dict[str, Any]:
        query: dict[str, Any] = {"searchCriteria[pageSize]": page_size, "searchCriteria[currentPage]": 1}
        query |= {
            "searchCriteria[sortOrders][0][field]": ID_FIELDS[ShopRecordKind(kind)],
            "searchCriteria[sortOrders][0][direction]": "ASC",
        }
        for number, (name, value, condition) in enumerate(filters):
            prefix = f"searchCriteria[filter_groups][{number}][filters][0]"
            query |= {f"{prefix}[field]": name, f"{prefix}[value]": value, f"{prefix}[condition_type]": condition}
        content = self.read(PATHS[ShopRecordKind(kind)], query)
        return content if isinstance(content, dict) else {}

    def _map_rows(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> list[MappedRecord]:
        if kind == ShopRecordKind.CUSTOMERS:
            return [map_customer(row) for row in rows]
        if kind == ShopRecordKind.ORDERS:
            memos = self._read_credit_memos(rows)
            return [map_order(row, memos.get(str(row.get("entity_id")), ())) for row in rows]
        store = self._read_store()
        stock = self._read_stock(rows)
        context = ProductContext(
            stock=stock,
            sold_without_stock=self._read_salable([sku for sku, amount in stock.items() if amount <= 0]),
            parents=self._read_parents(),
            paths=self._read_paths(),
            media_url=str(
                store.get("secure_base_media_url") or store.get("base_media_url") or f"{self.access.address}/media/"
            ),
            link_url=str(store.get("secure_base_link_url") or store.get("base_link_url") or f"{self.access.address}/"),
            url_suffix=self._read_url_suffix(),
            brands=self._read_brands(rows),
            now=timezone.now().astimezone(find_timezone(store.get("timezone"))),
        )
        return [map_product(row, context) for row in rows]

    def _read_credit_memos(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
        """Return the credit memos of refunded orders by the ID of the order; none if the integration may not read them."""
        refunded = [str(row.get("entity_id")) for row in rows if read_amount(row.get("base_total_refunded") or 0) > 0]
        if not refunded:
            return {}
        query: dict[str, Any] = {"searchCriteria[pageSize]": MAX_CREDIT_MEMOS}
        prefix = "searchCriteria[filter_groups][0][filters][0]"
        query |= {
            f"{prefix}[field]": "order_id",
            f"{prefix}[value]": ",".join(refunded),
            f"{prefix}[condition_type]": "in",
        }
        answer = self.client.send("GET", f"{API}/creditmemos", query=query)
        if answer.status in (401, 403, 404):
            return {}
        if answer.status >= 400:
            raise_for_answer(answer)
        memos: dict[str, list[Mapping[str, Any]]] = {}
        for memo in answer.read_json().get("items") or ():
            memos.setdefault(str(memo.get("order_id")), []).append(memo)
        return memos

    def _read_stock(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
        """Return the stock by SKU over all sources; without the inventory modules, none."""
        skus = [str(row.get("sku")) for row in rows if row.get("type_id") not in PARENT_TYPES]
        if not skus or not self._has_sources:
            return {}
        query = {
            "searchCriteria[filter_groups][0][filters][0][field]": "sku",
            "searchCriteria[filter_groups][0][filters][0][value]": ",".join(skus),
            "searchCriteria[filter_groups][0][filters][0][condition_type]": "in",
        }
        answer = self.client.send("GET", f"{API}/inventory/source-items", query=query)
        if answer.status in (401, 403, 404):
            self._has_sources = False
            return {}
        stock: dict[str, Decimal] = {}
        for item in answer.read_json().get("items") or ():
            amount = read_amount(item.get("quantity")) if str(item.get("status")) == "1" else Decimal(0)
            stock[str(item.get("sku"))] = stock.get(str(item.get("sku")), Decimal(0)) + amount
        return stock

    def _read_salable(self, skus: Sequence[str]) -> set[str]:
        """Return the SKUs that can be bought, such as those with backorders or without inventory management; none if this is unknown."""
        salable = set[str]()
        stock_id = self._read_stock_id() if skus else 0
        if not stock_id:
            return salable
        for start in range(0, len(skus), MAX_SALABLE_SKUS):
            batch = skus[start : start + MAX_SALABLE_SKUS]
            query = {f"skus[{number}]": sku for number, sku in enumerate(batch)} | {"stockId": str(stock_id)}
            rows = self._read_optional("/inventory/are-products-salable", query) or ()
            salable |= {str(row.get("sku")) for row in rows if row.get("salable") is True}
        return salable

    def _read_stock_id(self) -> int:
        """Return the stock of the first store view's website; 0 if the integration may not read it."""
        if self._stock_id is None:
            website_id = str(self._read_store().get("website_id") or "")
            websites = self._read_optional("/store/websites") or ()
            codes = [str(website.get("code")) for website in websites if str(website.get("id")) == website_id]
            path = f"/inventory/stock-resolver/website/{quote(codes[0], safe='')}" if codes else ""
            self._stock_id = int(dig(self._read_optional(path) if path else {}, "stock_id") or 0)
        return self._stock_id

    def _read_optional(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of a path; None if the shop lacks it, or the integration may not read it."""
        answer = self.client.send("GET", API + path, query=query)
        return answer.read_json() if answer.status == 200 else None

    def _read_parents(self) -> dict[str, Parent]:
        """Return the configurable product of each variant, by the variant's ID."""
        if self._parents is None:
            self._parents, last = {}, 0
            while rows := self._read_configurable(last):
                for row in rows:
                    links = dig(row, "extension_attributes", "configurable_product_links") or ()
                    self._parents |= dict.fromkeys(map(str, links), map_parent(row))
                last = max(int(row.get("id") or 0) for row in rows)
        return self._parents

    def _read_configurable(self, last: int) -> Sequence[Mapping[str, Any]]:
        filters = [("type_id", "configurable", "eq"), ("entity_id", str(last), "gt")]
        return self._search(ShopRecordKind.PRODUCTS, filters, page_size=PAGE_SIZE).get("items") or ()

    def _read_url_suffix(self) -> str:
        """Return what the addresses of products end with; only GraphQL has this setting, and .html is its default."""
        if self._url_suffix is None:
            query = {"query": "{ storeConfig { product_url_suffix } }"}
            answer = self.client.send("POST", "/graphql", content=query)
            config = dig(answer.read_json(), "data", "storeConfig") if answer.status == 200 else None
            self._url_suffix = str(config.get("product_url_suffix") or "") if isinstance(config, Mapping) else ".html"
        return self._url_suffix

    def _read_brands(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Return the names of brands by the ID that products have; none if the integration may not read them."""
        if self._brands is None and any(find_brand(read_attributes(row)) for row in rows):
            self._brands = {}
            for code in BRAND_ATTRIBUTES:
                answer = self.client.send("GET", f"{API}/products/attributes/{code}/options")
                if answer.status == 200:
                    self._brands |= {
                        str(option.get("value")): str(option.get("label")) for option in answer.read_json()
                    }
        return self._brands or {}

    def _read_paths(self) -> dict[str, str]:
        if self._category_paths is None:
            self._category_paths = {}
            collect_paths(self.read("/categories"), [], self._category_paths)
        return self._category_paths

    def _read_store(self) -> dict[str, Any]:
        """Return the addresses and the time zone of the first store view."""
        if self._store is None:
            configs = self.read("/store/storeConfigs")
            self._store = dict(configs[0]) if configs else {}
        return self._store


@dataclass(frozen=True)
class ProductContext:
    """What the products of a page need besides their own rows. now: the time in the time zone of the store."""

    stock: Mapping[str, Decimal]
    sold_without_stock: Collection[str]
    parents: Mapping[str, Parent]
    paths: Mapping[str, str]
    media_url: str
    link_url: str
    url_suffix: str
    brands: Mapping[str, str]
    now: datetime


def find_timezone(name: Any) -> tzinfo:
    """Return a time zone; UTC if this server does not know it."""
    try:
        return ZoneInfo(str(name or "UTC"))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return UTC


def collect_paths(node: Mapping[str, Any], above: Sequence[str], paths: dict[str, str]) -> None:
    """Collect the path of each category below the two root levels, which no customer sees."""
    names = [*above, str(node.get("name") or "").replace(">", "›")]
    if int(node.get("level") or 0) >= 2:
        paths[str(node.get("id"))] = " > ".join(names)
    for child in node.get("children_data") or ():
        collect_paths(child, names if int(node.get("level") or 0) >= 2 else [], paths)


def map_product(row: Mapping[str, Any], context: ProductContext) -> MappedRecord:
    """Return a product. A configurable product is not a product of its own: its variants refer to it."""
    product_id, sku = str(row.get("id")), str(row.get("sku"))
    updated_at = read_time(row.get("updated_at"))
    if row.get("type_id") in PARENT_TYPES:
        return MappedRecord(product_id, updated_at)
    custom = read_attributes(row)
    links = dig(row, "extension_attributes", "category_links") or ()
    categories = [str(link.get("category_id")) for link in links] or [
        str(number) for number in custom.get("category_ids") or ()
    ]
    paths = [context.paths[number] for number in categories if number in context.paths]
    stock = context.stock.get(sku)
    item = {
        "product_id": sku,
        "sku": sku,
        "title": row.get("name") or "",
        "description": strip_html(custom.get("description") or custom.get("short_description")),
        "category": max(paths, key=lambda path: (path.count(">"), path), default=""),
        **map_page(row, context.parents.get(product_id), context),
        **find_prices(row.get("price"), custom, now=context.now),
        "stock": int(stock) if stock is not None else None,
        "availability": find_availability(sku, context).value,
        "image_url": f"{context.media_url.rstrip('/')}/catalog/product{custom['image']}" if custom.get("image") else "",
        "brand": context.brands.get(brand := find_brand(custom), "" if brand.isdecimal() else brand),
    }
    return MappedRecord(product_id, updated_at, [item])


def find_availability(sku: str, context: ProductContext) -> Availability:
    """Return whether a product can be bought; one without sources always can."""
    stock = context.stock.get(sku)
    if stock is None or stock > 0:
        return Availability.IN_STOCK
    return Availability.BACKORDER if sku in context.sold_without_stock else Availability.OUT_OF_STOCK


def map_page(row: Mapping[str, Any], parent: Parent | None, context: ProductContext) -> dict[str, Any]:
    """Return the link of a product and whether it is shown: on a page of its own, or on that of its configurable product."""
    has_page = is_visible(row)
    url_key = str(read_attributes(row).get("url_key") or "") if has_page else parent.url_key if parent else ""
    is_shown = has_page or (parent is not None and parent.is_shown)
    return {
        "url": f"{context.link_url.rstrip('/')}/{quote(url_key)}{context.url_suffix}" if url_key else "",
        "is_active": str(row.get("status")) == "1" and is_shown,
        **({"parent_id": parent.product_id} if parent else {}),
    }


def map_parent(row: Mapping[str, Any]) -> Parent:
    url_key = str(read_attributes(row).get("url_key") or "")
    return Parent(str(row.get("id")), url_key, str(row.get("status")) == "1" and is_visible(row))


def is_visible(row: Mapping[str, Any]) -> bool:
    return row.get("visibility") is None or str(row["visibility"]) in VISIBLE


def read_attributes(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(attribute.get("attribute_code")): attribute.get("value") for attribute in row.get("custom_attributes") or ()
    }


def find_brand(custom: Mapping[str, Any]) -> str:
    """Return the brand of a product: the ID of an option, or a text."""
    return next((str(custom[code]) for code in BRAND_ATTRIBUTES if custom.get(code)), "")


def find_prices(price: Any, custom: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return the price and, during the period of a lower special price, the regular price as an attribute.

    The dates of a period are days of the store, the last of which belongs to the period. Magento keeps them after the sale.
    """
    prices: dict[str, Any] = {"price": str(price) if price is not None else None, "attributes": {}}
    special = custom.get("special_price")
    if not special or (price is not None and read_amount(special) >= read_amount(price)):
        return prices
    start, end = read_time(custom.get("special_from_date")), read_time(custom.get("special_to_date"))
    if start is not None and now < start.replace(tzinfo=now.tzinfo):
        return prices
    if end is not None and now >= end.replace(tzinfo=now.tzinfo) + timedelta(days=1):
        return prices
    return {"price": str(special), "attributes": {} if price is None else {"regular_price": str(price)}}


def map_customer(row: Mapping[str, Any]) -> MappedRecord:
    customer_id = str(row.get("id"))
    addresses = row.get("addresses") or ()
    default = next(
        (address for address in addresses if address.get("default_billing")), addresses[0] if addresses else {}
    )
    item = {
        "user_id": customer_id,
        "email": row.get("email") or "",
        "first_name": row.get("firstname") or "",
        "last_name": row.get("lastname") or "",
        "phone": default.get("telephone") or "",
        "country": default.get("country_id") or "",
        "birthday": row.get("dob") or "",
    }
    subscribed = dig(row, "extension_attributes", "is_subscribed")
    consents = {"email": subscribed} if isinstance(subscribed, bool) else {}
    return MappedRecord(customer_id, read_time(row.get("updated_at")), [item], consents)


def map_order(row: Mapping[str, Any], memos: Sequence[Mapping[str, Any]] = ()) -> MappedRecord:
    """Return an order. memos: its credit memos."""
    external_id = str(row.get("entity_id"))
    total, refunded = read_amount(row.get("base_grand_total")), read_amount(row.get("base_total_refunded") or 0)
    status = STATUSES.get(str(row.get("state")), "placed")
    if status == "placed" and refunded > 0:
        status = "refunded" if refunded >= total else "partly_refunded"
    lines = [map_line(item) for item in row.get("items") or () if not item.get("parent_item_id")]
    lines = [line for line in lines if line["quantity"] != "0"]
    if not lines and not total:  # with an amount, it is rejected, which the page shows
        return MappedRecord(external_id, read_time(row.get("updated_at")), is_skipped=True)
    item = {
        "order_id": str(row.get("increment_id")),
        "user_id": str(row["customer_id"]) if row.get("customer_id") else "",
        "email": row.get("customer_email") or "",
        "placed_at": row.get("created_at"),
        "currency": row.get("base_currency_code"),
        "status": status,
        "shipping": str(read_amount(row.get("base_shipping_amount") or 0)),
        "tax": str(read_amount(row.get("base_tax_amount") or 0)),
        "total": str(total),
        "refunded": str(refunded),
        "coupon": row.get("coupon_code") or "",
        "channel": row.get("store_name") and str(row["store_name"]).splitlines()[-1][:100],
        "country": dig(row, "billing_address", "country_id") or "",
        "lines": lines,
    }
    sold = {item.get("item_id") for item in row.get("items") or () if not item.get("parent_item_id")}
    returns = [goods for memo in memos if (goods := map_credit_memo(str(row.get("increment_id")), memo, sold)).lines]
    return MappedRecord(external_id, read_time(row.get("updated_at")), add_returns(item, returns))


def map_credit_memo(order_id: str, memo: Mapping[str, Any], sold: Collection[Any]) -> ReturnedGoods:
    """Return the goods of a credit memo. sold: the lines of the order without those of parts, which have no price."""
    lines = [
        build_returned_line(line, quantity=quantity, amount=abs(read_amount(line["total"])))
        for item in memo.get("items") or ()
        if item.get("order_item_id") in sold and (quantity := read_amount(item.get("qty"))) > 0
        for line in [map_line({**item, "qty_ordered": quantity})]
    ]
    amount = abs(read_amount(memo.get("base_grand_total")))
    return ReturnedGoods(f"{order_id}-CM{memo.get('increment_id')}", str(memo.get("created_at")), amount, lines)


def map_line(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line; the row of a configurable product has the SKU of the variant that was bought.

    In shops whose prices include tax, the discount does, too; the compensation is the tax in it. The price of a line is without tax.
    """
    quantity = read_amount(item.get("qty_ordered") or 0)
    price = read_amount(item.get("base_price") or 0)
    gross = read_amount(item.get("base_discount_amount") or 0)
    tax = read_amount(item.get("base_discount_tax_compensation_amount") or 0)
    discount = min(gross - tax, price * quantity)
    return {
        "product_id": str(item.get("sku") or item.get("product_id") or item.get("name"))[:200],
        "title": item.get("name") or "",
        "quantity": format(quantity.normalize(), "f"),
        "unit_price": str(price.quantize(Decimal("0.0001"))),
        "discount": str(discount.quantize(Decimal("0.01"))),
        "total": str((price * quantity - discount).quantize(Decimal("0.01"))),
    }


def raise_for_answer(answer: http_client.PlatformResponse) -> None:
    """Raise PlatformError with the fix."""
    if answer.status == 401:
        raise PlatformError(
            _(
                "Magento rejects the access token. Copy it again from System › Extensions › Integrations. In version 2.4.4 and "
                "later, also allow standalone Bearer tokens under Stores › Configuration › Services › OAuth."
            )
        )
    if answer.status == 403:
        raise PlatformError(
            _(
                "The integration is not allowed to read this. Allow Sales, Catalog, Customers and Stores on its API tab, and activate it again."
            )
        )
    if answer.status == 404:
        raise PlatformError(_("There is no Magento REST API at this address. Check the base URL of the shop."))
    raise PlatformError(_("Magento answers with HTTP %(status)d.") % {"status": answer.status})
