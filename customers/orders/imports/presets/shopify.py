"""Shopify admin → Orders → Export. Only the first row of an order has the columns of the order itself."""

from customers.orders.imports.presets.base import ColumnPreset

SHOPIFY = ColumnPreset(
    key="shopify",
    label="Shopify",
    columns={
        "order_id": ("Name",),
        "email": ("Email",),
        "placed_at": ("Created at",),
        # products without a SKU are identified by their name
        "product_id": ("Lineitem sku", "Lineitem name"),
        "product_title": ("Lineitem name",),
        "quantity": ("Lineitem quantity",),
        "unit_price": ("Lineitem price",),
        "line_discount": ("Lineitem discount",),
        "currency": ("Currency",),
        "financial_status": ("Financial Status",),
        "cancelled_at": ("Cancelled at",),
        "order_discount": ("Discount Amount",),
        "shipping": ("Shipping",),
        "tax": ("Taxes",),
        "total": ("Total",),
        "refunded": ("Refunded Amount",),
        "coupon": ("Discount Code",),
        "channel": ("Source",),
        "country": ("Shipping Country", "Billing Country"),
        "brand": ("Vendor",),
    },
    joined_fields=frozenset({"product_id", "country"}),
)
