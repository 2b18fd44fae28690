from types import SimpleNamespace

import numpy as np
import pytest
from django.utils.translation import override

from recommendations.engine import KIND_CODES, Histories, IdMap, Interactions, Products
from recommendations.engine.algorithms.base import get_reason
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.pair_support.support import PairSupport, SupportLevel
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
            row,
            row,
            get_reason(source),
            SupportLevel.NONE,
            False,
            VIEW if row else PURCHASE,
            history=history,
            products=PRODUCTS,
            placement=placement,
            support=ReasonSupport(None, 5),
            language="en",
        )
    assert reason.product_ids == [PRODUCTS.product_ids[row]]
    return reason.text


@pytest.mark.parametrize("source", ["repeat", "repeat-rhythm", "repeat-ranker", "tifu-knn", "up-cf"])
def test_the_number_of_purchases_is_that_of_the_orders(source: str) -> None:
    assert get_text(0, source=source) == "You bought it 2 times"
    assert get_text(0, source=source, placement=BUY_AGAIN) == "You bought it 2 times and may need it again"


def test_a_product_that_was_only_viewed_was_not_bought() -> None:
    assert get_text(1, source="tifu-knn") == "You viewed it before"


@pytest.mark.parametrize(
    ("is_general", "kind", "people", "text"),
    [
        (True, PURCHASE, 9, "Popular with customers like you"),
        (
            True,
            PURCHASE,
            4,
            "Customers who buy gasoline also choose this",
        ),  # too few chose the product to call it popular
        (True, VIEW, 9, "Customers who buy gasoline also choose this"),  # the visitor showed interest in it just now
        (False, PURCHASE, 9, "Customers who buy gasoline also choose this"),
    ],
)
def test_what_is_bought_with_everything_is_no_reason(is_general: bool, kind: int, people: int, text: str) -> None:
    products = SimpleNamespace(product_ids=["gasoline", "eggs"], cards=[SimpleNamespace(title="gasoline"), None])
    model = SimpleNamespace(people=np.array([9, people]))
    with override("en"):
        reason = choose_reason(
            1,
            0,
            get_reason("user-knn"),
            SupportLevel.OFTEN,
            is_general,
            kind,
            history=Histories.of_lists([[0]], n_items=2, orders=[[1.0]], kinds=[[kind]]),
            products=products,
            placement=FOR_YOU,
            support=ReasonSupport(model, 5),
            language="en",
        )
    assert reason.text == text


def test_a_cause_is_general_if_enough_people_show_that_it_is_related_to_everything() -> None:
    pairs = make_csr(np.ones(3), [1, 2, 3], [0, 3, 3, 3, 3], (4, 4))
    support = PairSupport.of_arrays(
        pairs,
        {
            "orders": np.zeros(3, np.int32),
            "people": np.array([90, 90, 3], np.int32),
            "lift": np.array([1.2, 1.6, 1.2], np.float32),
        },
    )
    components = {"item-knn": SimpleNamespace(support_=support)}
    model = SimpleNamespace(blend=SimpleNamespace(components_=components), people=np.zeros(6, np.int32))
    # the first item of the history contributed a third of the score of each row, the others the same, but without pairs
    parts = np.zeros((1, 4, 3), np.float32)
    parts[0] = 1.0
    parts[0, 0] = 1.1
    history = Histories.of_lists([[0, 4, 5]], n_items=6)
    scored = SimpleNamespace(
        attribute_rows=lambda _rows: (parts, ["item-knn"], np.array([0, 4, 5, -1], np.int32)), history=history
    )
    causes = ReasonSupport(model, 5).find_row_causes(scored, np.array([1, 2, 3], np.int32), is_related=False)
    levels = [(causes.lines[number][3], bool(causes.lines[number][4])) for number in causes.numbers]
    assert levels == [(SupportLevel.OFTEN, True), (SupportLevel.OFTEN, False), (SupportLevel.SOME, False)]


def test_products_are_similar_by_content_or_by_enough_customers() -> None:
    interactions = Interactions.from_ids(user_ids=["a"], item_ids=["p0"], items=IdMap.of([f"p{n}" for n in range(4)]))
    texts = {"title": ["apple juice", "orange juice", "hair color", "white grapes"]}
    content = Content().fit(interactions, Products.of_columns(texts))
    pairs = make_csr(np.ones(2), [2, 3], [0, 2, 2, 2, 2], (4, 4))
    support = PairSupport.of_arrays(
        pairs,
        {"orders": np.array([2, 9], np.int32), "people": np.array([2, 9], np.int32), "lift": np.full(2, 3, np.float32)},
    )
    components = {"content": content, "item-knn": SimpleNamespace(support_=support)}
    reasons = ReasonSupport(SimpleNamespace(blend=SimpleNamespace(components_=components)), 5)
    rows, starts = np.array([1, 2, 3, 4], np.int32), np.array([0], np.int32)
    # two customers are too few for hair color, nine are enough for grapes; nobody knows a new product yet
    assert reasons.are_similar(rows, starts).tolist() == [True, False, True, True]
    components.pop("content")
    assert reasons.are_similar(rows, starts).all()
