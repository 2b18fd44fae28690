"""Thousands are grouped as CLDR does for Chinese: 1,234. Django does not group them."""

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
