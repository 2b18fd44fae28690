"""WooCommerce: its REST API version 3, with signed webhooks.

Sources: developer.woocommerce.com/docs/apis/rest-api/v3 (products, product variations, customers, orders, webhooks; ``X-WP-Total`` and
``X-WP-TotalPages``; ``modified_after`` since WooCommerce 5.8) and the plug-in's class WC_Webhook (``X-WC-Webhook-Signature``: the Base64 of the
HMAC-SHA256 of the body; ``X-WC-Webhook-Delivery-ID``). Prices of lines are without tax.
"""

import base64
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import batched
from typing import Any, ClassVar

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
    TemporaryError,
    WebhookNotice,
)
from customers.connectors.platforms.refunds import ReturnedGoods, add_returns, build_returned_line
from customers.connectors.platforms.values import clean_shop_url, dig, is_signed, read_amount, read_time
from customers.connectors.platforms.webhook_bodies import read_body_object

API = "/wp-json/wc/v3"
PAGE_SIZE = 100
SAMPLE_SIZE = 10
PARENT_TYPES = frozenset({"variable", "grouped"})
RESOURCES = {"product": ShopRecordKind.PRODUCTS, "customer": ShopRecordKind.CUSTOMERS, "order": ShopRecordKind.ORDERS}
TOPICS = (
    *(f"{resource}.{event}" for resource in RESOURCES for event in ("created", "updated", "deleted")),
    "product.restored",
    "order.restored",
)
AVAILABILITY = {
    "instock": Availability.IN_STOCK,
    "outofstock": Availability.OUT_OF_STOCK,
    "onbackorder": Availability.BACKORDER,
}
STATUSES = {
    "completed": "placed",
    "processing": "placed",
    "on-hold": "placed",
    "pending": "placed",
    "cancelled": "cancelled",
    "failed": "cancelled",
    "trash": "cancelled",
    "refunded": "refunded",
}
DRAFTS = frozenset({"checkout-draft", "auto-draft", "draft"})


class WooCommerceConnector(Connector):
    """A shop with WooCommerce."""

    key: ClassVar = "woocommerce"
    label: ClassVar = "WooCommerce"
    description: ClassVar = gettext_lazy(
        "Products with variations and stock, categories, customers, orders and refunds."
    )
    address_label: ClassVar = gettext_lazy("Address of the shop")
    address_help: ClassVar = gettext_lazy("The address of the WordPress site, such as https://shop.example.")
    steps: ClassVar = (
        gettext_lazy("In WordPress, open WooCommerce › Settings › Advanced › REST API and choose Add key."),
        gettext_lazy(
            "Choose a user who is an administrator or shop manager, and the permissions Read/Write: webhooks need them."
        ),
        gettext_lazy("Copy the consumer key and the consumer secret; WordPress shows them once."),
    )
    fields: ClassVar = (
        CredentialField(
            "consumer_key", gettext_lazy("Consumer key"), gettext_lazy("Begins with ck_."), is_secret=False
        ),
        CredentialField("consumer_secret", gettext_lazy("Consumer secret"), gettext_lazy("Begins with cs_.")),
    )

    def __init__(self, access: ShopAccess) -> None:
        super().__init__(access)
        credentials = access.credentials
        pair = f"{credentials.get('consumer_key', '')}:{credentials.get('consumer_secret', '')}"
        authorization = base64.b64encode(pair.encode()).decode()
        self.client = http_client.PlatformClient(access.address, headers={"Authorization": f"Basic {authorization}"})
        self._category_paths: dict[int, str] | None = None

    def close(self) -> None:
        self.client.close()

    def interrupt(self) -> None:
        self.client.interrupt()

    @classmethod
    def clean_address(cls, text: str) -> str:
        return clean_shop_url(text.partition("/wp-admin")[0].partition("/wp-json")[0])

    def authorise(self) -> ShopFacts:
        root = self.client.send("GET", "/wp-json/")
        if root.status != 200:
            raise PlatformError(
                _(
                    "There is no WordPress REST API at this address (HTTP %(status)d). Check the address, and that "
                    "Settings › Permalinks is not set to Plain."
                )
                % {"status": root.status}
            )
        content = root.read_json()
        if "wc/v3" not in (content.get("namespaces") or ()):
            raise PlatformError(
                _("WooCommerce is not active on this site. Activate the plug-in, version 3.5 or later.")
            )
        currency = self.read("/data/currencies/current").read_json()
        self.read("/webhooks", {"per_page": 1})
        return ShopFacts(str(content.get("name") or ""), str(currency.get("code") or ""))

    def count_records(self, kind: str) -> int | None:
        return read_total(self.read(f"/{kind}", {"per_page": 1, **list_filters(kind)}))

    def read_sample(self, kind: str) -> Sequence[MappedRecord]:
        rows = self.read(f"/{kind}", {"per_page": SAMPLE_SIZE, **list_filters(kind)}).read_json()
        return [self._map_row(kind, row) for row in rows]

    def iterate_pages(
        self, kind: str, cursor: Mapping[str, Any], *, since: datetime | None = None
    ) -> Iterator[RecordPage]:
        """Yield pages sorted by ID, so that new records come last. If records were deleted in the meantime, read the previous page again."""
        page, known_total = int(cursor.get("page", 1)), cursor.get("total")
        while True:
            query = {"per_page": PAGE_SIZE, "page": page, "orderby": "id", "order": "asc", **list_filters(kind)}
            if since is not None and kind != ShopRecordKind.CUSTOMERS:
                query |= {"modified_after": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}", "dates_are_gmt": "true"}
            answer = self.read(f"/{kind}", query)
            rows, total = answer.read_json(), read_total(answer)
            pages = int(answer.headers.get("x-wp-totalpages") or 0)
            if len(rows) < PAGE_SIZE and page < pages:
                raise TemporaryError(_("The shop has sent an incomplete page; it is read again."))
            if known_total is not None and total is not None and total < known_total and page > 1:
                page, known_total = page - 1, total
                continue
            known_total = total
            yield RecordPage([self._map_row(kind, row) for row in rows], {"page": page + 1, "total": total}, total)
            if page >= pages:
                return
            page += 1

    def fetch_records(self, kind: str, ids: Collection[str]) -> Sequence[MappedRecord]:
        records = []
        for batch in batched(sorted(ids), PAGE_SIZE):
            query = {"include": ",".join(batch), "per_page": PAGE_SIZE, **list_filters(kind)}
            records += [self._map_row(kind, row) for row in self.read(f"/{kind}", query).read_json()]
        return records

    def subscribe(self, url: str, existing: Mapping[str, str]) -> dict[str, str]:
        """Create one webhook per topic, all with the same secret; enable those again that WooCommerce has disabled."""
        if not self.access.credentials.get("webhook_secret"):
            self.access.credentials["webhook_secret"] = secrets.token_urlsafe(32)
            self.access.save(self.access.credentials)
        rows = self.read("/webhooks", {"per_page": PAGE_SIZE}).read_json()
        known = {str(row.get("topic")): str(row.get("id")) for row in rows if row.get("delivery_url") == url}
        return {topic: self._subscribe_topic(topic, url, known.get(topic)) for topic in TOPICS}

    def _subscribe_topic(self, topic: str, url: str, known: str | None) -> str:
        content = {
            "name": f"Perennial {topic}",
            "topic": topic,
            "delivery_url": url,
            "secret": self.access.credentials["webhook_secret"],
            "status": "active",
        }
        method, path = ("PUT", f"/webhooks/{known}") if known else ("POST", "/webhooks")
        answer = self.client.send(method, API + path, content=content)
        if answer.status in (401, 403):
            raise PlatformError(_("The key is read-only. Create a key with the permissions Read/Write."))
        raise_for_answer(answer)
        return str(answer.read_json().get("id"))

    def unsubscribe(self, existing: Mapping[str, str]) -> None:
        for webhook_id in existing.values():
            answer = self.client.send("DELETE", f"{API}/webhooks/{webhook_id}", query={"force": "true"})
            if answer.status not in (200, 404, 410):
                raise_for_answer(answer)

    def is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        secret = str(self.access.credentials.get("webhook_secret", ""))
        return is_signed(body, signature=headers.get("X-WC-Webhook-Signature", ""), secret=secret)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> WebhookNotice | None:
        topic = headers.get("X-WC-Webhook-Topic", "")
        if topic not in TOPICS:
            return None
        resource, _point, event = topic.partition(".")
        payload = read_body_object(body)
        if not isinstance(payload.get("id"), int):
            raise ValueError("id is not a number.")
        # what is restored from the trash may keep the time of a change before its deletion, so it is fetched
        is_restored = event == "restored"
        changed_at = None if is_restored else read_time(payload.get("date_modified_gmt"))
        is_deletion = event == "deleted" or payload.get("status") == "trash"
        is_whole = "date_modified_gmt" in payload and payload.get("type") not in PARENT_TYPES
        return WebhookNotice(
            delivery_id=f"{topic}:{payload['id']}:{headers.get('X-WC-Webhook-Delivery-ID', '')}",
            topic=topic,
            kind=RESOURCES[resource],
            external_id=str(payload.get("parent_id") or payload["id"]) if resource == "product" else str(payload["id"]),
            is_deletion=is_deletion and not (resource == "product" and payload.get("parent_id")),
            changed_at=changed_at,
            has_record=is_whole and not is_deletion and not is_restored and payload.get("type") != "variation",
        )

    def map_record(self, kind: str, payload: Mapping[str, Any]) -> MappedRecord:
        return self._map_row(kind, payload)

    def read(self, path: str, query: Mapping[str, Any] | None = None) -> http_client.PlatformResponse:
        answer = self.client.send("GET", API + path, query=query)
        raise_for_answer(answer)
        return answer

    def _map_row(self, kind: str, row: Mapping[str, Any]) -> MappedRecord:
        if kind == ShopRecordKind.CUSTOMERS:
            return map_customer(row)
        if kind == ShopRecordKind.ORDERS:
            return map_order(row, self._read_refunds(row) if row.get("refunds") else ())
        variations = self._read_variations(row) if row.get("type") == "variable" else ()
        return map_product(row, variations, self._find_category(row))

    def _read_refunds(self, row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the refunds of an order with their lines, which the order itself does not contain."""
        answer = self.client.send("GET", f"{API}/orders/{row['id']}/refunds", query={"per_page": PAGE_SIZE})
        if answer.status == 404:  # the order was deleted meanwhile
            return ()
        raise_for_answer(answer)
        return list(answer.read_json())

    def _read_variations(self, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        variations: list[Mapping[str, Any]] = []
        for page in range(1, 101):
            answer = self.read(f"/products/{row['id']}/variations", {"per_page": PAGE_SIZE, "page": page})
            variations += answer.read_json()
            if page >= int(answer.headers.get("x-wp-totalpages") or 1):
                break
        return variations

    def _find_category(self, row: Mapping[str, Any]) -> str:
        """Return the path of the deepest category of a product."""
        if self._category_paths is None:
            self._category_paths = self._read_category_paths()
        paths = [
            self._category_paths.get(int(category.get("id") or 0), str(category.get("name") or ""))
            for category in row.get("categories") or ()
        ]
        return max(paths, key=lambda path: (path.count(">"), path), default="")

    def _read_category_paths(self) -> dict[int, str]:
        rows: list[Mapping[str, Any]] = []
        for page in range(1, 101):
            answer = self.read("/products/categories", {"per_page": PAGE_SIZE, "page": page})
            rows += answer.read_json()
            if page >= int(answer.headers.get("x-wp-totalpages") or 1):
                break
        names = {int(row["id"]): (str(row.get("name") or ""), int(row.get("parent") or 0)) for row in rows}
        return {number: join_path(number, names) for number in names}


def join_path(number: int, names: Mapping[int, tuple[str, int]]) -> str:
    """Return the category names from the root to a category; stop at a cycle."""
    path: list[str] = []
    while number in names and len(path) < 20:
        name, number = names[number]
        path.insert(0, name.replace(">", "›"))
    return " > ".join(path)


def list_filters(kind: str) -> dict[str, Any]:
    """Return the parameters that make a list complete; by default, WooCommerce leaves records out."""
    return {ShopRecordKind.CUSTOMERS: {"role": "all"}, ShopRecordKind.ORDERS: {"status": "any"}}.get(
        ShopRecordKind(kind), {"status": "any"}
    )


def read_total(answer: http_client.PlatformResponse) -> int | None:
    text = answer.headers.get("x-wp-total", "")
    return int(text) if text.isdecimal() else None


def map_product(row: Mapping[str, Any], variations: Sequence[Mapping[str, Any]], category: str) -> MappedRecord:
    product_id = str(row["id"])
    is_published = row.get("status") == "publish" and row.get("catalog_visibility") != "hidden"
    images = row.get("images") or ()
    shared = {
        "parent_id": product_id,
        "description": strip_html(row.get("description") or row.get("short_description")),
        "category": category,
        "brand": find_brand(row),
        "image_url": str(dig(images[0], "src") or "") if images else "",
        "url": row.get("permalink") or "",
        "tags": [str(tag.get("name"))[:100] for tag in row.get("tags") or ()],
        "published_at": row.get("date_created_gmt") and f"{row['date_created_gmt']}Z",
        "is_active": is_published,
    }
    if row.get("type") == "variable":
        items = [map_variation(row, variation, shared) for variation in variations]
    elif row.get("type") == "grouped":
        items = []
    else:
        items = [map_variation(row, row, shared)]
    return MappedRecord(product_id, read_time(row.get("date_modified_gmt")), items, is_group=True)


def map_variation(row: Mapping[str, Any], variation: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    is_variation = variation is not row
    options = {
        str(attribute.get("name")): str(attribute.get("option"))
        for attribute in (variation.get("attributes") or () if is_variation else ())
    }
    title = " - ".join(filter(None, (str(row.get("name") or ""), " / ".join(options.values()))))
    attributes: dict[str, Any] = {**options}
    if variation.get("regular_price") and variation.get("regular_price") != variation.get("price"):
        attributes["regular_price"] = str(variation["regular_price"])
    return {
        **shared,
        "product_id": str(variation["id"]),
        "sku": variation.get("sku") or "",
        "title": title,
        "price": variation.get("price") or None,
        "stock": variation.get("stock_quantity"),
        "availability": AVAILABILITY.get(str(variation.get("stock_status")), Availability.IN_STOCK).value,
        "image_url": str(dig(variation, "image", "src") or shared["image_url"])
        if is_variation
        else shared["image_url"],
        "attributes": attributes,
        "is_active": shared["is_active"] and variation.get("status") in (None, "publish"),
    }


def find_brand(row: Mapping[str, Any]) -> str:
    """Return the brand. WooCommerce has had brands since version 9.6; in earlier versions, the brand may be an attribute."""
    if brands := row.get("brands"):
        return str(brands[0].get("name") or "")
    for attribute in row.get("attributes") or ():
        if str(attribute.get("name")).casefold() in ("brand", "marke", "marque", "品牌") and attribute.get("options"):
            return str(attribute["options"][0])
    return ""


def map_customer(row: Mapping[str, Any]) -> MappedRecord:
    customer_id = str(row["id"])
    item = {
        "user_id": customer_id,
        "email": row.get("email") or "",
        "first_name": row.get("first_name") or dig(row, "billing", "first_name") or "",
        "last_name": row.get("last_name") or dig(row, "billing", "last_name") or "",
        "phone": dig(row, "billing", "phone") or "",
        "country": dig(row, "billing", "country") or "",
    }
    return MappedRecord(customer_id, read_time(row.get("date_modified_gmt") or row.get("date_created_gmt")), [item])


def map_order(row: Mapping[str, Any], refunds: Sequence[Mapping[str, Any]] = ()) -> MappedRecord:
    """Return an order. refunds: with their lines."""
    order_id = str(row["id"])
    updated_at = read_time(row.get("date_modified_gmt"))
    if row.get("status") in DRAFTS:
        return MappedRecord(order_id, updated_at, is_skipped=True)
    refunded = sum((abs(read_amount(refund.get("total"))) for refund in row.get("refunds") or ()), Decimal(0))
    total = read_amount(row.get("total"))
    status = STATUSES.get(str(row.get("status")), "placed")
    if status == "placed" and refunded > 0:
        status = "refunded" if refunded >= total else "partly_refunded"
    coupons = row.get("coupon_lines") or ()
    lines, deduction = map_lines(row)
    if not lines:  # an empty order, such as one that was created by hand and never filled
        return MappedRecord(order_id, updated_at, is_skipped=True)
    item = {
        "order_id": order_id,
        "user_id": str(row["customer_id"]) if row.get("customer_id") else "",
        "email": dig(row, "billing", "email") or "",
        "placed_at": f"{row.get('date_created_gmt')}Z",
        "currency": row.get("currency"),
        "status": status,
        "discount": str(deduction),
        "shipping": str(row.get("shipping_total") or 0),
        "tax": str(row.get("total_tax") or 0),
        "total": str(total),
        "refunded": str(total if status == "refunded" and not refunded else refunded),
        "coupon": str(coupons[0].get("code") or "") if coupons else "",
        "channel": row.get("created_via") or "",
        "country": dig(row, "shipping", "country") or dig(row, "billing", "country") or "",
        "lines": lines,
    }
    returns = [goods for refund in refunds if (goods := map_refund(order_id, refund)).lines]
    return MappedRecord(order_id, updated_at, add_returns(item, returns))


def map_lines(row: Mapping[str, Any]) -> tuple[list[dict[str, Any]], Decimal]:
    """Return the lines of an order, and what its negative lines, which stand for discounts, take off.

    An order without products, such as a donation, has the lines of its fees; one with only shipping has a free line for it.
    """
    products = [line for line in row.get("line_items") or () if line.get("quantity")]
    fees = [{**fee, "quantity": 1, "subtotal": fee.get("total")} for fee in row.get("fee_lines") or ()]
    shipping = [
        {"quantity": 1, "subtotal": 0, "total": 0, "name": line.get("method_title") or line.get("method_id")}
        for line in row.get("shipping_lines") or ()
    ]
    for lines in (products, fees, shipping):
        sold = [line for line in lines if read_amount(line.get("total")) >= 0]
        if sold:
            deductions = (read_amount(line.get("total")) for line in lines)
            return [map_line(line) for line in sold], -sum((amount for amount in deductions if amount < 0), Decimal(0))
    return [], Decimal(0)


def map_refund(order_id: str, refund: Mapping[str, Any]) -> ReturnedGoods:
    """Return the goods of a refund; its lines have negative quantities, or 0 if only money was paid back."""
    lines = [
        build_returned_line(map_line(line), quantity=-quantity, amount=abs(read_amount(line.get("total"))))
        for line in refund.get("line_items") or ()
        if (quantity := read_amount(line.get("quantity"))) < 0
    ]
    returned_at = f"{refund.get('date_created_gmt')}Z"
    return ReturnedGoods(f"{order_id}-R{refund.get('id')}", returned_at, abs(read_amount(refund.get("amount"))), lines)


def map_line(line: Mapping[str, Any]) -> dict[str, Any]:
    quantity = read_amount(line.get("quantity"))
    subtotal, total = read_amount(line.get("subtotal")), read_amount(line.get("total"))
    listed = max(subtotal, total)  # the total of a line can be raised by hand
    product_id = line.get("variation_id") or line.get("product_id") or line.get("sku") or line.get("name")
    return {
        "product_id": str(product_id)[:200],
        "title": line.get("name") or "",
        "quantity": str(quantity),
        "unit_price": str((listed / quantity).quantize(Decimal("0.0001"))),
        "discount": str((listed - total).quantize(Decimal("0.01"))),
        "total": str(total.quantize(Decimal("0.01"))),
    }


def raise_for_answer(answer: http_client.PlatformResponse) -> None:
    """Raise PlatformError, with the fix, unless the answer is a success."""
    if answer.status < 400:
        return
    if answer.status == 401:
        raise PlatformError(
            _(
                "WooCommerce rejects the key. Copy the consumer key and secret again; the key must exist under "
                "WooCommerce › Settings › Advanced › REST API."
            )
        )
    if answer.status == 403:
        raise PlatformError(
            _(
                "WooCommerce denies access. The key's user must be an administrator or shop manager; a security "
                "plug-in may also block the REST API."
            )
        )
    if answer.status == 404:
        raise PlatformError(
            _("WooCommerce's REST API was not found. Check the address, and that the plug-in is active.")
        )
    raise PlatformError(_("WooCommerce answers with HTTP %(status)d.") % {"status": answer.status})
