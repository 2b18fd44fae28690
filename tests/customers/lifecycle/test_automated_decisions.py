"""What a person is shown about the predictions of the shop about them."""

from decimal import Decimal
from typing import Any

import pytest

from customers.lifecycle.automated_decisions import list_predictions
from tests.makers import NOON, make_customer, make_profile

pytestmark = pytest.mark.django_db


def test_the_expected_spend_is_without_margin_and_discount(settings: Any) -> None:
    settings.SHOP_CURRENCY = "EUR"
    anna = make_customer("anna")
    values = {"expected_orders": 2.5, "expected_order_value": Decimal("40.00"), "value": Decimal("28.12")}
    make_profile(anna, stage="active", orders=3, computed_at=NOON, p_alive=0.9, **values)
    texts = [decision.text for decision in list_predictions(anna.pk, NOON, 10)]
    assert texts == ["Stage as a customer: active", "Expected spend of the next 12 months: €100"]


def test_no_spend_is_shown_without_a_prediction_of_it() -> None:
    anna = make_customer("anna")
    make_profile(anna, stage="active", orders=3, computed_at=NOON, p_alive=0.9, expected_orders=2.5)
    assert [decision.text for decision in list_predictions(anna.pk, NOON, 10)] == ["Stage as a customer: active"]
