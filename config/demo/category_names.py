"""Readable category paths of the demo: names from a table for what the package cuts off, the rules of product titles for the rest."""

from functools import cache

from catalog.categories import clean_path
from config.demo.label_tables import LabelLevel
from config.demo.product_titles import expand_label


@cache
def build_category_path(department: str, category: str | None, kind: str | None) -> str:
    """Return department, category and type as a category path, without levels that are missing or repeat one above."""
    names = zip((department, category, kind), LabelLevel, strict=True)
    levels = [expand_label(name, level) for name, level in names if name]
    return clean_path([level for number, level in enumerate(levels) if level not in levels[:number]])
