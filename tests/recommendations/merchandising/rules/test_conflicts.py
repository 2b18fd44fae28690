"""Conflicts between rules, with a description of the outcome."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.utils import translation

from config.foundation.number_formats import format_money
from config.foundation.shop.profile import get_shop
from recommendations.merchandising.backoffice.rule_labels import describe_rule
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.conflicts import RuleConflict, find_conflicts
from tests.makers import NOON
from tests.recommendations.merchandising.ten_products import make_rule, make_ten_products

HOUR = timedelta(hours=1)


def find(*rules: Rule, **changes: Any) -> list[RuleConflict]:
    """Return the conflicts of rules; changes: columns of the ten products."""
    for number, rule in enumerate(rules, start=1):
        rule.pk = number
    return find_conflicts(rules=rules, columns=make_ten_products(**changes), now=NOON)


def find_single(*rules: Rule) -> RuleConflict:
    [conflict] = find(*rules)
    return conflict


def test_a_pin_and_a_hide_of_the_same_products() -> None:
    pin_loses = find_single(make_rule("pin", "p1 p2", name="A"), make_rule("hide", brand="Acme", name="B"))
    assert (pin_loses.kind, pin_loses.products, pin_loses.first.name) == ("pin-hidden", 2, "B")
    assert (
        pin_loses.text
        == "“A” pins 2 products that “B” hides. They are not shown, because the pin does not have a higher priority."
    )
    pin_wins = find_single(make_rule("pin", "p1", name="A", priority=1), make_rule("hide", brand="Acme", name="B"))
    assert pin_wins.text == "“A” pins 1 product that “B” hides. It is shown, because the pin has the higher priority."
    assert find(make_rule("pin", "p7"), make_rule("hide", brand="Acme")) == []


def test_two_pins_at_one_position() -> None:
    conflict = find_single(
        make_rule("pin", "p1 p2", name="A", position=2), make_rule("pin", "p3", name="B", position=3, priority=1)
    )
    assert conflict.kind == "same-place"
    assert conflict.text.startswith("“B” and “A” both pin to position 3. “B” takes it")
    assert find(make_rule("pin", "p1 p2", position=2), make_rule("pin", "p3", position=4)) == []


def test_one_product_in_two_pins() -> None:
    conflict = find_single(make_rule("pin", "p1", name="A", position=2), make_rule("pin", "p1", name="B", position=5))
    assert (conflict.kind, conflict.text) == (
        "same-product",
        "“A” and “B” pin the same product. It is shown at the position of “A”.",
    )


def test_two_only_rules_without_a_common_product() -> None:
    conflict = find_single(make_rule("only", category="Kitchen", name="A"), make_rule("only", brand="Bolt", name="B"))
    assert conflict.kind == "no-common-product"
    assert "“A” applies, and “B” is ignored" in conflict.text
    assert find(make_rule("only", category="Kitchen"), make_rule("only", tag="sale")) == []


def test_a_common_product_without_a_price_counts_only_in_search() -> None:
    price = np.array([10, np.nan, *range(30, 110, 10)])
    onlys = [make_rule("only", "p0 p1"), make_rule("only", "p1 p2")]
    assert find(*onlys) == []
    assert [conflict.kind for conflict in find(*onlys, price=price)] == ["no-common-product"]
    onlys[0].scenarios = ["search"]
    assert find(*onlys, price=price) == []
    onlys[0].scenarios, onlys[1].scenarios = ["search", "cart"], ["cart"]
    assert [conflict.kind for conflict in find(*onlys, price=price)] == ["no-common-product"]


def test_an_only_rule_and_a_pin_outside_it() -> None:
    conflict = find_single(make_rule("only", category="Kitchen", name="A"), make_rule("pin", "p1 p7", name="B"))
    assert (conflict.kind, conflict.products) == ("pin-outside", 1)
    assert "excludes. It is not shown" in conflict.text
    pin_wins = find_single(make_rule("only", category="Kitchen"), make_rule("pin", "p7", priority=1))
    assert "It is shown, because the pin has the higher priority" in pin_wins.text


def test_an_only_rule_whose_products_are_all_hidden() -> None:
    conflict = find_single(make_rule("only", "p1 p2 p8", name="A", priority=5), make_rule("hide", "p1 p2", name="B"))
    assert conflict.text == "“B” hides all products of “A”. “A” is ignored, so that the placement is not empty."
    assert find(make_rule("only", "p1 p2"), make_rule("hide", "p1")) == []


def test_boost_and_bury_of_the_same_products() -> None:
    conflict = find_single(
        make_rule("boost", "p1 p2", factor=3, name="A"), make_rule("bury", "p2 p3", factor=0.5, name="B")
    )
    assert conflict.products == 1
    assert conflict.text == "“A” and “B” boost and bury the same product. In total, its score is multiplied by 1.5."
    assert find(make_rule("boost", "p1", factor=3), make_rule("boost", "p1", factor=2)) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"scenarios": ["cart"]}, {"scenarios": ["search"]}),
        ({"starts_at": NOON + HOUR}, {"ends_at": NOON + HOUR}),
        ({"weekdays": [1, 2]}, {"weekdays": [3]}),
        ({"enabled": False}, {}),
        ({"ends_at": NOON}, {}),
    ],
)
def test_rules_that_never_apply_together_do_not_conflict(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert find(make_rule("pin", "p1", **first), make_rule("hide", "p1", **second)) == []
    assert len(find(make_rule("pin", "p1", segment_id=1), make_rule("hide", "p1", segment_id=2))) == 1


def test_a_rule_is_described_in_words() -> None:
    full = make_rule(
        "boost",
        factor=2,
        category="Kitchen",
        brand="Acme",
        margin_from=0.3,
        scenarios=["cart", "search"],
        weekdays=[6, 7],
    )
    assert describe_rule(full) == (
        "Multiplies the score of products in Kitchen and of the brand Acme and with a margin of at least 30% by 2; "
        "in: Goes with your cart, Search; on Saturday, Sunday."
    )
    assert (
        describe_rule(make_rule("pin", "a b c d e", position=3))
        == "Pins products with the ID a, b, c and 2 more from position 3."
    )
    with translation.override("zh-hans"):
        assert "Kitchen" in describe_rule(full)


@pytest.mark.django_db
def test_the_description_of_a_rule_has_prices_in_the_currency_of_the_shop() -> None:
    low, high = (format_money(price, get_shop().currency) for price in (1000, Decimal("2000.5")))
    priced = make_rule("hide", price_from=Decimal(1000), price_to=Decimal("2000.50"))
    assert describe_rule(priced) == f"Hides products at a price of {low} to {high}."
    assert low.endswith("1,000.00")
