"""Perennial's own column names and those of Google Merchant feeds; other columns become attributes."""

from django.utils.translation import gettext_lazy as _

from catalog.feeds.presets.base import FeedPreset
from catalog.feeds.row_mapping import FIELD_NAMES

NATIVE = FeedPreset(
    key="native",
    label=_("Perennial or Google Merchant"),
    columns={**FIELD_NAMES, "sale_price": ("sale_price",), "sale_price_effective_date": ("sale_price_effective_date",)},
    joined_fields=frozenset(FIELD_NAMES),
    keeps_other_columns=True,
)
