"""Find the products that match a rule, as array masks."""

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from recommendations.merchandising.rules.product_columns import Mask, RuleProductColumns

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

DAY = 86_400.0


def match_products(*, rule: "Rule", columns: RuleProductColumns, now: datetime) -> Mask:
    """Return the products that match every condition of a rule.

    A missing value matches no condition.
    """
    mask = np.ones(columns.n, np.bool_)
    if rule.category:
        mask &= match_category(columns, rule.category)
    if rule.brand:
        mask &= columns.brand == columns.brands.get(rule.brand, -2)  # -1 would match products without a brand
    if rule.product_ids:
        mask &= make_mask(columns, columns.find_rows(rule.product_ids))
    if rule.attribute_name:
        mask &= make_mask(columns, columns.find_rows_with_attribute(rule.attribute_name, rule.attribute_value))
    if rule.tag:
        mask &= make_mask(columns, columns.find_rows_with_tag(rule.tag))
    for values, low, high in (
        (columns.price, rule.price_from, rule.price_to),
        (columns.margin, rule.margin_from, rule.margin_to),
        (columns.stock, rule.stock_from, rule.stock_to),
    ):
        # In the precision of the column, because the float32 nearest to 0.3 is above the float64 nearest to 0.3.
        if low is not None:
            mask &= values >= values.dtype.type(low)
        if high is not None:
            mask &= values <= values.dtype.type(high)
    if rule.new_within_days is not None:
        moment = now.timestamp()
        mask &= (columns.published <= moment) & (columns.published >= moment - rule.new_within_days * DAY)
    return mask


def match_category(columns: RuleProductColumns, path: str) -> Mask:
    """Return the products in a category or below it."""
    below = f"{path} > "
    # The last entry is for products without a category: their code -1 indexes it.
    is_match = np.zeros(len(columns.categories) + 1, np.bool_)
    is_match[[code for name, code in columns.categories.items() if name == path or name.startswith(below)]] = True
    return is_match[columns.category]


def make_mask(columns: RuleProductColumns, rows: np.ndarray) -> Mask:
    mask = np.zeros(columns.n, np.bool_)
    mask[rows] = True
    return mask
