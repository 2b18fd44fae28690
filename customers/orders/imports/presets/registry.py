"""The presets that an import can use. A new preset needs its own module and one line here."""

from collections.abc import Mapping

from customers.orders.imports.presets.base import ColumnPreset
from customers.orders.imports.presets.magento import MAGENTO
from customers.orders.imports.presets.native import NATIVE
from customers.orders.imports.presets.online_retail import ONLINE_RETAIL
from customers.orders.imports.presets.shopify import SHOPIFY
from customers.orders.imports.presets.woocommerce import WOOCOMMERCE

DEFAULT_PRESET = NATIVE.key
PRESETS: Mapping[str, ColumnPreset] = {
    preset.key: preset
    for preset in (
        NATIVE,
        SHOPIFY,
        WOOCOMMERCE,
        MAGENTO,
        ONLINE_RETAIL,
    )
}
