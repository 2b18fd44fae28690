"""Customer pages are prepared when a web worker starts."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry

from customers.lifecycle.portrait import warm_up
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db


def test_it_computes_the_page_of_a_customer_with_orders_and_records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []

    def compute(*, customer_id: int, **_values: Any) -> None:
        computed.append(customer_id)

    monkeypatch.setattr(warm_up, "compute_active_history", compute)
    warm_up.warm_up_customer_pages()
    assert computed == [], "no customer has ordered"
    make_customer("visitor")
    anna = make_customer("anna")
    for days in (200, 3):
        make_order(anna, placed_at=NOON - timedelta(days=days))
    refresh_profiles(as_of=NOON, started_at=NOON)
    recorded = LogEntry.objects.count()
    warm_up.warm_up_customer_pages()
    assert computed == [anna.pk]
    assert LogEntry.objects.count() == recorded
