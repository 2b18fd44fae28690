"""Rules measured or edited in an earlier release, and the alert when orders are missing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from customers.lifecycle.models import LifecycleRun, StageRules, StageTransition
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.stages.rules import activate_rules, get_active_rules
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db

QUANTILES: dict[str, Any] = {
    "second_gap_days": 20,
    "median_gap_days": 10,
    "active_gap_days": 15,
    "dormant_gap_days": 30,
    "loyal_revenue": None,
}


def days_ago(number: float) -> datetime:
    return NOON - timedelta(days=number)


def refresh(as_of: datetime = NOON, **more: Any) -> LifecycleRun:
    return refresh_profiles(as_of=as_of, started_at=as_of, **more)


def test_the_home_page_says_that_data_is_missing(admin_client: Client) -> None:
    activate_rules(**QUANTILES, order_gap_days=2.0)
    make_order(make_customer("ann"), placed_at=days_ago(30))
    text = admin_client.get("/admin/").content.decode()
    assert "Data is missing: the shop has had no order since Oct 25, 2026" in text
    StageRules.objects.update(order_gap_days=None)
    assert "Data is missing" not in admin_client.get("/admin/").content.decode()


def test_measured_rules_of_an_earlier_release_are_replaced_and_keep_their_past() -> None:
    old = activate_rules(**QUANTILES, measured_at=days_ago(50), loyal_orders=7)
    ann = make_customer("ann")
    for ago in (100, 90, 80, 20):
        make_order(ann, placed_at=days_ago(ago))
    first = refresh()
    new = get_active_rules()
    assert new is not None
    assert (first.rules, new.version, new.method, new.loyal_orders) == (new, 2, StageRules.Method.FALSE_ALARMS, 7)
    assert new.effective_from == NOON
    old.refresh_from_db()
    assert (old.method, old.is_active) == (StageRules.Method.QUANTILES, False)
    changes = StageTransition.objects.filter(customer=ann, at__lt=NOON)
    assert set(changes.values_list("rules__version", flat=True)) == {1}
    assert changes.filter(reason="gap_dormant").exists()
    assert refresh(NOON + timedelta(days=1)).rules == new


def test_measured_rules_are_replaced_if_their_days_are_not_those_of_the_shop(settings: Any) -> None:
    """Rules of earlier releases counted the days of UTC; a change of the time zone changes the days, too."""
    ann = make_customer("ann")
    for ago in (100, 90, 80, 20):
        make_order(ann, placed_at=days_ago(ago))
    rules = activate_rules(**QUANTILES, method=StageRules.Method.FALSE_ALARMS, measured_at=days_ago(50), loyal_orders=7)
    assert refresh().rules == rules
    settings.TIME_ZONE = "America/Los_Angeles"
    new = refresh(NOON + timedelta(days=1)).rules
    assert new is not None
    assert (new.version, new.time_zone, new.loyal_orders) == (2, "America/Los_Angeles", 7)
    assert new.effective_from == NOON + timedelta(days=1)
    assert refresh(NOON + timedelta(days=2)).rules == new
    StageRules.objects.update(measured_at=None)
    settings.TIME_ZONE = "Asia/Shanghai"
    assert refresh(NOON + timedelta(days=3)).rules == new


def test_edited_rules_of_an_earlier_release_stay_until_they_are_measured() -> None:
    rules = activate_rules(**QUANTILES)
    assert refresh().rules == rules
    assert refresh(measure=True).rules != rules
    assert StageRules.objects.get(is_active=True).method == StageRules.Method.FALSE_ALARMS
