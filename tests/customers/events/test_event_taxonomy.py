"""Event names and their meanings."""

import pytest

from customers.events.event_taxonomy import MEANINGS, NAMES, Meaning, meaning_of


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
def test_name_means(name: str, meaning: Meaning | None) -> None:
    assert meaning_of(name) is meaning


def test_no_name_means_two_things() -> None:
    assert len(MEANINGS) == sum(len(names) for names in NAMES.values())
