"""The presets of product files. A new preset needs its own module and one line here."""

from collections.abc import Mapping

from catalog.feeds.presets.base import FeedPreset
from catalog.feeds.presets.magento import MAGENTO
from catalog.feeds.presets.native import NATIVE
from catalog.feeds.presets.shopify import SHOPIFY
from catalog.feeds.presets.woocommerce import WOOCOMMERCE

DEFAULT_PRESET = NATIVE.key
PRESETS: Mapping[str, FeedPreset] = {preset.key: preset for preset in (NATIVE, SHOPIFY, WOOCOMMERCE, MAGENTO)}
