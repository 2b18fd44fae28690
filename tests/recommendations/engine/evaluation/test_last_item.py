"""The cut of several behaviours: the newest purchase is to be found, and nothing of that person gives it away."""

import pytest

from recommendations.engine import KIND_CODES, Interactions
from recommendations.engine.evaluation import leave_last_item_out
from recommendations.engine.evaluation.splits import EmptySplitError


def make_events(*events: tuple[str, str, str]) -> Interactions:
    """(user, item, kind), one a second."""
    users, items, kinds = zip(*events, strict=True)
    return Interactions.from_ids(user_ids=users, item_ids=items, kind=[KIND_CODES[kind] for kind in kinds])


def list_pairs(part: Interactions) -> list[tuple[str, str]]:
    return list(zip(part.users.ids(part.user), part.items.ids(part.item), strict=True))


def test_the_newest_purchase_goes_with_all_that_points_at_it():
    events = make_events(
        ("a", "x", "purchase"), ("a", "y", "view"), ("a", "y", "cart"), ("a", "y", "purchase"), ("a", "y", "view"),
        ("b", "y", "view"), ("b", "z", "purchase"), ("c", "x", "view"),
    )  # fmt: skip
    split = leave_last_item_out(events, kind="purchase")
    assert list_pairs(split.test) == [("a", "y"), ("b", "z")]
    assert list_pairs(split.train) == [("a", "x"), ("b", "y"), ("c", "x")]


def test_people_with_one_product_only_stay_in_train():
    events = make_events(("a", "x", "view"), ("a", "x", "purchase"), ("b", "x", "view"), ("b", "y", "purchase"))
    split = leave_last_item_out(events, kind="purchase")
    assert list_pairs(split.test) == [("b", "y")]
    assert list_pairs(split.train) == [("a", "x"), ("a", "x"), ("b", "x")]


def test_nothing_to_hold_out_is_refused():
    with pytest.raises(EmptySplitError, match="purchase"):
        leave_last_item_out(make_events(("a", "x", "view"), ("a", "y", "view")), kind="purchase")
    with pytest.raises(EmptySplitError, match="cart"):
        leave_last_item_out(make_events(("a", "x", "cart")), kind="cart")
