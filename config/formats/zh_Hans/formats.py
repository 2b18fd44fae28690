"""Thousands are grouped as CLDR does for Chinese: 1,234. Django groups none."""

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
