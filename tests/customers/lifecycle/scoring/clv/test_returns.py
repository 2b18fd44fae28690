"""Return documents reduce the orders that they probably belong to, so that they count like refunds by status."""

import numpy as np
import pytest

from config.foundation.calendars.local_clock import UTC_CLOCK
from customers.lifecycle.facts.histories import from_microseconds, select_purchases, summarize_histories
from customers.lifecycle.portrait.queries import count_returned_orders
from customers.lifecycle.scoring.clv.returns import assign_returns
from customers.lifecycle.scoring.stages.derivation import OrderHistories
from customers.lifecycle.scoring.stages.order_gaps import DAY


@pytest.mark.parametrize(
    ("amounts", "remaining", "returned"),
    [
        ([30, 50, -30], [0, 50], [True, False]),  # exactly the amount of an earlier order
        ([30, 50, -20], [30, 30], [False, True]),
        ([30, 50, -70], [10, 0], [True, True]),
        ([30, -40, 50], [0, 50], [True, False]),  # not below 0, and never a later order
        ([30, -10, -10, -10, 50], [0, 50], [True, False]),  # one order in three parcels
        ([30, 0, -20], [10, 0], [True, False]),  # an order that is refunded already
    ],
)
def test_a_return_reduces_the_earlier_orders(amounts: list[int], remaining: list[int], returned: list[bool]) -> None:
    amount = np.array(amounts)
    is_order = amount >= 0
    left, is_returned = assign_returns(start=np.array([0, len(amount)]), amount=amount, is_order=is_order)
    assert left[is_order].tolist() == remaining
    assert is_returned[is_order].tolist() == returned
    assert not is_returned[~is_order].any()


def test_a_return_reduces_no_order_of_another_customer() -> None:
    amount, is_order = np.array([30, -30, 30]), np.array([True, False, True])
    left, is_returned = assign_returns(start=np.array([0, 1, 3]), amount=amount, is_order=is_order)
    assert left[is_order].tolist() == [30, 30]
    assert is_returned.tolist() == [False, True, False], "its order is unknown, which counts as one order"


def test_a_return_without_an_amount_marks_the_latest_order() -> None:
    amount, is_order = np.array([30, 40, 0, 50]), np.array([True, True, False, True])
    left, is_returned = assign_returns(start=np.array([0, 4]), amount=amount, is_order=is_order)
    assert left[is_order].tolist() == [30, 40, 50]
    assert is_returned.tolist() == [False, True, False, False]


def test_orders_are_counted_once_however_many_documents_they_come_back_with() -> None:
    """The first customer returns one of four orders in three parcels, the second one only an order that is not known."""
    amount = np.array([30, 30, 30, 30, -10, -10, -10, -5, -5, 20, 20])
    refunded = np.zeros(11, bool)
    start = np.array([0, 7, 11])
    assert count_returned_orders(start=start, amount=amount, is_sale=amount > 0, is_refunded=refunded) == 2
    refunded[0] = True
    assert count_returned_orders(start=start, amount=amount, is_sale=amount > 0, is_refunded=refunded) == 3


def make_histories(*, with_documents: bool) -> OrderHistories:
    """Make 40 customers who return every third order, either as a document a day later or by a status of the order."""
    at, amount, is_order, start = [], [], [], [0]
    for customer in range(40):
        for number in range(1 + customer % 5):
            day, cents = 10 * number + customer, 1_000 + 370 * number + 11 * customer
            is_returned = (customer + number) % 3 == 0
            at.append(day * DAY)
            amount.append(0 if is_returned and not with_documents else cents)
            is_order.append(True)
            if is_returned and with_documents:
                at.append((day + 1) * DAY)
                amount.append(-cents)
                is_order.append(False)
        start.append(len(at))
    starts = np.array(start)
    first = np.array(at)[starts[:-1]]
    return OrderHistories(
        np.arange(40),
        first,
        first,
        starts,
        np.array(at),
        np.array(amount),
        np.array(is_order, np.bool_),
        clock=UTC_CLOCK,
    )


def test_documents_and_statuses_give_the_same_purchases() -> None:
    """Otherwise, the predicted value was as if goods were never returned in shops with credit notes."""
    documents, statuses = make_histories(with_documents=True), make_histories(with_documents=False)
    assert (documents.amount < 0).sum() > 30
    for of_documents, of_statuses in zip(select_purchases(documents), select_purchases(statuses), strict=True):
        np.testing.assert_array_equal(of_documents, of_statuses)
    as_of = from_microseconds(200 * DAY)
    ours, theirs = summarize_histories(documents, as_of=as_of), summarize_histories(statuses, as_of=as_of)
    np.testing.assert_array_equal(ours.mean_value, theirs.mean_value)
    np.testing.assert_array_equal(ours.x, theirs.x)
