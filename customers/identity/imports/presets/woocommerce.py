"""WooCommerce → Customers → Download, and the exports of the plug-in Customer/Order/Coupon Export.

The report of WooCommerce itself has no customer IDs; its customers are identified by their address, as guests in its orders are.
Source: woocommerce.com, “Customers Report”, and ``get_export_columns`` of WooCommerce's customers report.
"""

from catalog.feeds.column_translations import add_translations, load_translations
from customers.identity.imports.presets.base import CustomerPreset

WOOCOMMERCE = CustomerPreset(
    key="woocommerce",
    label="WooCommerce",
    columns=add_translations(
        {
            "user_id": ("customer_id", "user_id", "Customer ID", "User ID"),
            "email": ("Email", "email", "billing_email", "user_email"),
            "name": ("Name",),
            "first_name": ("first_name", "billing_first_name", "First Name"),
            "last_name": ("last_name", "billing_last_name", "Last Name"),
            "phone": ("billing_phone", "phone", "Phone"),
            "country": ("Country / Region", "billing_country", "shipping_country", "Country"),
            "language": ("locale",),
        },
        load_translations(__package__, "woocommerce_columns"),
    ),
    joined_fields=frozenset({"country"}),
)
