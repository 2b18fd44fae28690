"""Which products a rule means, by array masks."""

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from recommendations.merchandising.rules.product_columns import Mask, ProductColumns

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

DAY = 86_400.0


def matching(*, rule: "Rule", columns: ProductColumns, now: datetime) -> Mask:
    """The products for which every condition that the rule gives holds. What a product lacks holds for nothing."""
    mask = np.ones(columns.n, np.bool_)
    if rule.category:
        mask &= in_category(columns, rule.category)
    if rule.brand:
        mask &= columns.brand == columns.brands.get(rule.brand, -2)
    if rule.product_ids:
        mask &= of_rows(columns, columns.rows_of(rule.product_ids))
    if rule.attribute_name:
        mask &= of_rows(columns, columns.attribute_rows(rule.attribute_name, rule.attribute_value))
    if rule.tag:
        mask &= of_rows(columns, columns.tag_rows(rule.tag))
    for values, low, high in (
        (columns.price, rule.price_from, rule.price_to),
        (columns.margin, rule.margin_from, rule.margin_to),
        (columns.stock, rule.stock_from, rule.stock_to),
    ):
        # compared in the precision of the column, so that 0.3 is 0.3
        if low is not None:
            mask &= values >= values.dtype.type(low)
        if high is not None:
            mask &= values <= values.dtype.type(high)
    if rule.new_within_days is not None:
        moment = now.timestamp()
        mask &= (columns.published <= moment) & (columns.published >= moment - rule.new_within_days * DAY)
    return mask


def in_category(columns: ProductColumns, path: str) -> Mask:
    """In the category or below it."""
    below = f"{path} > "
    wanted = np.zeros(
        len(columns.categories) + 1, np.bool_
    )  # the last one is for products without a category, whose code is -1
    wanted[[code for name, code in columns.categories.items() if name == path or name.startswith(below)]] = True
    return wanted[columns.category]


def of_rows(columns: ProductColumns, rows: np.ndarray) -> Mask:
    mask = np.zeros(columns.n, np.bool_)
    mask[rows] = True
    return mask
