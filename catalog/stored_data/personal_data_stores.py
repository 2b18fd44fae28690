"""The catalog describes products."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    table("catalog.Category"),
    table("catalog.Product"),
    table("catalog.ProductVector"),
    table("catalog.ProductSource"),
    table("catalog.FeedImport"),
    reason="Products, and imports of product feeds.",
)
