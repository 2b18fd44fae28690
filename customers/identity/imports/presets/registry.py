"""The presets of customer files. A new preset needs its own module and one line here."""

from collections.abc import Mapping

from customers.identity.imports.presets.base import CustomerPreset
from customers.identity.imports.presets.magento import MAGENTO
from customers.identity.imports.presets.native import NATIVE
from customers.identity.imports.presets.shopify import SHOPIFY
from customers.identity.imports.presets.woocommerce import WOOCOMMERCE

DEFAULT_PRESET = NATIVE.key
PRESETS: Mapping[str, CustomerPreset] = {preset.key: preset for preset in (NATIVE, SHOPIFY, WOOCOMMERCE, MAGENTO)}
