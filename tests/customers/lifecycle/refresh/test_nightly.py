"""Full refreshes: results, independence of later facts, idempotence, and failures."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F

from config.foundation.database import bulk_insert
from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.database.index_rebuild import rebuild_keys
from config.foundation.job_runs import INTERRUPTED_ERROR
from customers.identity.models import Customer, Identifier
from customers.lifecycle.facts.histories import read_histories, summarize_histories, to_microseconds
from customers.lifecycle.facts.order_facts import read_order_facts
from customers.lifecycle.models import CustomerProfile, LifecycleRun, StageRules, StageTransition
from customers.lifecycle.portrait.customer_profile import build_customer_profile, list_stage_changes
from customers.lifecycle.portrait.gap_summaries import summarize_customer_gaps
from customers.lifecycle.refresh.nightly import (
    REFRESH_LOCK,
    refresh_due_stages,
    refresh_outdated_scores,
    refresh_profiles,
    refresh_stages,
)
from customers.lifecycle.refresh.profile_updates import recount_order_counters
from customers.lifecycle.refresh.writer import write_stages
from customers.lifecycle.scoring.stages.derivation import derive_stages
from customers.lifecycle.stages.rules import activate_rules, list_threshold_versions
from customers.orders.models import Order, OrderLine
from customers.warehouse.engines.base import WarehouseEngineError
from customers.warehouse.engines.duckdb import DuckDBEngine
from customers.warehouse.export import export_warehouse
from tests.child_processes import kill_after_output, start_child
from tests.makers import NOON, make_customer, make_identifier, make_order, make_product, make_source
from tests.waiting import hold_lock_elsewhere

START = datetime(2025, 1, 1, 12, tzinfo=UTC)
AS_OF = START + timedelta(days=100)

RULES: dict[str, Any] = {
    "second_gap_days": 20,
    "median_gap_days": 10,
    "active_gap_days": 15,
    "dormant_gap_days": 30,
    "loyal_revenue": None,
}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def make_known_customer(user_id: str, *, since: float = 0, **fields: Any) -> Customer:
    """Return a customer who was known and identified since a day."""
    customer = make_customer(user_id, **fields)
    Customer.objects.filter(pk=customer.pk).update(created_at=day(since))
    customer.identifiers.update(created_at=day(since))
    return customer


def refresh(as_of: datetime = AS_OF, **more: Any) -> LifecycleRun:
    return refresh_profiles(as_of=as_of, started_at=as_of, **more)


def dump_rows() -> str:
    """Return all values that a refresh writes, except the runs, as text."""
    rows = [
        list(CustomerProfile.objects.order_by("customer_id").values_list()),
        list(StageTransition.objects.order_by("id").values_list()),
        list(StageRules.objects.order_by("id").values_list()),
    ]
    return json.dumps(rows, default=str)


def insert_event(user_id: str, at: datetime, *, session: str = "", anonymous: str = "") -> None:
    source = make_source()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at,"
            " session_id, product_ids, currency, properties, context, recommendation_id)"
            " VALUES (%s, md5(random()::text), 'track', 'Product Viewed', %s, %s, %s, %s, %s, '{}', '', '{}', '{}', '')",
            [source.pk, user_id, anonymous, at, at, session],
        )


@pytest.fixture
def shop(db: None) -> dict[str, Customer]:
    """Return a dozen customers, at least one in every stage."""
    activate_rules(**RULES)
    tea, cup = make_product("tea", category="Drinks > Tea", brand="Leaf"), make_product("cup", category="Kitchen")
    order_days: dict[str, list[float]] = {
        "new": [95],
        "active": [80, 95],
        "loyal": [55, 65, 75, 85, 95],
        "at-risk": [60, 75],
        "dormant": [40, 55],
        "churned": [1, 5],
        "reactivated": [10, 20, 95],
        "once": [30],
        "often": [50, 57, 63, 71, 77, 85, 92],
        "own-rhythm": [90, 92, 94, 96, 97],
    }
    customers = {name: make_known_customer(name) for name in order_days}
    for name, days in order_days.items():
        for number in days:
            make_order(customers[name], placed_at=day(number), products=[tea, cup] if number % 2 else [tea])
    customers["prospect"] = make_known_customer("prospect")
    customers["visitor"] = make_known_device()
    return customers


def make_known_device() -> Customer:
    """Return a visitor who is known by a device since the start."""
    customer = Customer.objects.create()
    make_identifier(customer, "device-1", kind="device_id")
    Customer.objects.filter(pk=customer.pk).update(created_at=START)
    return customer


@pytest.mark.django_db
def test_all_customers_have_the_stage_of_the_rules(shop: dict[str, Customer]) -> None:
    run = refresh()
    stages = {name: CustomerProfile.objects.get(customer=customer).stage for name, customer in shop.items()}
    assert stages == {
        "new": "new",
        "active": "active",
        "loyal": "loyal",
        "at-risk": "at_risk",
        "dormant": "dormant",
        "churned": "churned",
        "reactivated": "reactivated",
        "once": "churned",
        "often": "at_risk",  # gaps of six to eight days: the customer's own limits are 7.75 and 8
        "own-rhythm": "dormant",
        "prospect": "prospect",
        "visitor": "visitor",
    }
    assert run.status == LifecycleRun.Status.DONE
    assert run.counts["churned"] == 2
    assert (run.customers, run.quality["orders"]) == (12, Order.objects.count())
    assert run.transitions == StageTransition.objects.count()


@pytest.mark.django_db
def test_counters_of_a_customer_match_a_count_by_hand(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    activate_rules(**RULES)
    anna = make_known_customer("anna")
    tea = make_product("tea", category="Drinks > Tea", brand="Leaf", price=Decimal("10.00"))
    cup = make_product("cup", category="Kitchen", brand="Clay", price=Decimal("4.00"))
    first = make_order(anna, placed_at=day(0), products=[tea, tea, cup], discount=Decimal("1.00"))
    make_order(anna, placed_at=day(10), products=[tea], quantity=3, refunded=Decimal("5.00"), status="partly_refunded")
    make_order(anna, placed_at=day(40), products=[cup], status="refunded")
    make_order(anna, placed_at=day(41), products=[cup], status="cancelled")
    make_order(anna, placed_at=day(42), products=[cup], quantity=-1, kind="return")
    OrderLine.objects.filter(order=first, line_number=1).update(discount=Decimal("0.50"))
    insert_event("anna", day(20), session="s1")
    insert_event("anna", day(21), session="s1")
    insert_event("", day(22), session="s2", anonymous="browser-1")
    make_identifier(anna, "browser-1", kind="anonymous_id")
    refresh()
    profile = CustomerProfile.objects.get(customer=anna)
    assert (profile.orders, profile.returns) == (3, 1)
    assert profile.revenue == Decimal("24.00") + Decimal("25.00") + 0 - Decimal("4.00")
    assert profile.units == 3 + 3 + 1 - 1
    assert profile.discounts == Decimal("1.50")
    assert profile.average_order_value == Decimal("15.00"), "revenue ÷ orders"
    assert profile.average_gap_days == 20.0
    assert (profile.first_order_at, profile.last_order_at) == (day(0), day(40))
    assert (profile.events, profile.sessions, profile.last_event_at) == (3, 2, day(22))
    assert profile.favorite_categories == [["Drinks", 0.6], ["Drinks > Tea", 0.6], ["Kitchen", 0.4]]
    assert profile.favorite_brands == [["Leaf", 0.6], ["Clay", 0.4]]
    assert profile.favorite_hours == [[20, 1.0]]
    assert profile.computed_at == AS_OF


@pytest.mark.django_db
def test_the_next_order_is_dated_in_the_time_zone_of_the_shop(settings: Any) -> None:
    """Orders at one o'clock and a refresh at two: the dates are the same in every time zone."""
    settings.TIME_ZONE = "UTC"
    anna, names = make_known_customer("anna"), ("next_order_from", "next_order_likely", "next_order_to")
    for number in range(10):
        make_order(anna, placed_at=day(7 * number).replace(hour=1))
    night, ahead = day(64).replace(hour=2), timedelta(hours=8)
    refresh(night)
    dates = CustomerProfile.objects.values_list(*names).get(customer=anna)
    assert dates[0] is not None
    settings.TIME_ZONE = "Asia/Shanghai"
    Order.objects.update(placed_at=F("placed_at") - ahead)
    refresh(night - ahead)
    assert CustomerProfile.objects.values_list(*names).get(customer=anna) == dates
    CustomerProfile.objects.update(valued_at=None, next_order_likely=None)
    assert refresh_outdated_scores(as_of=night - ahead) == 1
    assert CustomerProfile.objects.values_list(*names).get(customer=anna) == dates


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Australia/Sydney", "Asia/Shanghai"])
def test_orders_of_one_day_of_the_shop_are_one_purchase_for_models_and_stages(settings: Any, zone: str) -> None:
    """By the days of UTC, two orders of one day would be a repeat in each of these zones, and orders around midnight would be none."""
    settings.TIME_ZONE = zone
    hours = {"America/Los_Angeles": (15, 17), "Australia/Sydney": (9, 12), "Asia/Shanghai": (7, 9)}[zone]
    for number in range(40):
        twice, night = make_known_customer(f"twice-{number}"), make_known_customer(f"night-{number}")
        for customer, times in ((twice, [(5, hour) for hour in hours]), (night, [(5, 23), (6, 0)])):
            for date, hour in times:
                make_order(customer, placed_at=datetime(2025, 2, date, hour, 30, tzinfo=ZoneInfo(zone)))
    run = refresh()
    assert run.rules is not None
    ids = list(Customer.objects.order_by("id").values_list("id", flat=True))
    for histories in (read_order_facts(as_of=AS_OF).histories, read_histories(as_of=AS_OF, customer_ids=ids)):
        assert summarize_histories(histories, as_of=AS_OF).x.tolist() == [0, 1] * 40
    # 40 gaps of one day and ten of the 30 days that are assumed before there are orders
    assert run.rules.gap_distribution["mean"] == pytest.approx(10 * np.log(30) / 50)
    gaps = summarize_customer_gaps(customer_ids=ids, as_of=AS_OF)
    assert [gaps[customer_id].own_gaps for customer_id in ids] == [0, 1] * 40


@pytest.mark.django_db
def test_scores_equal_ntile_in_the_database() -> None:
    rng = np.random.default_rng(3)
    activate_rules(**RULES)
    tea = make_product("tea")
    for number in range(37):
        customer = make_known_customer(f"customer-{number}")
        for number_of_order in rng.integers(0, 12, rng.integers(1, 5)):
            make_order(customer, placed_at=day(float(number_of_order)), products=[tea])
    refresh()
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT customer_id,
                      ntile(5) OVER (ORDER BY max(placed_at), min(placed_at), customer_id),
                      ntile(5) OVER (ORDER BY count(*), min(placed_at), customer_id),
                      ntile(5) OVER (ORDER BY sum(total), min(placed_at), customer_id)
               FROM orders_order GROUP BY customer_id ORDER BY customer_id"""
        )
        expected = cursor.fetchall()
    assert list(CustomerProfile.objects.order_by("customer_id").values_list("customer_id", "r", "f", "m")) == expected


@pytest.mark.django_db
def test_facts_after_as_of_change_nothing(shop: dict[str, Customer]) -> None:
    insert_event("active", day(50))
    refresh()
    before = dump_rows()
    tea = make_product("later-tea", category="Drinks > Tea")
    for customer in shop.values():
        make_order(customer, placed_at=AS_OF, products=[tea])
        make_order(customer, placed_at=day(130), products=[tea])
        make_order(customer, placed_at=day(131), products=[tea], quantity=-1, kind="return")
        make_order(customer, placed_at=day(132), products=[tea], status="cancelled")
        make_identifier(customer, f"later-{customer.pk}")
    make_order(make_known_customer("later", since=101), placed_at=day(120), products=[tea])
    make_known_customer("later-prospect", since=150)
    insert_event("active", AS_OF)
    insert_event("new", day(101))
    activate_rules(**RULES | {"active_gap_days": 1.0, "effective_from": day(101)})
    StageRules.objects.filter(version=2).delete()
    StageRules.objects.filter(version=1).update(is_active=True)
    refresh()
    assert dump_rows() == before


@pytest.mark.django_db
def test_a_later_refresh_uses_the_later_facts(shop: dict[str, Customer]) -> None:
    refresh()
    before = dump_rows()
    make_order(shop["churned"], placed_at=AS_OF)
    refresh(AS_OF + timedelta(microseconds=1))
    assert dump_rows() != before
    assert CustomerProfile.objects.get(customer=shop["churned"]).stage == "reactivated"


@pytest.mark.django_db
def test_a_refresh_as_of_an_earlier_time_restores_its_profiles(shop: dict[str, Customer]) -> None:
    def read_rows_without_ids() -> list[Any]:
        changes = StageTransition.objects.order_by("customer_id", "at").values_list(
            "customer_id", "from_stage", "to_stage", "at", "reason", "rules_id"
        )
        return [list(CustomerProfile.objects.order_by("customer_id").values_list()), list(changes)]

    refresh(day(60))
    earlier_rows = read_rows_without_ids()
    refresh()
    assert read_rows_without_ids() != earlier_rows
    refresh(day(60))
    assert read_rows_without_ids() == earlier_rows


@pytest.mark.django_db
def test_a_second_refresh_changes_nothing(
    shop: dict[str, Customer], settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does one with figures of an engine of the warehouse."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    refresh()
    before = dump_rows()
    export_warehouse(started_at=datetime.now(UTC))
    monkeypatch.setattr(DuckDBEngine, "runs_jobs", True)
    run = refresh()
    assert dump_rows() == before
    assert (run.quality["engine"], run.quality["engine_differing"]) == ("duckdb", 0)
    assert (run.transitions, run.quality["transitions_removed"]) == (0, 0)


@pytest.mark.django_db
def test_any_day_can_be_replayed_from_the_stored_stage_changes(shop: dict[str, Customer]) -> None:
    refresh()
    latest = StageTransition.objects.filter(at__lte=day(62)).order_by("customer_id", "-at").distinct("customer_id")
    replayed = dict(latest.values_list("customer_id", "to_stage"))
    refresh(day(62))
    assert dict(CustomerProfile.objects.values_list("customer_id", "stage")) == replayed


@pytest.mark.django_db
def test_a_canceled_order_does_not_count(shop: dict[str, Customer]) -> None:
    refresh()
    Order.objects.filter(customer=shop["reactivated"], placed_at=day(95)).update(status="cancelled")
    refresh()
    profile = CustomerProfile.objects.get(customer=shop["reactivated"])
    assert (profile.stage, profile.orders) == ("churned", 2)
    assert not StageTransition.objects.filter(customer=shop["reactivated"], to_stage="reactivated").exists()


@pytest.mark.django_db
def test_erased_customers_have_no_profile(shop: dict[str, Customer]) -> None:
    refresh()
    Customer.objects.filter(pk=shop["loyal"].pk).update(erased_at=AS_OF)
    refresh()
    assert not CustomerProfile.objects.filter(customer=shop["loyal"]).exists()
    assert not StageTransition.objects.filter(customer=shop["loyal"]).exists()


@pytest.mark.django_db
def test_the_first_refresh_measures_the_rules_and_later_ones_keep_them() -> None:
    for number in range(40):
        customer = make_known_customer(f"customer-{number}")
        for order in range(3):
            make_order(customer, placed_at=day(order * (number + 1)), total=Decimal(number))
    run = refresh(day(200))
    rules = StageRules.objects.get()
    assert run.rules == rules
    assert (rules.version, rules.measured_at, rules.effective_from) == (1, day(200), None)
    assert rules.second_gap_days == pytest.approx(20.5)
    assert rules.active_gap_days == pytest.approx(np.quantile([*range(1, 41)] * 2, 0.75))
    assert rules.loyal_revenue == Decimal("93.60")  # the 0.8 quantile of 0, 3, … 117
    make_order(make_known_customer("newcomer"), placed_at=day(201))
    assert refresh(day(300)).rules == rules


@pytest.mark.django_db
def test_measuring_again_creates_a_version_only_if_something_changed(shop: dict[str, Customer]) -> None:
    refresh()
    history = set(StageTransition.objects.values_list("customer_id", "at", "to_stage", "rules__version"))
    run = refresh(measure=True)
    assert run.rules is not None
    assert (run.rules.version, run.rules.effective_from, run.rules.is_active) == (2, AS_OF, True)
    assert StageRules.objects.filter(is_active=True).count() == 1
    assert history <= set(StageTransition.objects.values_list("customer_id", "at", "to_stage", "rules__version"))
    changed = StageTransition.objects.filter(rules__version=2)
    assert set(changed.values_list("at", "reason")) == {(AS_OF, "rules")}
    assert refresh(measure=True).rules == run.rules


@pytest.mark.django_db
def test_a_shop_without_orders_gets_the_default_rules() -> None:
    run = refresh()
    assert run.rules is not None
    assert (run.rules.median_gap_days, run.rules.dormant_gap_days, run.rules.loyal_revenue) == (30, 120, None)
    assert run.customers == 0


@pytest.mark.django_db
@pytest.mark.parametrize("hours", [5 * 24, 20 * 24, 61 * 24, 400 * 24])
def test_refreshing_due_stages_equals_a_full_refresh(shop: dict[str, Customer], hours: int) -> None:
    profile_columns = ("customer_id", "stage", "stage_since", "next_stage_change_at")
    change_columns = ("customer_id", "from_stage", "to_stage", "at", "reason")
    refresh()
    then = AS_OF + timedelta(hours=hours)
    assert refresh_due_stages(as_of=then) > 0
    assert refresh_due_stages(as_of=then) == 0
    by_time = (
        set(CustomerProfile.objects.values_list(*profile_columns)),
        set(StageTransition.objects.values_list(*change_columns)),
    )
    refresh(then)
    assert by_time == (
        set(CustomerProfile.objects.values_list(*profile_columns)),
        set(StageTransition.objects.values_list(*change_columns)),
    )


@pytest.mark.django_db
def test_refreshing_due_stages_changes_no_other_customers_and_columns(shop: dict[str, Customer]) -> None:
    refresh()
    due = CustomerProfile.objects.exclude(next_stage_change_at=None).earliest("next_stage_change_at")
    others = list(CustomerProfile.objects.exclude(pk=due.pk).order_by("pk").values())
    assert due.next_stage_change_at is not None
    assert refresh_due_stages(as_of=due.next_stage_change_at - timedelta(microseconds=1)) == 0
    assert refresh_due_stages(as_of=due.next_stage_change_at) == 1
    assert list(CustomerProfile.objects.exclude(pk=due.pk).order_by("pk").values()) == others
    updated = CustomerProfile.objects.get(pk=due.pk)
    assert updated.stage != due.stage
    assert (updated.computed_at, updated.orders, updated.rfm_group) == (due.computed_at, due.orders, due.rfm_group)


@pytest.mark.django_db
def test_an_order_changes_only_the_stage_of_its_customer(shop: dict[str, Customer]) -> None:
    refresh()
    make_order(shop["churned"], placed_at=day(101))
    assert refresh_stages(customer_ids=[shop["churned"].pk], as_of=day(101.5)) == 1
    assert CustomerProfile.objects.get(customer=shop["churned"]).stage == "reactivated"


@pytest.mark.django_db
def test_nothing_is_due_before_the_first_refresh() -> None:
    assert refresh_due_stages(as_of=AS_OF) == 0


@pytest.mark.django_db
def test_the_profile_has_stage_reason_and_interests(shop: dict[str, Customer]) -> None:
    refresh()
    profile = build_customer_profile(customer_id=shop["reactivated"].pk)
    assert profile is not None
    assert (profile["stage"]["key"], profile["stage"]["reason"], profile["stage"]["previous_stage"]) == (
        "reactivated",
        "returned",
        "churned",
    )
    assert profile["stage"]["since"] == day(95)
    assert profile["stage"]["next_change_at"] == day(105)
    assert profile["counters"]["orders"] == 3
    assert profile["interests"]["categories"][0] == {"name": "Drinks", "share": 0.75}
    assert build_customer_profile(customer_id=0) is None
    assert list_stage_changes(customer_id=shop["new"].pk)[0]["to_stage"] == "new"
    assert build_customer_profile(customer_id=shop["prospect"].pk)["rfm"] is None  # type: ignore[index]


@pytest.mark.django_db
def test_a_time_without_a_time_zone_is_rejected() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        refresh_profiles(as_of=datetime(2025, 1, 1), started_at=AS_OF)  # noqa: DTZ001
    assert not LifecycleRun.objects.exists()


@pytest.mark.django_db
def test_a_failed_run_stores_its_error_and_writes_nothing(shop: dict[str, Customer]) -> None:
    refresh()
    before = dump_rows()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE lifecycle_stagetransition RENAME TO hidden")
    make_order(shop["new"], placed_at=day(97))
    with pytest.raises(Exception, match="lifecycle_stagetransition"):
        refresh()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE hidden RENAME TO lifecycle_stagetransition")
    assert dump_rows() == before
    failed = LifecycleRun.objects.latest("id")
    assert failed.status == LifecycleRun.Status.FAILED
    assert "lifecycle_stagetransition" in failed.error


@pytest.mark.django_db
def test_the_command_parses_the_time_and_prints_the_counts(
    shop: dict[str, Customer], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("refresh_profiles", "--as-of", AS_OF.isoformat())
    assert "12 customers as of 2025-04-11 12:00 +0000 with stage rules v1" in capsys.readouterr().out
    with pytest.raises(CommandError, match="not a valid time"):
        call_command("refresh_profiles", "--as-of", "yesterday")


@pytest.mark.django_db(transaction=True)
def test_a_second_refresh_at_the_same_time_is_rejected() -> None:
    with hold_lock_elsewhere(REFRESH_LOCK):
        with pytest.raises(AlreadyRunningError, match="already running"):
            refresh()
        with pytest.raises(AlreadyRunningError):
            refresh_stages(customer_ids=[1], as_of=AS_OF)
    assert not LifecycleRun.objects.exists()


REFRESH_SCRIPT = """
import sys
from datetime import datetime
from customers.lifecycle.refresh.nightly import refresh_profiles
moment = datetime.fromisoformat(sys.stdin.readline().strip())
step = int(sys.stdin.readline())
def stop(done, total):
    if done == step:
        print("there", flush=True)
        sys.stdin.read()
refresh_profiles(as_of=moment, started_at=moment, progress=stop)
"""


@pytest.mark.acceptance
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", [3, 5])
def test_a_killed_refresh_leaves_the_old_profiles_and_does_not_affect_the_next_one(step: int) -> None:
    activate_rules(**RULES)
    tea = make_product("tea", category="Drinks > Tea")
    for number in range(1, 9):
        customer = make_known_customer(f"customer-{number}")
        for order in range(number):
            make_order(customer, placed_at=day(order * number), products=[tea])
    refresh(day(30))
    before = dump_rows()
    child = start_child(REFRESH_SCRIPT)
    assert child.stdin is not None
    child.stdin.write(f"{AS_OF.isoformat()}\n{step}\n")
    child.stdin.flush()
    kill_after_output(child, "there")
    assert dump_rows() == before
    killed_run = LifecycleRun.objects.latest("id")
    assert killed_run.status == LifecycleRun.Status.RUNNING
    refresh()
    killed_run.refresh_from_db()
    assert (killed_run.status, killed_run.error) == (LifecycleRun.Status.FAILED, INTERRUPTED_ERROR)
    after = [
        list(CustomerProfile.objects.order_by("customer_id").values_list()),
        set(StageTransition.objects.values_list("customer_id", "from_stage", "to_stage", "at", "reason")),
    ]
    CustomerProfile.objects.all().delete()
    StageTransition.objects.all().delete()
    refresh()
    assert after == [
        list(CustomerProfile.objects.order_by("customer_id").values_list()),
        set(StageTransition.objects.values_list("customer_id", "from_stage", "to_stage", "at", "reason")),
    ]


@pytest.mark.django_db
def test_customers_of_slow_categories_stay_active_longer() -> None:
    """Forty customers buy shoes every 100 days and forty buy tea every 10.

    ann and bob have the gaps of their category.
    """
    shoes, tea = make_product("shoes", category="Clothes > Shoes"), make_product("tea", category="Drinks > Tea")
    lace = make_product("lace", category="Drinks", price=Decimal(1))
    for number in range(40):
        for times in range(1, 4):
            make_order(
                get_or_make_customer(f"shoes-{number}"),
                placed_at=NOON - timedelta(days=100 * times),
                products=[shoes, lace],
            )
            make_order(
                get_or_make_customer(f"tea-{number}"), placed_at=NOON - timedelta(days=200 + 10 * times), products=[tea]
            )
    for name, product in {"ann": shoes, "bob": tea}.items():
        make_order(get_or_make_customer(name), placed_at=NOON - timedelta(days=60), products=[product])
    refresh_profiles(as_of=NOON, started_at=NOON)
    rules = StageRules.objects.get(is_active=True)
    assert rules.category_gaps == {"Clothes": [100, 100], "Drinks": [10, 10]}
    stages = {name: CustomerProfile.objects.get(customer=get_or_make_customer(name)).stage for name in ("ann", "bob")}
    assert stages == {"ann": "active", "bob": "churned"}


def get_or_make_customer(name: str) -> Customer:
    identifier = Identifier.objects.filter(kind="user_id", value=name).select_related("customer").first()
    return identifier.customer if identifier else make_customer(name)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [1, 2])
def test_counters_of_all_customers_equal_those_of_some_customers(settings: Any, seed: int) -> None:
    """The refresh counts in NumPy, live updates in SQL; histories and profiles are the same."""
    settings.TIME_ZONE = "Asia/Shanghai"
    rng = np.random.default_rng(seed)
    activate_rules(**RULES)
    categories = ["Drinks > Tea", "Drinks > Coffee", "Drinks", "厨房 > 杯", 'Odd "one" > \\x', ""]
    products = [
        make_product(f"p{number}", category=categories[number % len(categories)], brand=["Leaf", "", "Été"][number % 3])
        for number in range(14)
    ]
    customers = [make_known_customer(f"customer-{number}", since=float(rng.uniform(0, 120))) for number in range(25)]
    customers.append(make_known_device())
    for _order in range(120):
        kind = str(rng.choice(["sale", "sale", "sale", "return"]))
        make_order(
            customers[rng.integers(len(customers))],
            placed_at=day(float(rng.choice([rng.uniform(0, 130), rng.integers(0, 100)]))),
            products=[products[number] for number in rng.integers(0, len(products), rng.integers(0, 7))],
            kind=kind,
            status=str(rng.choice(["placed", "placed", "placed", "cancelled", "refunded"])),
            quantity=int(rng.integers(1, 4)) * (1 if kind == "sale" else -1),
            discount=Decimal(int(rng.integers(0, 500))) / 100,
        )
    for line in OrderLine.objects.filter(line_number__in=[2, 3]):
        values_of_line = {
            "quantity": rng.integers(-1, 3) / 2,
            "discount": rng.integers(0, 99) / 100,
            "total": rng.integers(-3, 9),
        }
        OrderLine.objects.filter(pk=line.pk).update(
            **{name: Decimal(str(value)) for name, value in values_of_line.items()}
        )
    Customer.objects.filter(pk=customers[3].pk).update(erased_at=AS_OF)
    refresh()
    rows_of_all = dump_rows()
    assert len(json.loads(rows_of_all)[0]) > 20
    ids = [customer.pk for customer in customers]
    histories_of_all, histories_of_some = (
        read_order_facts(as_of=AS_OF).histories,
        read_histories(as_of=AS_OF, customer_ids=ids),
    )
    for name in ("customer", "known_at", "identified_at", "start", "at", "amount", "is_order", "category"):
        assert getattr(histories_of_all, name).tolist() == getattr(histories_of_some, name).tolist(), name
    assert histories_of_all.categories == histories_of_some.categories
    with transaction.atomic():
        ids_with_profile = [customer.pk for customer in CustomerProfile.objects.only("pk")]
        CustomerProfile.objects.update(units=-1, revenue=-1, favorite_categories=[], favorite_hours=[], orders=0)
        recount_order_counters(ids_with_profile, as_of=AS_OF - timedelta(microseconds=1))
        # the recount found other orders than the profiles had, so their scores are outdated
        assert CustomerProfile.objects.filter(valued_at=None).update(valued_at=AS_OF) == len(ids_with_profile)
        write_stages(
            histories=histories_of_some,
            stage_histories=derive_stages(
                histories=histories_of_some, versions=list_threshold_versions(), as_of=to_microseconds(AS_OF)
            ),
        )
    assert dump_rows() == rows_of_all


BULK_WRITTEN_TABLES = ["lifecycle_customerprofile", "lifecycle_stagetransition"]


def read_bulk_written_keys() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ANY(%(tables)s::regclass[])"
            " UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%(tables)s) ORDER BY 1, 2",
            {"tables": BULK_WRITTEN_TABLES},
        )
        return cursor.fetchall()


@pytest.mark.django_db
def test_the_first_large_load_drops_the_keys_and_restores_them(
    shop: dict[str, Customer], monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh()
    before, keys = dump_rows(), read_bulk_written_keys()
    changes = list(StageTransition.objects.order_by("id").values_list("customer_id", "at", "to_stage", "reason"))
    StageTransition.objects.all().delete()
    CustomerProfile.objects.all().delete()
    monkeypatch.setattr(bulk_insert, "MIN_ROWS", 1)
    rebuilt_tables: list[str] = []

    @contextmanager
    def record_tables(cursor: Any, tables: list[str]) -> Iterator[bool]:
        rebuilt_tables.extend(tables)
        with rebuild_keys(cursor, tables) as are_dropped:
            yield are_dropped

    monkeypatch.setattr(bulk_insert, "rebuild_keys", record_tables)
    refresh()
    assert changes == list(
        StageTransition.objects.order_by("id").values_list("customer_id", "at", "to_stage", "reason")
    )
    assert read_bulk_written_keys() == keys
    assert rebuilt_tables == BULK_WRITTEN_TABLES
    after = dump_rows()
    assert json.loads(after)[0] == json.loads(before)[0]
    refresh()
    assert dump_rows() == after
    assert rebuilt_tables == BULK_WRITTEN_TABLES, "only when nothing was stored"


@pytest.mark.django_db
def test_a_refresh_whose_engine_is_away_fails_with_what_to_do(settings: Any) -> None:
    settings.WAREHOUSE_ENGINE, settings.SPARK_MASTER = "spark", "sc://127.0.0.1:9"
    with pytest.raises(WarehouseEngineError):
        refresh()
    run = LifecycleRun.objects.latest("id")
    assert (run.status, "spark" in run.error.lower()) == (LifecycleRun.Status.FAILED, True)
    assert "requirements/engines.txt" in run.error or "WAREHOUSE_ENGINE=duckdb" in run.error
