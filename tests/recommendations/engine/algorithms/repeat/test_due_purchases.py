from dataclasses import replace

import numpy as np

from recommendations.engine import Interactions
from recommendations.engine.algorithms.repeat.due_purchases import (
    DuePurchases,
    find_due_purchases,
    get_product_rhythms,
)
from recommendations.engine.algorithms.repeat.repeat_ranker import RepeatRanker
from recommendations.engine.data.weighting import DAY


def make_purchases() -> Interactions:
    """Each of four customers buys milk every 7 days and soap every 56, both last on day 168; ann buys a lamp once, on day 100."""
    rows = [
        (name, item, day)
        for name in ("ann", "ben", "cem", "dora")
        for item, gap in (("milk", 7), ("soap", 56))
        for day in range(0, 169, gap)
    ]
    rows.append(("ann", "lamp", 100))
    users, items, days = zip(*rows, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, order=np.array(days) * DAY, as_of=168 * DAY)


def find_at(day: float) -> tuple[set[str], set[str]]:
    """Return the products of ann that may be due on that day, and those that are due."""
    interactions = make_purchases()
    usual = get_product_rhythms({"repeat-ranker": RepeatRanker().fit(interactions)}, interactions.n_items)
    histories = replace(interactions.build_histories(np.array([0])), as_of=day * DAY)
    purchases = find_due_purchases(histories, usual)
    shown, due = purchases.item[purchases.may_be_due], purchases.item[purchases.is_due]
    return set(interactions.items.get_ids(shown.tolist())), set(interactions.items.get_ids(due.tolist()))


def test_what_was_just_bought_is_not_due_however_soon_the_customer_needs_it_again() -> None:
    assert find_at(168 + 10 / 1440)[0] == {"lamp"}


def test_a_weekly_product_is_due_after_a_week_and_one_of_eight_weeks_after_eight() -> None:
    after_a_week, due_after_a_week = find_at(168 + 7)
    assert ("milk" in after_a_week, "soap" in after_a_week) == (True, False)
    assert ("milk" in due_after_a_week, "soap" in due_after_a_week) == (True, False)
    after_eight_weeks, due_after_eight_weeks = find_at(168 + 56)
    assert {"milk", "soap"} <= after_eight_weeks & due_after_eight_weeks


def test_a_product_that_is_early_may_be_due_without_being_due() -> None:
    """Five weeks are short for a gap of eight, but some customers buy that early."""
    shown, due = find_at(168 + 40)
    assert "soap" in shown
    assert "soap" not in due


def test_a_model_without_usual_gaps_leaves_out_what_was_bought_today() -> None:
    interactions = make_purchases()
    usual = get_product_rhythms({}, interactions.n_items)
    histories = interactions.build_histories(np.array([0]))
    now = find_due_purchases(replace(histories, as_of=168.5 * DAY), usual)
    later = find_due_purchases(replace(histories, as_of=300 * DAY), usual)
    assert (int(now.may_be_due.sum()), int(later.may_be_due.sum())) == (1, 3)


def test_the_matrix_has_the_products_of_each_customer_that_may_be_due() -> None:
    flags = np.array([True, False, True])
    purchases = DuePurchases(np.array([0, 0, 2]), np.array([1, 3, 0]), flags, flags)
    assert purchases.build_matrix(3, 4).toarray().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
