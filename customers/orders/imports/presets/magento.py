"""Exports of order items from Magento and Adobe Commerce, whose own export of the orders grid has no products.

One row per item, with the columns of the tables ``sales_order`` and ``sales_order_item``, with the prefixes ``item:`` (Improved Import &
Export) or ``order_`` and ``item_``, or with the titles of Simple Order Export. A configurable product and its variant are two items with
the same SKU, of which the second refers to the first; so do the parts of a bundle.
"""

from django.utils.translation import gettext_lazy as _

from customers.orders.imports.presets.base import ColumnPreset

MAGENTO = ColumnPreset(
    key="magento",
    label="Magento / Adobe Commerce",
    columns={
        "order_id": ("increment_id", "order_increment_id", "Order Number", "Order #", "ID"),
        "customer_id": ("customer_id", "order_customer_id"),
        "email": ("customer_email", "order_customer_email", "Customer Email", "email"),
        "placed_at": ("created_at", "order_created_at", "Order Date", "Purchase Date", "Purchased On"),
        "product_id": ("sku", "item:sku", "item_sku", "Item SKU", "_order_item_sku"),
        "product_title": ("name", "item:name", "item_name", "Item Name", "_order_item_name"),
        "quantity": ("qty_ordered", "item:qty_ordered", "item_qty_ordered", "Item Qty Ordered", "_order_item_qty_ordered"),
        "unit_price": ("price", "item:price", "item_price", "Item Price", "Item Selling Price", "_order_item_price"),
        # discount_amount without a prefix may be that of the order or that of the item
        "line_discount": ("item:discount_amount", "item_discount_amount", "Item Discount", "_order_item_discount_amount"),
        "currency": ("order_currency_code", "currency_code", "base_currency_code"),
        "status": ("status", "order_status", "Order Status"),
        "order_discount": (),
        "shipping": ("shipping_amount", "order_shipping_amount", "Order Shipping", "Shipping and Handling"),
        "total": ("grand_total", "order_grand_total", "Order Grand Total", "Grand Total (Purchased)", "G.T. (Purchased)"),
        "refunded": ("total_refunded", "order_total_refunded", "Total Refunded"),
        "coupon": ("coupon_code", "order_coupon_code", "Coupon Code"),
        "channel": ("store_name", "Order Purchased From", "Purchase Point", "Purchased From (Store)"),
        "country": ("shipping_country_id", "shipping_country", "Shipping Country", "billing_country_id", "Billing Country"),
    },
    joined_fields=frozenset({"country"}),
    part_columns=("parent_item_id", "item:parent_item_id", "item_parent_item_id"),
    statuses={"closed": "refunded"} | dict.fromkeys(("holded", "payment_review", "pending_payment", "pending_paypal", "fraud"), "placed"),
    missing_help=_(
        "Magento's export of the orders grid has no products. Export order items instead, one row per item with increment_id, "
        "created_at, customer_email, status, sku, qty_ordered and price: with an extension for order exports, or with the "
        "database query in the guide to importing files."
    ),
)  # fmt: skip
