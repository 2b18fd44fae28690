"""Limits the share of products that the customer has bought before, spread over the list."""

from collections.abc import Sequence

import numpy as np

from recommendations.engine.variety.kernels import spread_purchased


def limit_purchased_share(is_purchased: Sequence[bool], share: float) -> list[int]:
    """Return the order of a list, best first, in which at most ``share`` of the positions have purchased products.

    Every position adds ``share`` to a credit, and a purchased product costs 1. So the first n positions have at most ⌊share · n⌋ purchased
    products, any n positions in a row at most ⌈share · n⌉, and a purchased product never moves up. Credit for a whole
    product that is not used is not saved for later. When the other products are used up, the remaining purchased ones follow.
    """
    return spread_purchased(np.array(is_purchased, np.bool_), share).tolist()
