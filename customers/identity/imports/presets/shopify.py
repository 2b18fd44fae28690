"""Shopify admin → Customers → Export. Texts that look like numbers begin with an apostrophe, for spreadsheets.

Source: help.shopify.com, “Exporting customer information”.
"""

from customers.identity.imports.presets.base import CustomerPreset

SHOPIFY = CustomerPreset(
    key="shopify",
    label="Shopify",
    columns={
        "user_id": ("Customer ID",),
        "email": ("Email",),
        "first_name": ("First Name",),
        "last_name": ("Last Name",),
        "phone": ("Phone",),  # several customers can have the phone number of an address
        "country": ("Default Address Country Code", "Country Code", "Country"),
        "email_consent": ("Accepts Email Marketing", "Accepts Marketing"),
        "sms_consent": ("Accepts SMS Marketing",),
        "tags": ("Tags",),
    },
)
