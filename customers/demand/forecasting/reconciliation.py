"""Makes forecasts of products, categories and the shop add up."""

import numpy as np

from config.foundation.array_types import Floats, Ints


def reconcile(
    products: Floats, categories: Floats, shop: Floats, *, category: Ints, weights: tuple[Floats, Floats, float]
) -> tuple[Floats, Floats, Floats]:
    """Return forecasts in which products add up exactly to categories and categories to the shop, and none is negative.

    Args:
        products: (n, h); categories: (c, h); shop: (h,). category: (n,), row in categories. weights: error variances of each product (n,),
            each category (c,), and the shop.
    MinT with a diagonal W (Wickramasuriya, Athanasopoulos & Hyndman 2019, J. Am. Stat. Assoc. 114), in the form with constraints:
    ỹ = ŷ − W A' (A W A')⁻¹ A ŷ, where A y = 0 says that parts and whole agree; A W A' has c + 1 rows, however many products there are. A
    negative product is then set to 0, and the sums are taken again from below.
    """
    product_variance, category_variance, shop_variance = weights
    n_categories = len(categories)
    product_variance = np.maximum(product_variance, 1e-12)
    category_variance = np.maximum(category_variance, 1e-12)
    gap = categories - add_up(products, category, n_categories)
    top_gap = shop - categories.sum(axis=0)
    inside = np.maximum(np.bincount(category, product_variance, n_categories), 1e-12)
    both = inside + category_variance
    share = category_variance / both
    # A W A' is a diagonal with a border, so the last unknown follows alone; nothing cancels out, however far apart the variances are
    top = (top_gap + share @ gap) / (max(shop_variance, 1e-12) + (share * inside).sum())
    force = (gap + category_variance[:, None] * top) / both[:, None]
    adjusted = np.maximum(products + product_variance[:, None] * force[category], 0)
    sums = add_up(adjusted, category, n_categories)
    return adjusted, sums, sums.sum(axis=0)


def add_up(products: Floats, category: Ints, n_categories: int) -> Floats:
    """Return the sum of the products of each category, (c, h)."""
    sums = np.zeros((n_categories, products.shape[1]))
    np.add.at(sums, category, products)
    return sums
