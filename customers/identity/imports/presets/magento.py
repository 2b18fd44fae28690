"""Magento and Adobe Commerce: System → Data Transfer → Export → Customers Main File.

The file has no customer IDs; customers are identified by their address. Password hashes and tokens in it are never read. In the composite
export, a row without an address is a further postal address of the row before. Source: Adobe Commerce, “Customer attributes reference”.
"""

from customers.identity.imports.presets.base import CustomerPreset

MAGENTO = CustomerPreset(
    key="magento",
    label="Magento / Adobe Commerce",
    columns={
        "email": ("email", "_email"),
        "first_name": ("firstname",),
        "last_name": ("lastname",),
        "birthday": ("dob",),
        "phone": ("_address_telephone", "telephone"),
        "country": ("_address_country_id", "country_id"),
    },
    skips_rows_without="email",
)
