"""The order exports of WooCommerce plug-ins with one row per item.

These are Customer/Order/Coupon Export and Import Export Suite (``snake_case`` columns) and Advanced Order Export (titles).
"""

from customers.orders.imports.presets.base import US_DATE_FORMATS, ColumnPreset

WOOCOMMERCE = ColumnPreset(
    key="woocommerce",
    label="WooCommerce",
    columns={
        "order_id": ("order_number", "order_id", "Order Number", "Order ID"),
        "customer_id": ("customer_id", "customer_user", "Customer User ID", "Customer ID"),
        "email": ("billing_email", "customer_email", "Email (Billing)", "Billing Email"),
        "placed_at": ("date", "order_date", "Order Date"),
        "product_id": (
            "item_sku",
            "SKU",
            "Item SKU",
            "item_product_id",
            "Product ID",
            "Product Id",
            "item_name",
            "Item Name",
        ),
        "product_title": ("item_name", "Item Name"),
        "quantity": ("item_quantity", "Quantity", "Item Quantity"),
        "unit_price": ("item_price", "Item Cost", "Item Price"),
        "line_total": ("item_total", "Order Line Total", "Item Total"),
        "currency": ("order_currency", "Currency", "Order Currency"),
        "status": ("status", "Order Status"),
        # no column of these exports is imported as the order's discount
        "order_discount": (),
        "shipping": ("shipping_total", "Order Shipping Amount", "Shipping Total"),
        "tax": ("tax_total", "Order Total Tax Amount", "Tax Total"),
        "total": ("order_total", "Order Total Amount", "Order Total"),
        "refunded": ("refunded_total", "Order Refund Amount"),
        "coupon": ("coupon_code", "Coupon Code"),
        "country": ("shipping_country", "billing_country", "Country Code (Shipping)", "Country Code (Billing)"),
        "category": ("Category",),
    },
    joined_fields=frozenset({"product_id"}),
    date_formats=US_DATE_FORMATS,
    guest_ids=frozenset({"0"}),
)
