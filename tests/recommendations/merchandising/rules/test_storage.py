"""Constraints of the database, and the fingerprint by which a worker knows that its rule book is outdated."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from pytest_django import DjangoAssertNumQueries

from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.storage import load_rules, read_rules_fingerprint
from tests.makers import NOON, make_segment

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
GOOD: dict[str, Any] = {"name": "Kettles", "action": "hide", "category": "Kitchen > Kettles"}
PIN: dict[str, Any] = {"name": "Kettles", "action": "pin", "product_ids": ["a"], "position": 1}

# fields of an invalid rule, the field with the error, a part of the error text
INVALID: list[tuple[dict[str, Any], str, str]] = [
    ({**PIN, "position": None}, "position", "requires a position"),
    ({**PIN, "position": 0}, "position", "0 is not a valid position"),
    ({**PIN, "position": 101}, "position", "1 to 100"),
    ({**PIN, "product_ids": [], "tag": "x"}, "product_ids", "requires product IDs"),
    ({**PIN, "factor": 2}, "factor", "Only boost and bury"),
    ({**GOOD, "position": 1}, "position", "Only a pin"),
    ({**GOOD, "action": "boost"}, "factor", "from 1.01 to 100"),
    ({**GOOD, "action": "boost", "factor": Decimal(1)}, "factor", "from 1.01 to 100"),
    ({**GOOD, "action": "boost", "factor": Decimal("100.01")}, "factor", "from 1.01 to 100"),
    ({**GOOD, "action": "bury", "factor": Decimal(1)}, "factor", "from 0.01 to 0.99"),
    ({**GOOD, "action": "bury", "factor": Decimal(0)}, "factor", "from 0.01 to 0.99"),
    ({**GOOD, "category": ""}, "category", "Choose products by"),
    ({**GOOD, "scenarios": ["home"]}, "scenarios", "'home'"),
    ({**GOOD, "weekdays": [8]}, "weekdays", "8 is not a weekday"),
    ({**GOOD, "attribute_name": "color"}, "attribute_value", "Enter the value"),
    ({**GOOD, "attribute_value": "blue"}, "attribute_name", "'blue'"),
    ({**GOOD, "price_from": Decimal(5), "price_to": Decimal(4)}, "price_from", "price 5 is greater than the maximum 4"),
    (
        {**GOOD, "margin_from": Decimal("0.5"), "margin_to": Decimal("0.4")},
        "margin_from",
        "margin 0.5 is greater than the maximum 0.4",
    ),
    ({**GOOD, "stock_from": 5, "stock_to": 4}, "stock_from", "stock 5 is greater than the maximum 4"),
    ({**GOOD, "starts_at": NOON, "ends_at": NOON}, "ends_at", "end is before the start"),
]


@pytest.mark.parametrize(("fields", "field", "text"), INVALID)
def test_an_invalid_rule_is_rejected_by_field_and_by_the_database(
    fields: dict[str, Any], field: str, text: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Rule(**fields).full_clean()
    assert any(text in message for message in caught.value.message_dict[field]), caught.value.message_dict
    with pytest.raises(IntegrityError), transaction.atomic():
        Rule.objects.create(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        GOOD,
        PIN,
        {**GOOD, "action": "boost", "factor": Decimal("1.01")},
        {**GOOD, "action": "bury", "factor": Decimal("0.99")},
        {
            "name": "Expensive",
            "action": "only",
            "price_from": Decimal(0),
            "scenarios": ["cart", "search"],
            "weekdays": [1, 7],
        },
        {"name": "Lossy", "action": "bury", "factor": Decimal("0.5"), "margin_to": Decimal("-1.5")},
        {**GOOD, "starts_at": NOON, "ends_at": NOON + HOUR, "new_within_days": 7},
    ],
)
def test_a_valid_rule_is_saved(fields: dict[str, Any]) -> None:
    rule = Rule(**fields)
    rule.full_clean()
    rule.save()
    assert Rule.objects.get() == rule


def test_enabled_rules_are_loaded_in_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    Rule.objects.create(**GOOD, priority=1)
    Rule.objects.create(**PIN, priority=5)
    Rule.objects.create(**GOOD, enabled=False)
    with django_assert_num_queries(1):
        assert [rule.priority for rule in load_rules()] == [5, 1]


def test_the_fingerprint_changes_with_every_change_of_a_rule(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    fingerprints = [read_rules_fingerprint(now=NOON)]
    assert fingerprints == [""]
    rule = Rule.objects.create(**GOOD)
    with django_assert_num_queries(1):
        fingerprints.append(read_rules_fingerprint(now=NOON))
    assert read_rules_fingerprint(now=NOON + HOUR) == fingerprints[-1]
    for change in ({"priority": 3}, {"name": "Others"}, {"category": "Kitchen"}, {"scenarios": ["cart"]}):
        Rule.objects.filter(pk=rule.pk).update(**change)
        fingerprints.append(read_rules_fingerprint(now=NOON))
    Rule.objects.create(**PIN)
    fingerprints.append(read_rules_fingerprint(now=NOON))
    assert len(set(fingerprints)) == len(fingerprints)
    Rule.objects.filter(pk=rule.pk).update(enabled=False)
    switched_off = read_rules_fingerprint(now=NOON)
    assert switched_off not in fingerprints
    Rule.objects.filter(pk=rule.pk).update(name="A disabled rule")
    assert read_rules_fingerprint(now=NOON) == switched_off
    Rule.objects.filter(enabled=True).delete()
    assert read_rules_fingerprint(now=NOON) == ""
    assert read_rules_fingerprint() == ""


def test_the_fingerprint_changes_when_a_window_opens_or_closes() -> None:
    Rule.objects.create(**GOOD, starts_at=NOON, ends_at=NOON + HOUR)
    before, during, after = (
        read_rules_fingerprint(now=NOON - HOUR),
        read_rules_fingerprint(now=NOON),
        read_rules_fingerprint(now=NOON + HOUR),
    )
    assert before != during != after
    assert read_rules_fingerprint(now=NOON + HOUR / 2) == during
    assert before == after


def test_the_fingerprint_depends_on_the_weekday_in_the_shop_and_the_age_of_products(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    weekly = Rule.objects.create(**GOOD, weekdays=[2])
    assert read_rules_fingerprint(now=NOON + 4 * HOUR) != read_rules_fingerprint(
        now=NOON + 4 * HOUR - timedelta(seconds=1)
    )
    assert read_rules_fingerprint(now=NOON) == read_rules_fingerprint(now=NOON + HOUR)
    weekly.delete()
    Rule.objects.create(**GOOD, new_within_days=3)
    assert read_rules_fingerprint(now=NOON) != read_rules_fingerprint(now=NOON + HOUR)


def test_a_segment_used_by_a_rule_cannot_be_deleted() -> None:
    segment = make_segment("loyal")
    Rule.objects.create(**GOOD, segment=segment)
    with pytest.raises(ProtectedError):
        segment.delete()
