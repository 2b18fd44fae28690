"""What is attributed to the products that messages recommended. Attribution shows what was used, not what was caused."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RecommendedSales:
    """Clicks on and purchases of recommended products of the messages of a campaign or flow.

    Attributes:
        customers: who got a message with recommended products. clicked: who clicked one of them.
        orders: with a product that a message had recommended to the same customer before; revenue: of these products only.
    """

    customers: int = 0
    clicked: int = 0
    orders: int = 0
    revenue: float = 0.0
