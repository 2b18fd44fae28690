"""Forecasts of products that are too new to have a history, from their category."""

import numpy as np

from config.foundation.array_types import Floats, Ints


def forecast_new_products(
    category_mean: Floats,
    product_counts: Ints,
    *,
    category: Ints,
    sold: Floats,
    periods: Ints,
    prior_periods: float = 14.0,
) -> Floats:
    """Return the expected demand of new products, (n, h): the profile of their category, scaled to their own level.

    Args:
        category_mean: (c, h), forecast demand of each category. product_counts: (c,), products that sell in it. category: (n,).
        sold: (n,), units sold since the first sale. periods: (n,), periods since then, 0 before it.
        prior_periods: weight of the category's mean product against the product's own sales, in periods.
    level = (sold + prior · m) ÷ (periods + prior), m = mean demand per period of a product of the category: the posterior mean of a
    Gamma–Poisson model with that prior (Gelman et al. 2013, section 2.6). f_h = level · profile_h, where the profile has mean 1.
    """
    typical = category_mean.mean(axis=1) / np.maximum(product_counts, 1)
    overall = category_mean.mean(axis=1, keepdims=True)
    profile = np.where(overall > 0, category_mean / np.where(overall > 0, overall, 1), 1.0)
    level = (sold + prior_periods * typical[category]) / (periods + prior_periods)
    return level[:, None] * profile[category]
