"""Price bands that are comparable across categories: how expensive a product is within its category."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BANDS = 5
MIN_PRODUCTS = 20  # minimum priced products of a category; smaller categories are compared with the whole catalog


def assign_price_bands(
    price: npt.NDArray[np.float64],
    currency: Sequence[str],
    category: npt.NDArray[np.int32],
    *,
    bands: int = BANDS,
    min_products: int = MIN_PRODUCTS,
) -> npt.NDArray[np.int32]:
    """Return int32 (k,): 1 (cheapest) to `bands`, -1 without a price.

    Band = 1 + ⌊bands · c / n⌋, where c of the n priced products in the same category and currency are cheaper; equal prices share a
    band. A category (-1: none) with fewer than `min_products` such products is compared with all products of the currency, and a
    currency with fewer than `bands` products has no bands. price: NaN for unknown.
    """
    money = np.unique(np.array(currency, np.str_), return_inverse=True)[1].astype(np.int64)
    priced = np.isfinite(price)
    overall = np.where(priced, money, -1)
    own = np.where(priced & (category >= 0), money * (int(category.max(initial=-1)) + 1) + category, -1)
    overall_bands, _ = _compute_bands(price, overall, bands, bands)
    category_bands, has_category_band = _compute_bands(price, own, bands, max(min_products, bands))
    return np.where(has_category_band, category_bands, overall_bands).astype(np.int32)


def _compute_bands(
    price: npt.NDArray[np.float64], group: npt.NDArray[np.int64], bands: int, min_products: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return bands within groups and who has one; -1 for group -1 and for groups of fewer than `min_products`."""
    order = np.lexsort((price, group))
    sorted_group, sorted_price = group[order], price[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = sorted_group[1:] != sorted_group[:-1]
    steps = begins.copy()
    steps[1:] |= sorted_price[1:] != sorted_price[:-1]
    position = np.arange(len(order))
    # maximum.accumulate carries the position of the last group, or of the first of equal prices, forward.
    first = np.maximum.accumulate(np.where(begins, position, 0))
    cheaper = np.maximum.accumulate(np.where(steps, position, 0)) - first
    size = np.bincount(np.cumsum(begins) - 1)[np.cumsum(begins) - 1] if len(order) else position
    has_band = np.empty(len(order), np.bool_)
    has_band[order] = (sorted_group >= 0) & (size >= min_products)
    band = np.empty(len(order), np.int64)
    band[order] = 1 + bands * cheaper // np.maximum(size, 1)
    return np.where(has_band, band, -1), has_band
