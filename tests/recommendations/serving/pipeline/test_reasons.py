from types import SimpleNamespace

import numpy as np
import pytest
from django.utils.translation import override

from recommendations.engine import KIND_CODES, Contribution, Histories, IdMap, Interactions, Products
from recommendations.engine.algorithms.base import get_reason
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.cold_start import LANDING, POPULARITY
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.pair_support.support import PairSupport, SupportLevel
from recommendations.engine.placements import BUY_AGAIN, FOR_YOU
from recommendations.serving.pipeline.reasons import choose_cold_start_reason, choose_reason
from recommendations.serving.state.product_index import ProductIndex
from recommendations.serving.state.reason_support import ReasonSupport, find_popular_count

PRODUCTS = SimpleNamespace(product_ids=["milk", "soap"], cards=[None, None])
VIEW, PURCHASE, RATING = KIND_CODES["view"], KIND_CODES["purchase"], KIND_CODES["rating"]


def get_text(row: int, *, source: str, placement: str = FOR_YOU, is_due: bool = False) -> str:
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
            is_due=is_due,
            support=ReasonSupport(None, 5),
            language="en",
        )
    assert reason.product_ids == [PRODUCTS.product_ids[row]]
    return reason.text


@pytest.mark.parametrize("source", ["repeat", "repeat-rhythm", "repeat-ranker", "tifu-knn", "up-cf"])
def test_the_number_of_purchases_is_that_of_the_orders(source: str) -> None:
    assert get_text(0, source=source) == "You bought it 2 times"
    assert get_text(0, source=source, placement=BUY_AGAIN) == "You bought it 2 times"
    assert get_text(0, source=source, placement=BUY_AGAIN, is_due=True) == "You bought it 2 times and may need it again"


def test_a_product_that_was_only_viewed_was_not_bought() -> None:
    assert get_text(1, source="tifu-knn") == "You viewed it before"


@pytest.mark.parametrize(
    ("kinds", "text", "own_text"),
    [
        ([RATING], "Because you rated milk", "You rated it before"),
        ([PURCHASE, RATING], "Because you bought milk", "You bought it before"),
        ([VIEW, RATING], "Because you rated milk", "You rated it before"),
    ],
)
def test_a_rating_without_a_purchase_is_no_purchase(kinds: list[int], text: str, own_text: str) -> None:
    products = SimpleNamespace(product_ids=["milk", "soap"], cards=[SimpleNamespace(title="milk"), None])
    history = Histories.of_lists(
        [[0] * len(kinds)], n_items=2, orders=[[1.0 + number for number in range(len(kinds))]], kinds=[kinds]
    )
    for row, expected in ((1, text), (0, own_text)):
        with override("en"):
            reason = choose_reason(
                row,
                0,
                get_reason("up-cf"),
                SupportLevel.NONE,
                False,
                RATING,
                is_due=False,
                history=history,
                products=products,
                placement=FOR_YOU,
                support=ReasonSupport(None, 5),
                language="en",
            )
        assert reason.text == expected


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
            is_due=False,
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


@pytest.mark.parametrize(
    ("people", "least"),
    [
        ([9, 8, 7, 6, 5], 9),
        ([9], 9),
        ([6, 6, 1], 6),
        ([5] * 100, np.inf),
        ([5] * 90 + [6] * 10, 6),
        ([5] * 60 + [6] * 42, np.inf),  # their mean place is behind the first fifth
        (range(1, 101), 81),
        ([], np.inf),
    ],
)
def test_the_first_fifth_of_a_category_is_popular_and_ties_have_the_mean_place(people: list[int], least: float) -> None:
    assert find_popular_count(np.array(people, np.int32)) == least


def test_a_product_that_few_of_its_category_chose_is_not_called_popular_in_it() -> None:
    paths = ["Kitchen > Kettles"] * 10 + ["Kitchen > Pans"] * 10 + ["Garden"]
    products = ProductIndex(IdMap.of([f"p{row:02d}" for row in range(21)]))
    for row, path in enumerate(paths):
        products.cards[row] = SimpleNamespace(category=path)
        products.category[row] = products.categories.setdefault(path, len(products.categories))
    model = SimpleNamespace(people=np.array([*range(29, 19, -1), *range(15, 5, -1), 90], np.int32))
    support = ReasonSupport(model, 5)

    def get_code(row: int, landing_path: str) -> str:
        parts = [Contribution(POPULARITY, -1, -6.0), Contribution(LANDING, -1, 0.5)]
        reason = choose_cold_start_reason(parts, row=row, landing_path=landing_path, products=products, support=support)
        return reason.code

    assert [get_code(row, "Kitchen > Kettles") for row in (0, 1, 2, 9)] == ["popular_in_category"] * 2 + ["popular"] * 2
    assert get_code(10, "Kitchen > Pans") == "popular_in_category"
    assert get_code(10, "Kitchen") == "popular", "best of the pans, but all kettles are chosen more often"
    assert [get_code(row, "Kitchen") for row in (3, 4)] == ["popular_in_category", "popular"]
    assert get_code(20, "Kitchen") == "popular", "in another category"
