"""Limits the share of products that the customer has bought before, spread over the list."""

from collections.abc import Sequence

ROUNDING = 1e-9


def limit_purchased_share(is_purchased: Sequence[bool], share: float) -> list[int]:
    """Return the order of a list, best first, in which at most ``share`` of the positions have purchased products.

    Every position adds ``share`` to a credit, and a purchased product costs 1. So the first n positions have at most ⌊share · n⌋ purchased
    products, any n positions in a row at most ⌈share · n⌉, and a purchased product never moves up. Credit for a whole
    product that is not used is not saved for later. When the other products are used up, the remaining purchased ones follow.
    """
    purchased = [position for position, flag in enumerate(is_purchased) if flag]
    others = [position for position, flag in enumerate(is_purchased) if not flag]
    if share >= 1 or not purchased:
        return list(range(len(is_purchased)))
    order: list[int] = []
    credit, next_purchased = 0.0, 0
    for other in others:
        while next_purchased < len(purchased) and purchased[next_purchased] < other:
            if credit + share < 1 - ROUNDING:
                break
            order.append(purchased[next_purchased])
            next_purchased += 1
            credit = max(credit + share - 1, 0.0)
        order.append(other)
        credit = 1 - share if credit + share >= 1 - ROUNDING else credit + share
    return order + purchased[next_purchased:]
