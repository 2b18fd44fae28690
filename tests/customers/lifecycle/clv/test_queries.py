"""The bins of the value histogram and the deciles."""

from decimal import Decimal
from typing import Any

import pytest

from customers.lifecycle.clv.queries import make_bin_edges, query_value_deciles, query_value_histogram
from customers.lifecycle.models import NextOrderReason

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("highest", "edges"),
    [
        (Decimal("0"), [0]),
        (Decimal("7.5"), [0, Decimal("0.01"), Decimal("0.02"), Decimal("0.05")]),
        (Decimal("2500"), [0, 10, 20, 50, 100]),
    ],
)
def test_histogram_bins_end_at_round_numbers(highest: Decimal, edges: list[Any]) -> None:
    bin_edges = make_bin_edges(highest)
    assert bin_edges[: len(edges)] == edges
    assert bin_edges[-1] <= highest


def test_without_values_there_are_no_histogram_bins(db: None) -> None:
    assert query_value_histogram() == []
    assert query_value_deciles() == []
    assert NextOrderReason.NEVER_ORDERED.label
