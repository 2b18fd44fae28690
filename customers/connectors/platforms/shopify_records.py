"""The records of Shopify: the fields that are asked for in GraphQL, and how they become ours.

Source: shopify.dev, GraphQL Admin API 2026-10, objects Product, ProductVariant, Customer, Order and LineItem. Amounts are in the shop's currency
(``shopMoney``). A line of the JSONL of a bulk operation is an object; those of nested connections follow their parent and name it in ``__parentId``.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from catalog.feeds.presets.base import strip_html
from catalog.models import Availability
from customers.connectors.models import ShopRecordKind
from customers.connectors.platforms.base import MappedRecord
from customers.connectors.platforms.refunds import ReturnedGoods, add_returns, build_returned_line
from customers.connectors.platforms.values import dig, read_amount, read_time

VARIANT_FIELDS = """id title sku price compareAtPrice inventoryQuantity inventoryPolicy availableForSale
selectedOptions { name value } inventoryItem { tracked unitCost { amount } }"""
PRODUCT_FIELDS = """id title descriptionHtml vendor productType status tags publishedAt updatedAt onlineStoreUrl
category { fullName } featuredMedia { preview { image { url } } }"""
CUSTOMER_FIELDS = """id firstName lastName locale tags updatedAt defaultAddress { countryCodeV2 }
defaultEmailAddress { emailAddress marketingState } defaultPhoneNumber { phoneNumber marketingState }"""
MONEY = "{ shopMoney { amount currencyCode } }"
ORDER_FIELDS = f"""id name email test processedAt createdAt updatedAt cancelledAt displayFinancialStatus discountCodes sourceName
customer {{ id }} shippingAddress {{ countryCodeV2 }} totalPriceSet {MONEY} totalShippingPriceSet {MONEY} totalTaxSet {MONEY}
totalDiscountsSet {MONEY} totalRefundedSet {MONEY} refunds {{ id createdAt totalRefundedSet {MONEY} }}"""
LINE_FIELDS = f"""id title variantTitle quantity currentQuantity sku vendor variant {{ id }} product {{ id }} originalUnitPriceSet {MONEY}
discountedTotalSet {MONEY}"""
REFUND_LINE_FIELDS = f"id quantity lineItem {{ id }} subtotalSet {MONEY}"
TYPES = {ShopRecordKind.PRODUCTS: "Product", ShopRecordKind.CUSTOMERS: "Customer", ShopRecordKind.ORDERS: "Order"}
FIELDS = {
    ShopRecordKind.PRODUCTS: PRODUCT_FIELDS,
    ShopRecordKind.CUSTOMERS: CUSTOMER_FIELDS,
    ShopRecordKind.ORDERS: ORDER_FIELDS,
}
# kind → its nested connections
CONNECTIONS: Mapping[str, Mapping[str, str]] = {
    ShopRecordKind.PRODUCTS: {"variants": VARIANT_FIELDS, "collections": "id title"},
    ShopRecordKind.CUSTOMERS: {},
    ShopRecordKind.ORDERS: {"lineItems": LINE_FIELDS},
}
CHILD_TYPES = {"ProductVariant": "variants", "Collection": "collections", "LineItem": "lineItems"}
STATUSES = {
    "REFUNDED": "refunded",
    "PARTIALLY_REFUNDED": "partly_refunded",
    "VOIDED": "cancelled",
    "EXPIRED": "cancelled",
}
CONSENT_STATES = {"SUBSCRIBED": True, "UNSUBSCRIBED": False, "REDACTED": False}
DEFAULT_VARIANT = "Default Title"

# ID of a refund → its lines
type RefundLines = Mapping[str, Sequence[Mapping[str, Any]]]


def build_bulk_query(kind: str, search: str) -> str:
    """Return the query of a bulk operation; ``search``: in Shopify's search syntax, empty for all."""
    nested = " ".join(f"{name} {{ edges {{ node {{ {fields} }} }} }}" for name, fields in CONNECTIONS[kind].items())
    argument = f'(query: "{search}")' if search else ""
    return f"{{ {kind}{argument} {{ edges {{ node {{ {FIELDS[ShopRecordKind(kind)]} {nested} }} }} }} }}"


def build_selection(kind: str, *, page_size: int) -> str:
    """Return the fields of a query without a bulk operation."""
    nested = " ".join(
        f"{name}(first: {page_size}) {{ nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }}"
        for name, fields in CONNECTIONS[kind].items()
    )
    return f"{FIELDS[ShopRecordKind(kind)]} {nested}"


def read_id(gid: Any) -> str:
    """Return the number of an ID such as gid://shopify/Product/1?x."""
    return str(gid or "").rpartition("/")[2].partition("?")[0]


def read_type(gid: Any) -> str:
    parts = str(gid or "").split("/")
    return parts[3] if len(parts) > 4 else ""


def map_record(
    kind: str,
    node: Mapping[str, Any],
    children: Mapping[str, Sequence[Mapping[str, Any]]],
    refund_lines: RefundLines = MappingProxyType({}),
) -> MappedRecord:
    """Return a record in our fields. children: connection to its nodes."""
    if kind == ShopRecordKind.PRODUCTS:
        return map_product(node, children.get("variants", ()), children.get("collections", ()))
    if kind == ShopRecordKind.CUSTOMERS:
        return map_customer(node)
    return map_order(node, children.get("lineItems", ()), refund_lines)


def map_product(
    node: Mapping[str, Any], variants: Sequence[Mapping[str, Any]], collections: Sequence[Mapping[str, Any]]
) -> MappedRecord:
    product_id = read_id(node.get("id"))
    names = [str(collection.get("title") or "") for collection in collections]
    shared = {
        "parent_id": product_id,
        "description": strip_html(node.get("descriptionHtml")),
        "category": dig(node, "category", "fullName") or node.get("productType") or next(iter(names), ""),
        "brand": node.get("vendor") or "",
        "image_url": dig(node, "featuredMedia", "preview", "image", "url") or "",
        "url": node.get("onlineStoreUrl") or "",
        "tags": [str(tag)[:100] for tag in node.get("tags") or ()],
        "published_at": node.get("publishedAt"),
        "is_active": node.get("status") == "ACTIVE" and node.get("publishedAt") is not None,
    }
    items = [map_variant(node, variant, shared, names) for variant in variants]
    return MappedRecord(product_id, read_time(node.get("updatedAt")), items, is_group=True)


def map_variant(
    node: Mapping[str, Any], variant: Mapping[str, Any], shared: Mapping[str, Any], collections: Sequence[str]
) -> dict[str, Any]:
    options = {
        str(option.get("name")): str(option.get("value"))
        for option in variant.get("selectedOptions") or ()
        if option.get("value") != DEFAULT_VARIANT
    }
    title = variant.get("title") if variant.get("title") != DEFAULT_VARIANT else ""
    attributes: dict[str, Any] = {**options}
    if collections:
        attributes["collections"] = list(collections)
    if variant.get("compareAtPrice"):
        attributes["regular_price"] = str(variant["compareAtPrice"])
    is_tracked = dig(variant, "inventoryItem", "tracked") is not False
    return {
        **shared,
        "product_id": read_id(variant.get("id")),
        "sku": variant.get("sku") or "",
        "title": " - ".join(filter(None, (str(node.get("title") or ""), str(title or "")))),
        "price": variant.get("price"),
        "cost": dig(variant, "inventoryItem", "unitCost", "amount"),
        "stock": variant.get("inventoryQuantity") if is_tracked else None,
        "availability": find_availability(variant, is_tracked=is_tracked),
        "attributes": attributes,
    }


def find_availability(variant: Mapping[str, Any], *, is_tracked: bool) -> str:
    """Return whether a variant can be bought; one without inventory tracking always can."""
    if not is_tracked or (variant.get("inventoryQuantity") or 0) > 0:
        return Availability.IN_STOCK.value
    is_sold = variant.get("inventoryPolicy") == "CONTINUE" or variant.get("availableForSale") is True
    return (Availability.BACKORDER if is_sold else Availability.OUT_OF_STOCK).value


def map_customer(node: Mapping[str, Any]) -> MappedRecord:
    customer_id = read_id(node.get("id"))
    item = {
        "user_id": customer_id,
        "email": dig(node, "defaultEmailAddress", "emailAddress") or "",
        "phone": dig(node, "defaultPhoneNumber", "phoneNumber") or "",
        "first_name": node.get("firstName") or "",
        "last_name": node.get("lastName") or "",
        "language": node.get("locale") or "",
        "country": dig(node, "defaultAddress", "countryCodeV2") or "",
        "tags": ", ".join(map(str, node.get("tags") or ())),
    }
    states = {
        "email": dig(node, "defaultEmailAddress", "marketingState"),
        "sms": dig(node, "defaultPhoneNumber", "marketingState"),
    }
    consents = {
        purpose: CONSENT_STATES[state]
        for purpose, state in states.items()
        if isinstance(state, str) and state in CONSENT_STATES
    }
    return MappedRecord(customer_id, read_time(node.get("updatedAt")), [item], consents)


def map_order(
    node: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    refund_lines: RefundLines = MappingProxyType({}),
) -> MappedRecord:
    """Return an order and its returns. refund_lines: of the refunds that ``list_open_refunds`` names."""
    order_id = read_id(node.get("id"))
    updated_at = read_time(node.get("updatedAt"))
    if node.get("test") is True:
        return MappedRecord(order_id, updated_at, is_skipped=True)
    refunded = count_refunded(node, refund_lines)
    sold = [line for line in lines if line.get("quantity")]
    if not sold and not read_money(node, "totalPriceSet"):  # with an amount, it is rejected, which the page shows
        return MappedRecord(order_id, updated_at, is_skipped=True)
    # units that were removed from the order without a refund were never bought
    bought = [remove_units(line, refunded) for line in sold]
    mapped = [map_line(line) for line in bought if line["quantity"]] or [map_line(line) for line in sold]
    is_empty = bool(sold) and not any(line["quantity"] for line in bought)
    line_discounts = sum((Decimal(line["discount"]) for line in mapped), Decimal(0))
    discount = max(read_money(node, "totalDiscountsSet") - line_discounts, Decimal(0))
    status = STATUSES.get(str(node.get("displayFinancialStatus")), "placed")
    item = {
        "order_id": order_id,
        "user_id": read_id(dig(node, "customer", "id")),
        "email": node.get("email") or "",
        "placed_at": node.get("processedAt") or node.get("createdAt"),
        "currency": dig(node, "totalPriceSet", "shopMoney", "currencyCode"),
        "status": "cancelled" if is_empty or is_cancelled(node, status, lines) else status,
        "discount": str(discount),
        "shipping": str(read_money(node, "totalShippingPriceSet")),
        "tax": str(read_money(node, "totalTaxSet")),
        "total": str(read_money(node, "totalPriceSet")),
        "refunded": str(read_money(node, "totalRefundedSet")),
        "coupon": next(iter(node.get("discountCodes") or ()), ""),
        "channel": node.get("sourceName") or "",
        "country": dig(node, "shippingAddress", "countryCodeV2") or "",
        "lines": mapped,
    }
    return MappedRecord(order_id, updated_at, add_returns(item, list_returns(node, lines, item, refund_lines)))


def list_open_refunds(node: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the IDs of the refunds of an order whose lines have to be fetched, because any may have the returned goods.

    Bulk operations do not return the lines of refunds (a connection within a list). The goods of a single refund that paid back at least
    their value are those that the order's lines no longer have; otherwise, some of these were removed from the order.
    """
    refunds = node.get("refunds") or ()
    missing = list_missing(lines)
    if node.get("cancelledAt") or not refunds or not missing:
        return []
    value = sum((find_share(line, number) for line, number in missing), Decimal(0))
    if len(refunds) == 1 and read_money(refunds[0], "totalRefundedSet") >= value:
        return []
    return [str(refund.get("id")) for refund in refunds]


def is_cancelled(node: Mapping[str, Any], status: str, lines: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether an order was canceled; a paid one is refunded by this. A partly refunded one may keep goods."""
    if not node.get("cancelledAt"):
        return False
    return status != "partly_refunded" or not any(line.get("currentQuantity", line.get("quantity")) for line in lines)


def count_refunded(node: Mapping[str, Any], refund_lines: RefundLines) -> Counter[str] | None:
    """Return how many units of each line were refunded; None if this is all that the lines no longer have."""
    refunds = node.get("refunds") or ()
    if node.get("cancelledAt") or (refunds and not any(str(refund.get("id")) in refund_lines for refund in refunds)):
        return None
    counts = Counter[str]()
    for refund in refunds:
        for line in refund_lines.get(str(refund.get("id")), ()):
            counts[str(dig(line, "lineItem", "id"))] += int(line.get("quantity") or 0)
    return counts


def remove_units(line: Mapping[str, Any], refunded: Counter[str] | None) -> Mapping[str, Any]:
    """Return a line without the units that were removed by editing the order; Shopify's quantity includes them."""
    if refunded is None or line.get("currentQuantity") is None:
        return line
    left = int(line["currentQuantity"]) + refunded[str(line.get("id"))]
    if left >= int(line["quantity"]):
        return line
    return {**line, "quantity": left, "discountedTotalSet": {"shopMoney": {"amount": str(find_share(line, left))}}}


def find_share(line: Mapping[str, Any], number: int) -> Decimal:
    """Return what some units of a line cost after its discounts."""
    share = read_money(line, "discountedTotalSet") * number / int(line["quantity"])
    return share.quantize(Decimal("0.01"))


def list_missing(lines: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int]]:
    """Return the lines of which units came back, and how many units."""
    known = [line for line in lines if line.get("quantity") and line.get("currentQuantity") is not None]
    missing = [(line, int(line["quantity"]) - int(line["currentQuantity"])) for line in known]
    return [(line, number) for line, number in missing if number > 0]


def list_returns(
    node: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], item: Mapping[str, Any], refund_lines: RefundLines
) -> list[ReturnedGoods]:
    """Return the goods of each refund; one without goods has no lines. A canceled order has no returns, because it was not delivered."""
    refunds: Sequence[Mapping[str, Any]] = node.get("refunds") or ()
    if node.get("cancelledAt"):
        return []
    if len(refunds) == 1 and str(refunds[0].get("id")) not in refund_lines:
        goods = [map_returned_line(line, number) for line, number in list_missing(lines)]
        amount = read_money(refunds[0], "totalRefundedSet")
        return [build_returned_goods(refunds[0], item, amount, goods)] if goods else []
    sold = {line.get("id"): line for line in lines if line.get("quantity")}
    returns = []
    for refund in refunds:
        goods = [
            map_refund_line(sold[gid], line)
            for line in refund_lines.get(str(refund.get("id")), ())
            if (gid := dig(line, "lineItem", "id")) in sold and line.get("quantity")
        ]
        if goods:
            returns.append(build_returned_goods(refund, item, read_money(refund, "totalRefundedSet"), goods))
    return returns


def build_returned_goods(
    refund: Mapping[str, Any], item: Mapping[str, Any], amount: Decimal, goods: Sequence[Mapping[str, Any]]
) -> ReturnedGoods:
    returned_at = str(refund.get("createdAt") or item["placed_at"])
    return ReturnedGoods(f"{item['order_id']}-R{read_id(refund.get('id'))}", returned_at, amount, goods)


def map_returned_line(line: Mapping[str, Any], number: int) -> dict[str, Any]:
    return build_returned_line(map_line(line), quantity=Decimal(number), amount=find_share(line, number))


def map_refund_line(line: Mapping[str, Any], refunded: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of a return from that of the order and that of the refund."""
    amount = read_money(refunded, "subtotalSet")
    return build_returned_line(map_line(line), quantity=Decimal(int(refunded["quantity"])), amount=amount)


def map_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line. One whose product was deleted, or that had none, is known by its SKU or its title."""
    title = " - ".join(filter(None, (str(line.get("title") or ""), str(line.get("variantTitle") or ""))))
    gross = read_money(line, "originalUnitPriceSet") * Decimal(int(line["quantity"]))
    net = read_money(line, "discountedTotalSet")
    variant_id = read_id(dig(line, "variant", "id"))
    return {
        "product_id": variant_id or line.get("sku") or read_id(dig(line, "product", "id")) or title[:200],
        "title": title,
        "brand": line.get("vendor") or "",
        "quantity": str(line["quantity"]),
        "unit_price": str(read_money(line, "originalUnitPriceSet")),
        "discount": str(max(gross - net, Decimal(0))),
        "total": str(net),
    }


def read_money(node: Mapping[str, Any], name: str) -> Decimal:
    return read_amount(dig(node, name, "shopMoney", "amount") or 0)
