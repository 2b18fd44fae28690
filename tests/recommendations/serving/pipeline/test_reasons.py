from types import SimpleNamespace

import pytest
from django.utils.translation import override

from recommendations.engine import KIND_CODES, Histories
from recommendations.engine.online.ensemble_scorer import MainCause
from recommendations.engine.pair_support.support import SupportLevel
from recommendations.engine.placements import BUY_AGAIN, FOR_YOU
from recommendations.serving.pipeline.reasons import choose_reason
from recommendations.serving.state.reason_support import ReasonSupport

PRODUCTS = SimpleNamespace(product_ids=["milk", "soap"], cards=[None, None])
VIEW, PURCHASE = KIND_CODES["view"], KIND_CODES["purchase"]


def get_text(row: int, *, source: str, placement: str = FOR_YOU) -> str:
    """Return the reason for a product of a customer who bought milk in two orders, twice in the first, and viewed soap."""
    history = Histories.of_lists(
        [[0, 0, 0, 1]], n_items=2, orders=[[1.0, 1.0, 2.0, 3.0]], kinds=[[PURCHASE, PURCHASE, PURCHASE, VIEW]]
    )
    with override("en"):
        reason = choose_reason(
            row=row,
            cause=MainCause(row, source, 1.0),
            level=SupportLevel.NONE,
            history=history,
            products=PRODUCTS,
            placement=placement,
            support=ReasonSupport(None, 5),
        )
    assert reason.product_ids == [PRODUCTS.product_ids[row]]
    return reason.text


@pytest.mark.parametrize("source", ["repeat", "repeat-rhythm", "repeat-ranker", "tifu-knn", "up-cf"])
def test_the_number_of_purchases_is_that_of_the_orders(source: str) -> None:
    assert get_text(0, source=source) == "You bought it 2 times"
    assert get_text(0, source=source, placement=BUY_AGAIN) == "You bought it 2 times and may need it again"


def test_a_product_that_was_only_viewed_was_not_bought() -> None:
    assert get_text(1, source="tifu-knn") == "You viewed it recently"
