"""Event names and their meanings."""

import pytest

from customers.events.event_taxonomy import EVENT_NAMES, MEANING_BY_NAME, Meaning, lookup_meaning


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("Product Viewed", Meaning.VIEW),
        ("Viewed Product", Meaning.VIEW),
        ("view_item", Meaning.VIEW),
        ("product viewed ", Meaning.VIEW),
        ("Product Added", Meaning.CART),
        ("Product Removed", Meaning.CART_REMOVAL),
        ("Product Added to Wishlist", Meaning.WISHLIST),
        ("Order Completed", Meaning.PURCHASE),
        ("Completed Order", Meaning.PURCHASE),
        ("purchase", Meaning.PURCHASE),
        ("Order Refunded", Meaning.REFUND),
        ("Lamp Rubbed", None),
        ("", None),
    ],
)
def test_event_name_has_its_meaning(name: str, meaning: Meaning | None) -> None:
    assert lookup_meaning(name) is meaning


def test_every_name_has_one_meaning() -> None:
    assert len(MEANING_BY_NAME) == sum(len(names) for names in EVENT_NAMES.values())
