"""The values of a customer that the counting sums up, in the order of `GroupMoments`."""

from enum import IntEnum


class OutcomeColumn(IntEnum):
    """What is known of each customer.

    REACHED: 1 if the goal was reached. ORDERED: 1 with an order. ORDERS, REVENUE, MARGIN, RETURNS: within the window, revenue and
    margin net of returns. EARLIER_ORDERS, EARLIER_REVENUE: in a window of at least 90 days before the start. PREDICTED_VALUE: as it
    was before the start. WITHDREW: 1 if consent to messages was withdrawn within the window.
    """

    REACHED = 0
    ORDERED = 1
    ORDERS = 2
    REVENUE = 3
    MARGIN = 4
    RETURNS = 5
    EARLIER_ORDERS = 6
    EARLIER_REVENUE = 7
    PREDICTED_VALUE = 8
    WITHDREW = 9


# known before the assignment, so that an adjustment by them removes no part of the effect
COVARIATES = (OutcomeColumn.EARLIER_ORDERS, OutcomeColumn.EARLIER_REVENUE, OutcomeColumn.PREDICTED_VALUE)
