"""What flows wait for is captured where it happens: events, orders, stages, segments, products, scores and dates."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from catalog.upsert import upsert_products
from customers.identity.models import Customer
from customers.identity.personal_data.encrypted_field import encrypt
from customers.lifecycle.models import CustomerProfile, StageRules, StageTransition
from customers.segments.event_counts.counting import add_facts
from customers.segments.history import record_members
from customers.segments.membership import query_members
from recommendations.flows.capture.birthdays import find_birthdays, is_celebrated, parse_birthday
from recommendations.flows.capture.catalog import signal_published
from recommendations.flows.capture.matches import compare_due_matches
from recommendations.flows.execution.order_signals import find_latest_moment
from recommendations.flows.execution.reactions import process_signals
from recommendations.flows.models import FlowEntry, FlowMatch, FlowSignal
from recommendations.flows.publishing import (
    create_flow,
    get_current,
    pause_flow,
    publish_flow,
    resume_flow,
    save_draft,
)
from recommendations.flows.recipes.registry import RECIPES, create_flow_from_recipe
from recommendations.sending.models import Delivery
from tests.customers.processing.event_makers import process, product, send, track
from tests.makers import make_customer, make_order, make_product, make_profile, make_segment
from tests.recommendations.flows.makers import make_definition, make_live_flow, make_template, message, run, wait

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
STEPS = [wait("pause", days=30)]


@pytest.fixture
def now() -> datetime:
    """The database compares with its own clock what is too old to start a flow."""
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def root(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")


def list_entered(now: datetime) -> list[int]:
    """Return the customers inside flows after all signals were processed."""
    process_signals(now=now)
    return list(FlowEntry.objects.filter(status="active").order_by("customer_id").values_list("customer_id", flat=True))


def test_an_event_of_an_sdk_starts_a_flow_with_its_product_from_the_catalog(now: datetime) -> None:
    make_product("tea", title="Green tea")
    make_live_flow(
        STEPS,
        trigger={
            "kind": "event",
            "event": "add_to_cart",
            "where": [{"property": "price", "op": "at_least", "value": 10}],
        },
    )
    send(
        track("Product Added", product("tea", price="12.00"), userId="ada"),
        track("Product Added", product("tea", price="9.00"), userId="bob"),
        track("Product Viewed", product("tea", price="12.00"), userId="cy"),
        at=now,
    )
    process(at=now)
    assert FlowSignal.objects.count() == 2
    process_signals(now=now)
    entry = FlowEntry.objects.get()
    assert entry.event["product"]["title"] == "Green tea"
    assert entry.event["price"] == "12.00"


def test_without_a_live_flow_nothing_is_captured(now: datetime) -> None:
    create_flow(name="Draft", definition=make_definition(STEPS))
    customer = make_customer("ada")
    send(track("Product Added", product("tea")), at=now)
    process(at=now)
    make_order(customer, placed_at=now)
    make_product("new")
    assert not FlowSignal.objects.exists()


def test_an_order_ends_a_stay_whatever_wrote_it(now: datetime) -> None:
    customer, other = make_customer("ada"), make_customer("bob")
    make_live_flow(STEPS, goal={"kind": "event", "event": "order_placed"})
    send(
        track("Product Added", product("tea"), userId="ada"),
        track("Product Added", product("tea"), userId="bob"),
        at=now,
    )
    process(at=now)
    assert list_entered(now) == [customer.pk, other.pk]
    make_order(customer, placed_at=now + timedelta(seconds=1))
    assert list_entered(now) == [other.pk]


def test_the_products_of_an_order_are_in_the_messages_that_it_starts(now: datetime) -> None:
    tea, cup = make_product("tea", title="Green tea", price=10), make_product("cup", title="Cup", price=5)
    make_live_flow(STEPS, trigger={"kind": "event", "event": "order_placed"})
    order = make_order(make_customer("ada"), placed_at=now, products=[tea, cup, tea])
    process_signals(now=now)
    event = FlowEntry.objects.get().event
    assert [product["title"] for product in event["products"]] == ["Green tea", "Cup"]
    assert (event["product"]["title"], event["order_id"]) == ("Green tea", order.order_id)


def test_a_canceled_or_refunded_order_ends_the_flow_that_it_started(now: datetime) -> None:
    flow = make_live_flow(STEPS, trigger={"kind": "event", "event": "order_placed"})
    canceled, refunded, kept = (make_order(make_customer(name), placed_at=now) for name in ("ada", "bob", "cy"))
    run(now)
    for order, status in ((canceled, "cancelled"), (refunded, "refunded"), (kept, "partly_refunded")):
        order.status = status
        order.save()
    run(now + 31 * DAY)
    statuses = dict(flow.entries.values_list("customer_id", "status"))
    assert statuses[canceled.customer_id] == statuses[refunded.customer_id] == "exited"
    assert statuses[kept.customer_id] != "exited"


def test_an_order_before_its_cart_arrives_and_one_without_a_time_prevent_the_reminder(now: datetime) -> None:
    ordered, future, dated, other = (make_customer(name) for name in ("ada", "bob", "cy", "dee"))
    make_live_flow(STEPS, goal={"kind": "event", "event": "order_placed"})
    make_order(ordered, placed_at=now - timedelta(minutes=30))
    make_order(other, placed_at=now - timedelta(minutes=90))
    for name, at in (
        ("ada", now - HOUR),
        ("bob", now + 5 * HOUR),
        ("cy", now - timedelta(minutes=5)),
        ("dee", now - HOUR),
    ):
        send(track("Product Added", product("tea"), userId=name, timestamp=at.isoformat()), at=now)
    process(at=now)
    assert list_entered(now) == [future.pk, dated.pk, other.pk]
    make_order(future, placed_at=now + timedelta(seconds=1))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert find_latest_moment(midnight, received_at=now, zone=ZoneInfo("Asia/Tokyo")) == min(now, midnight + DAY)
    assert find_latest_moment(midnight + 2 * DAY, received_at=now, zone=ZoneInfo("Asia/Tokyo")) == now
    precise = midnight + timedelta(hours=1, seconds=5)
    assert find_latest_moment(precise, received_at=now + DAY, zone=ZoneInfo("Asia/Tokyo")) == precise
    make_order(dated, placed_at=(now - timedelta(minutes=5)).replace(second=0, microsecond=0))  # its minute only
    assert list_entered(now + timedelta(seconds=2)) == [other.pk]


def test_a_flow_for_first_orders_compares_the_number_of_orders_with_the_order(now: datetime) -> None:
    first, second = make_customer("ada"), make_customer("bob")
    make_order(second, placed_at=now - 30 * DAY)
    make_order(second, placed_at=now - 20 * DAY, status="cancelled")
    make_profile(second, orders=1)  # it does not contain the order that comes
    trigger = RECIPES["first-to-second-order"].build({"days": 10})["trigger"]
    make_live_flow(STEPS, trigger=trigger)
    make_order(first, placed_at=now)
    make_order(second, placed_at=now)
    assert list_entered(now) == [first.pk]
    assert FlowEntry.objects.get().event["order_count"] == 1


def test_a_canceled_order_counts_once_it_is_placed_after_all(now: datetime) -> None:
    customer = make_customer("ada")
    make_live_flow(STEPS, goal={"kind": "event", "event": "order_placed"})
    send(track("Product Added", product("tea"), userId="ada"), at=now)
    process(at=now)
    assert list_entered(now) == [customer.pk]
    order = make_order(customer, placed_at=now + timedelta(seconds=1), status="cancelled")  # the card was declined
    assert list_entered(now) == [customer.pk]
    order.status = "placed"
    order.save()
    assert list_entered(now + timedelta(seconds=2)) == []


def test_a_stage_change_starts_a_flow_once_even_if_it_is_derived_again(now: datetime) -> None:
    customer = make_customer()
    gaps = {"second_gap_days": 40, "median_gap_days": 20, "active_gap_days": 30, "dormant_gap_days": 60}
    rules = StageRules.objects.create(version=999, measured_at=now, **gaps)
    make_live_flow(STEPS, trigger={"kind": "stage", "to": ["dormant"], "from": ["at_risk"]}, reentry={"rule": "always"})

    def change(from_stage: str, at: datetime) -> None:
        StageTransition.objects.create(
            customer=customer, from_stage=from_stage, to_stage="dormant", at=at, reason="gap_dormant", rules=rules
        )

    change("active", now - timedelta(hours=2))
    assert list_entered(now) == []
    change("at_risk", now)
    assert list_entered(now) == [customer.pk]
    FlowEntry.objects.update(status="completed", triggered_at=now - DAY)
    StageTransition.objects.all().delete()
    change("at_risk", now)
    assert list_entered(now) == []


def test_what_happened_before_the_flow_was_published_or_resumed_does_not_start_it(now: datetime) -> None:
    flow = make_live_flow(STEPS, now=now - HOUR)
    pause_flow(flow=flow)
    resume_flow(flow=flow, now=now - HOUR / 2)
    ages = {"ada": 90, "bob": 45, "cy": 15}
    customers = {name: make_customer(name).pk for name in ages}
    for name, minutes in ages.items():
        at = (now - timedelta(minutes=minutes)).isoformat()
        send(track("Product Added", product("tea"), userId=name, timestamp=at), at=now)
    process(at=now)
    assert list_entered(now) == [customers["cy"]]


def test_the_first_order_starts_the_welcome_flow_of_which_another_one_is_the_goal(now: datetime) -> None:
    customer, minute = make_customer(), now.replace(second=0, microsecond=0)
    gaps = {"second_gap_days": 40, "median_gap_days": 20, "active_gap_days": 30, "dormant_gap_days": 60}
    rules = StageRules.objects.create(version=999, measured_at=now, **gaps)
    make_live_flow(
        STEPS, trigger={"kind": "stage", "to": ["new"], "from": []}, goal={"kind": "event", "event": "order_placed"}
    )
    make_order(customer, placed_at=minute)
    StageTransition.objects.create(
        customer=customer, from_stage="", to_stage="new", at=minute, reason="first_order", rules=rules
    )
    assert list_entered(now) == [customer.pk]


def test_customers_who_are_only_listed_start_no_flow_until_they_do_something(now: datetime) -> None:
    listed, visited, ordered = (make_customer() for _number in range(3))
    make_profile(visited, last_event_at=now)
    gaps = {"second_gap_days": 40, "median_gap_days": 20, "active_gap_days": 30, "dormant_gap_days": 60}
    rules = StageRules.objects.create(version=999, measured_at=now, **gaps)
    make_live_flow(STEPS, trigger={"kind": "stage", "to": ["prospect", "new"], "from": []})
    for customer, stage, reason in (
        (listed, "prospect", "identified"),
        (visited, "prospect", "identified"),
        (ordered, "new", "first_order"),
    ):
        StageTransition.objects.create(
            customer=customer, from_stage="", to_stage=stage, at=now, reason=reason, rules=rules
        )
    assert list_entered(now) == [visited.pk, ordered.pk]


def test_entering_and_leaving_a_segment_start_flows(now: datetime) -> None:
    segment = make_segment("loyal", {"field": "stage", "op": "in", "value": ["loyal"]})
    stays, comes = make_customer(), make_customer()
    make_profile(stays, stage="loyal")
    make_profile(comes, stage="new")
    entered = make_live_flow(STEPS, name="In", trigger={"kind": "segment", "segment": "loyal", "direction": "entered"})
    left = make_live_flow(STEPS, name="Out", trigger={"kind": "segment", "segment": "loyal", "direction": "left"})

    def evaluate() -> None:
        record_members(segment=segment, members=query_members(segment=segment, as_of=now), as_of=now)
        process_signals(now=now)

    evaluate()
    assert not FlowEntry.objects.exists()  # who is in it at the first evaluation has not entered
    CustomerProfile.objects.filter(pk=comes.pk).update(stage="loyal")
    evaluate()
    CustomerProfile.objects.filter(pk=comes.pk).update(stage="new")
    evaluate()
    assert list(entered.entries.values_list("customer_id", flat=True)) == [comes.pk]
    assert list(left.entries.values_list("customer_id", flat=True)) == [comes.pk]


def view(customer_id: int, product_id: str, at: datetime, meaning: str = "view") -> None:
    add_facts([(1, customer_id, meaning, at, [product_id])])


def test_a_price_drop_starts_the_flow_of_those_who_viewed_the_product_and_did_not_buy_it(now: datetime) -> None:
    make_product("tea", title="Green tea", price=10, category="Drinks > Tea")
    make_product("cup", price=10)
    viewer, buyer, old, other = (make_customer() for _number in range(4))
    view(viewer.pk, "tea", now - DAY)
    view(buyer.pk, "tea", now - 2 * DAY)
    view(buyer.pk, "tea", now - DAY, "purchase")
    view(old.pk, "tea", now - 90 * DAY)
    view(other.pk, "cup", now - DAY)
    trigger = {
        "kind": "catalog",
        "change": "price_drop",
        "percent": 10,
        "interest": ["viewed", "wishlisted"],
        "within_days": 30,
    }
    make_live_flow(STEPS, trigger=trigger)
    upsert_products(
        items=[{"product_id": "tea", "price": "9.50"}, {"product_id": "cup", "price": "12"}], at=now, currency="EUR"
    )
    assert list_entered(now) == []  # five percent are too little
    upsert_products(items=[{"product_id": "tea", "price": "8.00"}], at=now, currency="EUR")
    assert list_entered(now) == [viewer.pk]
    event = FlowEntry.objects.get().event
    assert (event["product"]["title"], event["product"]["price"], event["product"]["old_price"]) == (
        "Green tea",
        "8.00",
        "9.5",
    )


def test_who_bought_another_variant_is_not_told_of_a_lower_price(now: datetime) -> None:
    make_product("blue", price=10, parent_id="shirt")
    make_product("red", price=10, parent_id="shirt")
    viewer, buyer = make_customer(), make_customer()
    view(viewer.pk, "blue", now - 2 * DAY)
    view(buyer.pk, "blue", now - 2 * DAY)
    view(buyer.pk, "red", now - DAY, "purchase")
    trigger = {"kind": "catalog", "change": "price_drop", "percent": 10, "interest": ["viewed"], "within_days": 30}
    make_live_flow(STEPS, trigger=trigger)
    upsert_products(items=[{"product_id": "blue", "price": "8.00"}], at=now, currency="EUR")
    assert list_entered(now) == [viewer.pk]


def test_a_request_to_be_notified_is_answered_once(now: datetime) -> None:
    make_product("tea", availability="out_of_stock")
    ada = make_customer()
    view(ada.pk, "tea", now, "stock_request")
    stock = {"kind": "catalog", "change": "back_in_stock", "interest": ["requested"], "within_days": 30}
    flow = make_live_flow(STEPS, trigger=stock, reentry={"rule": "always"})

    def restock(at: datetime) -> int:
        upsert_products(items=[{"product_id": "tea", "availability": "out_of_stock"}], at=at, currency="EUR")
        upsert_products(items=[{"product_id": "tea", "availability": "in_stock"}], at=at, currency="EUR")
        FlowSignal.objects.update(occurrence=f"{at}", at=at)  # the transaction of the test has one time
        process_signals(now=at)
        flow.entries.filter(status="active").update(status="completed", finished_at=at)
        return flow.entries.count()

    assert [restock(now + timedelta(minutes=minutes)) for minutes in (1, 2)] == [1, 1]
    view(ada.pk, "tea", now + timedelta(seconds=150), "stock_request")  # asks again on the same day
    assert [restock(now + timedelta(minutes=minutes)) for minutes in (3, 4)] == [2, 2]


def test_back_in_stock_and_new_products_start_flows(now: datetime) -> None:
    make_product("tea", category="Drinks > Tea", availability="out_of_stock")
    waiting, fan = make_customer(), make_customer()
    view(waiting.pk, "tea", now, "wishlist")
    view(fan.pk, "tea", now, "purchase")
    stock = {"kind": "catalog", "change": "back_in_stock", "interest": ["wishlisted"], "within_days": 30}
    fresh = {"kind": "catalog", "change": "new_product", "interest": ["bought"], "within_days": 365}
    back = make_live_flow(STEPS, name="Back", trigger=stock)
    new = make_live_flow(STEPS, name="New", trigger=fresh)
    upsert_products(items=[{"product_id": "tea", "availability": "in_stock"}], at=now, currency="EUR")
    upsert_products(
        items=[{"product_id": "oolong", "title": "Oolong", "category": "Drinks > Tea"}], at=now, currency="EUR"
    )
    process_signals(now=now)
    assert list(back.entries.values_list("customer_id", flat=True)) == [waiting.pk]
    assert list(new.entries.values_list("customer_id", flat=True)) == [fan.pk]
    assert new.entries.get().event["product"]["title"] == "Oolong"


def test_a_product_is_new_when_customers_can_see_it_for_the_first_time(now: datetime) -> None:
    fan = make_customer()
    view(fan.pk, make_product("tea", category="Drinks > Tea").product_id, now, "purchase")
    fresh = {"kind": "catalog", "change": "new_product", "interest": ["bought"], "within_days": 365}
    make_live_flow(STEPS, trigger=fresh)
    soon = now + timedelta(hours=1)

    def write(product_id: str, **fields: Any) -> None:
        item = {"product_id": product_id, "title": product_id, "category": "Drinks > Tea", **fields}
        upsert_products(items=[item], at=now, currency="EUR")

    def take_signals() -> list[tuple[str, str]]:
        rows = sorted(FlowSignal.objects.filter(kind="catalog").values_list("product_id", "name"))
        FlowSignal.objects.all().delete()
        return rows

    write("later", published_at=soon.isoformat())
    write("sold-out", published_at=soon.isoformat(), stock=0)
    write("hidden", is_active=False)
    write("returning", is_active=False, published_at=(now - DAY).isoformat())
    make_product("draft", is_active=False, is_draft=True)
    write("draft", published_at=soon.isoformat())
    write("later", published_at=soon.isoformat(), price="5")
    assert (signal_published(now=now), take_signals()) == (0, [])
    write("hidden", is_active=True)
    write("returning", is_active=True)
    assert take_signals() == [("hidden", "new_product"), ("returning", "back_in_stock")]
    assert signal_published(now=soon) == 2
    assert list(FlowSignal.objects.values_list("product_id", "at").order_by("id")) == [("draft", soon), ("later", soon)]
    assert list_entered(soon) == [fan.pk]
    assert signal_published(now=soon) == 0
    write("later", published_at=(now - DAY).isoformat())
    assert ("later", "new_product") not in take_signals()
    write("preorder", availability="preorder", price="9")
    write("preorder", availability="preorder", price="7")
    assert take_signals() == [("preorder", "new_product"), ("preorder", "price_drop")]


def test_a_product_whose_publication_is_brought_forward_is_new_at_once(now: datetime) -> None:
    make_live_flow(
        STEPS, trigger={"kind": "catalog", "change": "new_product", "interest": ["bought"], "within_days": 9}
    )
    product = make_product("tea", published_at=now + DAY)
    assert not FlowSignal.objects.exists()
    product.published_at = now - DAY
    product.save()
    assert FlowSignal.objects.values_list("product_id", "name").get() == ("tea", "new_product")


def test_a_request_by_the_button_of_the_on_site_script_is_answered_when_the_product_is_back(now: datetime) -> None:
    make_product("tea", title="Green tea", availability="out_of_stock")
    make_template("back-in-stock")
    asked, viewer = make_customer("ada"), make_customer("bob")
    flow = create_flow_from_recipe(key="back-in-stock", now=now, by=None)
    publish_flow(flow=flow, now=now)
    only = {"kind": "catalog", "change": "back_in_stock", "interest": ["requested"], "within_days": 30}
    narrow = make_live_flow(STEPS, name="Only who asked", trigger=only)
    send(
        track("Back In Stock Requested", {"product_id": "tea"}, userId="ada"),
        track("Product Viewed", product("tea"), userId="bob"),
        at=now,
    )
    process(at=now)
    upsert_products(items=[{"product_id": "tea", "availability": "in_stock"}], at=now, currency="EUR")
    run(now)
    assert list(narrow.entries.values_list("customer_id", flat=True)) == [asked.pk]
    assert sorted(flow.entries.values_list("customer_id", flat=True)) == [asked.pk, viewer.pk]
    assert {delivery.event["product"]["title"] for delivery in Delivery.objects.all()} == {"Green tea"}


@pytest.mark.parametrize(
    ("trigger", "before", "after"),
    [
        ({"kind": "score", "score": "churn", "direction": "above", "value": 0.7}, {"churn": 0.5}, {"churn": 0.8}),
        ({"kind": "score", "score": "value", "direction": "below", "value": 100}, {"value": 150}, {"value": 50}),
        ({"kind": "date", "date": "last_order", "days": 60}, {"last_order_at": 10}, {"last_order_at": 60.5}),
    ],
)
def test_crossing_a_line_starts_a_flow_and_being_beyond_it_does_not(
    trigger: dict[str, Any], before: dict[str, Any], after: dict[str, Any], now: datetime
) -> None:
    def resolve(values: dict[str, Any]) -> dict[str, Any]:
        return {name: now - value * DAY if name.endswith("_at") else value for name, value in values.items()}

    crosses, beyond = make_customer(), make_customer()
    make_profile(crosses, **resolve(before))
    make_profile(beyond, **resolve(after))
    make_live_flow(STEPS, trigger=trigger)
    assert compare_due_matches(now=now) == 0
    CustomerProfile.objects.filter(pk=crosses.pk).update(**resolve(after))
    assert compare_due_matches(now=now) == 0  # compared just now
    later = now + timedelta(minutes=10)
    assert compare_due_matches(now=later, seconds=0) == 0  # no time was left
    assert compare_due_matches(now=later, seconds=3600) == 1
    assert compare_due_matches(now=later + timedelta(minutes=10)) == 0
    assert list_entered(later) == [crosses.pk]


@pytest.mark.parametrize("name", ["last_order", "next_order"])
def test_old_orders_that_are_imported_later_trigger_nobody(name: str, now: datetime) -> None:
    crosses, imported = make_customer(), make_customer()
    flow = make_live_flow(STEPS, trigger={"kind": "date", "date": name, "days": 30})
    assert compare_due_matches(now=now) == 0
    for customer, days in ((crosses, 30), (imported, 400)):
        reached = now - days * DAY
        make_profile(customer, last_order_at=reached, next_order_likely=reached.date())
    later = now + timedelta(minutes=10)
    assert compare_due_matches(now=later) == 1
    assert list_entered(later) == [crosses.pk]
    assert FlowMatch.objects.filter(flow=flow).count() == 2  # neither counts as new again
    assert compare_due_matches(now=later + timedelta(minutes=10)) == 0


@pytest.mark.parametrize("continues_by", ["resume", "publish"])
def test_who_crosses_a_line_during_a_pause_does_not_enter_after_it(continues_by: str, now: datetime) -> None:
    customers = [make_customer() for _number in range(3)]
    for customer in customers:
        make_profile(customer, churn=0.5)
    before, during, after = customers

    def cross(customer: Customer) -> None:
        CustomerProfile.objects.filter(pk=customer.pk).update(churn=0.8)

    flow = make_live_flow(STEPS, trigger={"kind": "score", "score": "churn", "direction": "above", "value": 0.7})
    assert compare_due_matches(now=now) == 0
    cross(before)
    assert compare_due_matches(now=now + timedelta(minutes=10)) == 1
    assert list_entered(now + timedelta(minutes=10)) == [before.pk]
    pause_flow(flow=flow)
    cross(during)
    now += 30 * DAY
    assert compare_due_matches(now=now) == 0
    if continues_by == "resume":
        resume_flow(flow=flow, now=now)
    else:
        version = get_current(flow)
        assert version is not None
        save_draft(flow=flow, definition=version.definition, by=None)
        publish_flow(flow=flow, now=now)
    assert compare_due_matches(now=now) == 0
    cross(after)
    assert compare_due_matches(now=now + timedelta(minutes=10)) == 1
    assert list_entered(now + timedelta(minutes=10)) == [before.pk, after.pk]


def test_birthdays_are_found_once_a_day_and_the_search_can_be_interrupted(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommendations.flows.capture.birthdays.BLOCK_SIZE", 2)
    today = now.date()
    # in a leap year, so that there is a birthday on every day
    children = [make_customer(birthday=f"2000-{today:%m-%d}") for _number in range(3)]
    make_customer(birthday=f"2000-{today + 40 * DAY:%m-%d}")
    make_customer()
    make_live_flow(STEPS, now=now - DAY, trigger={"kind": "date", "date": "birthday", "days": 0})
    assert find_birthdays(now=now, seconds=0) == 0
    assert find_birthdays(now=now, seconds=3600) == 3
    assert find_birthdays(now=now, seconds=3600) == 0
    assert list_entered(now) == [child.pk for child in children]


@pytest.mark.parametrize("continues_by", ["resume", "publish"])
def test_birthdays_of_the_day_of_publication_or_resumption_do_not_enter(continues_by: str, now: datetime) -> None:
    later = [now + number * DAY for number in range(4)]
    children = [make_customer(birthday=f"2000-{day:%m-%d}") for day in later]
    flow = make_live_flow(STEPS, now=now, trigger={"kind": "date", "date": "birthday", "days": 0})
    find_birthdays(now=now, seconds=3600)
    assert list_entered(now) == [children[1].pk]  # waits for its day
    pause_flow(flow=flow)
    if continues_by == "resume":
        resume_flow(flow=flow, now=later[2])
    else:
        version = get_current(flow)
        assert version is not None
        save_draft(flow=flow, definition=version.definition, by=None)
        publish_flow(flow=flow, now=later[2])
    find_birthdays(now=later[2], seconds=3600)
    assert list_entered(later[2]) == [children[1].pk, children[3].pk]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_birthday_wishes_are_sent_on_the_morning_of_the_birthday_of_the_customer(zone: str, settings: Any) -> None:
    settings.TIME_ZONE = zone
    shop_midnight = datetime(2026, 12, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    zones = ["Pacific/Auckland", "Asia/Shanghai", "Europe/Berlin", "America/Los_Angeles"]
    names = {make_customer(birthday="1990-12-02", traits={"time_zone": name}).pk: name for name in zones}
    make_template("birthday")
    flow = create_flow_from_recipe(key="birthday", now=shop_midnight, by=None)
    publish_flow(flow=flow, now=shop_midnight)
    for days in (0, 1):
        find_birthdays(now=shop_midnight + days * DAY + timedelta(minutes=1), seconds=3600)
        process_signals(now=shop_midnight + days * DAY + timedelta(minutes=1))
    while due := FlowEntry.objects.filter(step_key__in=("morning", "wishes")).order_by("due_at").first():
        run(due.due_at)
    sent = {delivery.customer_id: delivery.due_at for delivery in Delivery.objects.all()}
    assert sent == {pk: datetime(2026, 12, 2, 9, tzinfo=ZoneInfo(name)) for pk, name in names.items()}


@pytest.mark.parametrize(("day", "expected"), [("2027-02-28", True), ("2028-02-28", False), ("2028-02-29", True)])
def test_a_birthday_on_29_february_is_celebrated_every_year(day: str, expected: bool) -> None:
    assert is_celebrated(parse_birthday(encrypt("2000-02-29")), date.fromisoformat(day)) is expected


def test_the_filter_of_a_flow_is_checked_when_someone_enters(now: datetime) -> None:
    make_template()
    loyal, new = make_customer("ada"), make_customer("bob")
    make_profile(loyal, stage="loyal")
    make_profile(new, stage="new")
    make_live_flow([message("hello"), *STEPS], filter={"field": "stage", "op": "in", "value": ["loyal"]})
    send(
        track("Product Added", product("tea"), userId="ada"),
        track("Product Added", product("tea"), userId="bob"),
        at=now,
    )
    process(at=now)
    assert list_entered(now) == [loyal.pk]
