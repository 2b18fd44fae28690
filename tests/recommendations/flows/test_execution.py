"""Flows on the real database: who enters, what each gets, and when."""

import re
from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client

from config.foundation.shop.profile import get_time_zone
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from customers.identity.signals import customer_erased
from customers.lifecycle.models import CustomerProfile
from customers.segments.models import Segment
from recommendations.campaigns.backoffice.delivery_panel import list_deliveries
from recommendations.flows.capture.event_names import normalize_event
from recommendations.flows.execution.actions import ACTIONS
from recommendations.flows.maintenance import finish_ending_flows
from recommendations.flows.models import Flow, FlowEntry, FlowListener, FlowSignal, FlowStepCount, FlowStepRun
from recommendations.flows.publishing import (
    create_flow,
    end_flow,
    pause_flow,
    publish_flow,
    resume_flow,
    save_draft,
)
from recommendations.flows.queued_messages import hold_returned_messages
from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.coupons.pools import add_codes
from recommendations.messaging.models import CouponCode, CouponPool
from recommendations.sending.models import Delivery, OutboxMessage
from recommendations.sending.sender import send_due
from recommendations.webhooks.models import WebhookEndpoint, WebhookNotification
from tests.makers import make_consent, make_customer, make_product, make_profile
from tests.recommendations.flows.makers import (
    NOON,
    list_messages,
    list_statuses,
    make_definition,
    make_live_flow,
    make_template,
    message,
    run,
    signal,
    wait,
)
from tests.recommendations.messaging.makers import make_source
from tests.recommendations.messaging.makers import make_template as make_message_template

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def test_a_trigger_leads_through_a_wait_to_one_message_at_its_time() -> None:
    version = make_template()
    customer = make_customer()
    flow = make_live_flow([wait("pause", hours=2), message("hello")])
    signal(customer.pk, properties={"coupon": "TEA"})
    run(NOON)
    run(NOON + HOUR)
    assert list_messages(flow) == []
    run(NOON + 2 * HOUR)
    run(NOON + 3 * HOUR)
    delivery = Delivery.objects.get()
    assert (delivery.customer_id, delivery.template_version_id, delivery.channel) == (customer.pk, version.pk, "email")
    assert delivery.event == {"coupon": "TEA"}
    assert delivery.due_at == NOON + 2 * HOUR
    assert list_statuses(flow) == ["completed"]
    assert not FlowSignal.objects.exists()


def test_links_of_a_flows_email_name_the_flow(client: Client, valkey: Any, settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost"
    make_message_template(make_source('<mj-button href="https://shop.example/sale?size=m">Buy now</mj-button>'))
    flow = make_live_flow([message("hello", "news")], name="Win back")
    customer = make_customer("u1", email="ann@shop.example")
    make_consent(customer)
    signal(customer.pk)
    run(NOON)
    send_due(now=NOON)
    [path] = re.findall(r"http://localhost(/m/c/[^\"]+)", OutboxMessage.objects.get().html)
    target = urlsplit(client.get(path)["Location"])
    assert (target.netloc, target.path) == ("shop.example", "/sale")
    assert dict(parse_qsl(target.query)) == {
        "size": "m",
        "utm_source": "perennial",
        "utm_medium": "email",
        "utm_campaign": flow.key,
        "utm_content": "Buy now",
    }


def test_two_triggers_in_one_second_enter_once() -> None:
    make_template()
    customer = make_customer()
    flow = make_live_flow([message("hello")])
    signal(customer.pk)
    run(NOON)
    signal(customer.pk, at=NOON + timedelta(milliseconds=400))
    signal(customer.pk, at=NOON + timedelta(milliseconds=900))
    run(NOON)
    assert len(list_messages(flow)) == 1


def test_branches_splits_and_actions_are_executed_for_those_who_take_them() -> None:
    make_template("thanks")
    segment = Segment.objects.create(key="picked", name="Picked", kind="static")
    customers = [make_customer(pk=10**12 + number) for number in range(20)]  # the split depends on it
    for number, customer in enumerate(customers):
        make_profile(customer, stage="loyal" if number < 5 else "new")
    flow = make_live_flow(
        [
            {
                "key": "loyal",
                "kind": "branch",
                "condition": {"field": "stage", "op": "in", "value": ["loyal"]},
                "branches": {
                    "yes": [message("thanks", "thanks"), {"key": "tag", "kind": "add_tag", "tag": "vip"}],
                    "no": [
                        {
                            "key": "test",
                            "kind": "split",
                            "weights": {"a": 1, "b": 1},
                            "branches": {
                                "a": [{"key": "pick", "kind": "add_to_segment", "segment": "picked"}],
                                "b": [{"key": "stop", "kind": "exit"}],
                            },
                        }
                    ],
                },
            },
            {"key": "trait", "kind": "set_trait", "trait": "seen", "value": 1},
        ]
    )
    Flow.objects.update(salt="salt")
    for customer in customers:
        signal(customer.pk)
    run(NOON)
    assert [customer_id for customer_id, _at in list_messages(flow)] == [customer.pk for customer in customers[:5]]
    traits = dict(Customer.objects.values_list("pk", "traits"))
    assert [traits[customer.pk] for customer in customers[:5]] == [{"tags": ["vip"], "seen": 1}] * 5
    picked = set(segment.members.values_list("customer_id", flat=True))
    seen = {pk for pk, values in traits.items() if "seen" in values}
    assert 0 < len(picked) < 15
    assert seen == picked | {customer.pk for customer in customers[:5]}
    assert set(list_statuses(flow)) == {"completed"}
    counts = read_counts(flow)
    assert counts["", "entered"] == counts["", "completed"] == 20
    assert (counts["loyal", "arrived"], counts["loyal", "yes"], counts["loyal", "no"]) == (20, 5, 15)
    assert counts["test", "a"] == len(picked)


def read_counts(flow: Flow) -> Counter[tuple[str, str]]:
    rows = FlowStepCount.objects.filter(version__flow=flow).values_list("step_key", "outcome", "count")
    return Counter({(step, outcome): count for step, outcome, count in rows})


WAIT_FOR_ORDER = {
    "key": "order",
    "kind": "wait_event",
    "event": "order_placed",
    "timeout": {"days": 1},
    "branches": {"timeout": [message("hello")], "event": [{"key": "tag", "kind": "add_tag", "tag": "buyer"}]},
}


def test_an_awaited_event_ends_the_wait_and_others_get_the_timeout() -> None:
    make_template()
    buyer, other = make_customer(), make_customer()
    flow = make_live_flow([WAIT_FOR_ORDER])
    signal(buyer.pk)
    signal(other.pk)
    run(NOON)
    signal(buyer.pk, "order_placed", at=NOON + HOUR)
    run(NOON + HOUR)
    run(NOON + timedelta(days=1))
    assert [customer_id for customer_id, _at in list_messages(flow)] == [other.pk]
    assert Customer.objects.get(pk=buyer.pk).traits == {"tags": ["buyer"]}


def test_goal_and_exit_end_the_stay_before_its_message_even_in_the_same_chunk() -> None:
    make_template()
    quick, slow, gone = (make_customer() for _number in range(3))
    flow = make_live_flow(
        [wait("pause", hours=1), message("hello")],
        goal={"kind": "event", "event": "Order Completed"},
        exits=[{"kind": "condition", "condition": {"field": "stage", "op": "in", "value": ["churned"]}}],
    )
    for customer in (quick, slow, gone):
        make_profile(customer, stage="churned" if customer is gone else "new")
        signal(customer.pk)
    signal(quick.pk, "purchase", at=NOON + timedelta(seconds=1))
    run(NOON)
    run(NOON + HOUR)
    assert list_statuses(flow) == ["goal", "completed", "exited"] or sorted(list_statuses(flow)) == [
        "completed",
        "exited",
        "goal",
    ]
    assert [customer_id for customer_id, _at in list_messages(flow)] == [slow.pk]


def test_people_inside_finish_on_the_version_that_they_entered() -> None:
    make_template()
    make_template("newer")
    first, second = make_customer(), make_customer()
    flow = make_live_flow([wait("pause", hours=1), message("hello")])
    signal(first.pk)
    run(NOON)
    save_draft(flow=flow, definition=make_definition([message("other", "newer")]), by=None)
    publish_flow(flow=flow, now=NOON)
    signal(second.pk)
    run(NOON)
    run(NOON + HOUR)
    assert Delivery.objects.values("template_version_id").distinct().count() == 2
    assert set(flow.entries.values_list("customer_id", "version__number")) == {(first.pk, 1), (second.pk, 2)}


def test_a_paused_flow_does_nothing_until_it_is_resumed() -> None:
    make_template()
    inside, late = make_customer(), make_customer()
    flow = make_live_flow([wait("pause", hours=1), message("hello")])
    signal(inside.pk)
    run(NOON)
    pause_flow(flow=flow)
    signal(late.pk)
    run(NOON + 2 * HOUR)
    assert list_messages(flow) == []
    resume_flow(flow=flow, now=NOON + 2 * HOUR)
    run(NOON + 2 * HOUR)
    assert [customer_id for customer_id, _at in list_messages(flow)] == [inside.pk]


@pytest.mark.parametrize(
    ("removes_people", "statuses", "status"), [(True, ["removed"], "ended"), (False, ["active"], "ending")]
)
def test_ending_a_flow_removes_people_or_lets_them_finish(
    removes_people: bool, statuses: list[str], status: str
) -> None:
    make_template()
    flow = make_live_flow([wait("pause", hours=1), message("hello")])
    signal(make_customer().pk)
    run(NOON)
    end_flow(flow=flow, now=NOON, removes_people=removes_people)
    assert (list_statuses(flow), flow.status) == (statuses, status)
    signal(make_customer().pk)
    run(NOON + HOUR)
    assert len(list_messages(flow)) == (0 if removes_people else 1)
    assert FlowListener.objects.filter(is_trigger=True).count() == 0


def test_a_segment_with_the_name_of_an_event_ends_no_stay_and_no_wait() -> None:
    make_template()
    Segment.objects.create(key="wishlist", name="Wishlist", kind="static")
    trigger = {"kind": "segment", "segment": "wishlist", "direction": "entered"}
    other = make_live_flow([wait("pause", days=1)], name="Other", trigger=trigger)
    end = {"kind": "event", "event": "Product Added to Wishlist"}
    waiting = {**WAIT_FOR_ORDER, "event": end["event"]}
    flows = [
        make_live_flow([wait("pause", days=1), message("hello")], goal=end),
        make_live_flow([wait("pause", days=1), message("hello")], exits=[end]),
        make_live_flow([waiting]),
    ]
    customer = make_customer()
    signal(customer.pk)
    run(NOON)
    name = normalize_event(end["event"])
    assert name == "wishlist"
    signal(customer.pk, name, at=NOON + HOUR, kind="segment", data={"direction": "entered"})
    run(NOON + HOUR)
    assert [list_statuses(flow) for flow in (other, *flows)] == [["active"]] * 4
    assert dict(FlowEntry.objects.values_list("flow_id", "outcome"))[flows[2].pk] == ""
    signal(customer.pk, name, at=NOON + 2 * HOUR)
    run(NOON + 2 * HOUR)
    assert [list_statuses(flow) for flow in (other, *flows)] == [["active"], ["goal"], ["exited"], ["completed"]]


@pytest.mark.parametrize("is_inside", [True, False])
@pytest.mark.parametrize(("part", "reason"), [("goal", "goal_reached"), ("exits", "left_flow")])
def test_who_reaches_the_goal_or_leaves_gets_no_queued_message_of_the_flow(
    part: str, reason: str, is_inside: bool
) -> None:
    make_template()
    end = {"kind": "event", "event": "Order Completed"}
    stop = {part: end if part == "goal" else [end]}
    steps = [message("hello"), message("receipt", transactional=True), *([wait("end", days=1)] if is_inside else [])]
    flow, other = make_live_flow(steps, **stop), make_live_flow(steps, name="Other")
    buyer, reader = make_customer(), make_customer()
    for customer in (buyer, reader):
        signal(customer.pk)
    run(NOON)
    signal(buyer.pk, normalize_event("Order Completed"), at=NOON + HOUR)
    run(NOON + HOUR)
    canceled = Delivery.objects.get(status="canceled")
    assert (canceled.customer_id, canceled.skip_reason, canceled.is_transactional) == (buyer.pk, reason, False)
    assert len(list_messages(flow)) == len(list_messages(other)) == 4
    [line] = [line for line in list_deliveries(buyer, NOON) if line.outcome == "Canceled"]
    assert (
        line.reason
        == {
            "goal_reached": "Already reached the goal of the flow",
            "left_flow": "Already left the flow",
        }[reason]
    )


def test_who_meets_the_condition_of_the_goal_gets_no_queued_message() -> None:
    make_template()
    condition = {"field": "stage", "op": "eq", "value": "loyal"}
    make_live_flow(
        [message("hello"), wait("pause", hours=1), message("again")], goal={"kind": "condition", "condition": condition}
    )
    customer = make_customer()
    make_profile(customer, stage="new")
    signal(customer.pk)
    run(NOON)
    CustomerProfile.objects.update(stage="loyal")
    run(NOON + HOUR)
    assert list(Delivery.objects.values_list("status", "skip_reason")) == [("canceled", "goal_reached")]


def test_a_pause_holds_queued_messages_and_the_end_of_the_flow_cancels_them() -> None:
    make_template()
    flow, other = (make_live_flow([message("hello"), wait("end", days=1)], name=name) for name in ("Flow", "Other"))
    for _number in range(3):
        signal(make_customer().pk)
    run(NOON)
    sent = Delivery.objects.filter(origin_id__in=FlowStepRun.objects.filter(version__flow=flow).values("pk"))
    others = Delivery.objects.exclude(pk__in=sent.values("pk"))
    Delivery.objects.filter(pk=sent.earliest("pk").pk).update(status="sending")
    assert pause_flow(flow=flow) == 2
    assert sorted(sent.values_list("status", "is_paused")) == [("pending", True), ("pending", True), ("sending", False)]
    sent.filter(status="sending").update(status="pending")  # it could not be handed over and is tried again
    hold_returned_messages()
    assert set(sent.values_list("is_paused", flat=True)) == {True}
    assert resume_flow(flow=flow, now=NOON) == 3
    assert set(Delivery.objects.values_list("status", "is_paused")) == {("pending", False)}
    pause_flow(flow=flow)
    add_codes(pool=CouponPool.objects.create(key="welcome", name="Welcome"), codes=["A-1", "A-2"])
    claims = {delivery.pk: delivery.customer_id for delivery in (sent.earliest("pk"), others.earliest("pk"))}
    claim_codes(pool_keys=["welcome"], deliveries=claims, now=NOON)
    assert end_flow(flow=flow, now=NOON, removes_people=True) == 3
    claimed = CouponCode.objects.filter(claimed_at__isnull=False)
    assert claimed.get().delivery_id == others.earliest("pk").pk, "the code of the canceled message is free again"
    assert set(sent.values_list("status", "skip_reason")) == {("canceled", "canceled")}
    assert Delivery.objects.filter(status="pending", is_paused=False).count() == 3  # those of the other flow
    pause_flow(flow=other)
    end_flow(flow=other, now=NOON, removes_people=False)
    assert Delivery.objects.filter(status="pending", is_paused=False).count() == 3


def test_changes_of_the_state_are_published_to_the_endpoints_of_the_shop() -> None:
    make_template()
    flow = create_flow(name="Basket", definition=make_definition([wait("pause", hours=1), message("hello")]))
    types = ["flow.published", "flow.paused", "flow.resumed", "flow.ending", "flow.ended"]
    WebhookEndpoint.objects.create(name="shop", url="https://shop.example/hook", event_types=types)
    publish_flow(flow=flow, now=NOON)
    signal(make_customer().pk)
    run(NOON)
    pause_flow(flow=flow)
    resume_flow(flow=flow, now=NOON)
    end_flow(flow=flow, now=NOON, removes_people=False)
    run(NOON + HOUR)
    finish_ending_flows(now=NOON + HOUR)
    notifications = WebhookNotification.objects.order_by("id")
    assert list(notifications.values_list("type", flat=True)) == types
    assert notifications[1].payload == {"flow": "basket", "name": "Basket", "status": "paused", "version": 1}


def test_a_merge_of_two_people_inside_leaves_one_stay_and_one_message() -> None:
    make_template()
    kept, merged = make_customer(), make_customer()
    flow = make_live_flow([wait("pause", hours=1), message("hello")])
    signal(merged.pk)
    signal(kept.pk, at=NOON + timedelta(minutes=5))
    run(NOON + timedelta(minutes=5))
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    run(NOON + 2 * HOUR)
    assert [customer_id for customer_id, _at in list_messages(flow)] == [kept.pk]
    assert set(flow.entries.values_list("customer_id", flat=True)) == {kept.pk}
    assert sorted(list_statuses(flow)) == ["completed", "merged"]


def test_a_merge_after_both_messages_were_queued_cancels_one_of_them() -> None:
    make_template()
    kept, merged = make_customer(), make_customer()
    make_live_flow([message("hello")])
    signal(kept.pk)
    signal(merged.pk)
    run(NOON)
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["canceled", "pending"]


def test_signals_of_a_merged_customer_belong_to_the_kept_one() -> None:
    make_template()
    kept, merged = make_customer(), make_customer()
    flow = make_live_flow([message("hello")])
    signal(merged.pk)
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    run(NOON)
    signal(merged.pk, at=NOON + timedelta(hours=1))  # written by a process that did not see the merge
    run(NOON + HOUR)
    assert [customer_id for customer_id, _at in list_messages(flow)] == [kept.pk, kept.pk]


def test_erasure_ends_the_stay_and_forgets_what_started_it() -> None:
    make_template()
    customer = make_customer()
    flow = make_live_flow([wait("pause", hours=1), message("hello")])
    signal(customer.pk, properties={"note": "secret"})
    run(NOON)
    customer_erased.send(sender=Customer, customer_id=customer.pk, at=NOON)
    Customer.objects.filter(pk=customer.pk).update(erased_at=NOON)
    run(NOON + HOUR)
    entry = FlowEntry.objects.get(flow=flow)
    assert (entry.status, entry.event) == ("erased", {})
    assert list_messages(flow) == []


def test_waits_follow_the_clock_of_the_customer() -> None:
    make_template()
    beijing, shop = make_customer(country="CN"), make_customer()
    traveller = make_customer(traits={"time_zone": "America/New_York"})
    make_live_flow([{"key": "morning", "kind": "wait_until", "hour": "09:00"}, message("hello")])
    for customer in (beijing, shop, traveller):
        signal(customer.pk)
    run(NOON)
    due = dict(FlowEntry.objects.values_list("customer_id", "due_at"))
    assert due[beijing.pk] == NOON + timedelta(hours=13)  # 09:00 in Shanghai
    assert due[traveller.pk] == NOON + timedelta(hours=2)  # 09:00 in New York


def test_the_best_hour_is_that_of_most_orders() -> None:
    customer = make_customer()
    make_profile(customer, favorite_hours=[[20, 0.8], [9, 0.2]])
    make_live_flow([{"key": "best", "kind": "wait_until", "hour": "best"}])
    signal(customer.pk)
    run(NOON)
    assert FlowEntry.objects.get().due_at.astimezone(get_time_zone()).hour == 20


def test_a_step_whose_template_is_gone_fails_and_the_flow_goes_on() -> None:
    version = make_template()
    flow = make_live_flow([message("hello"), {"key": "tag", "kind": "add_tag", "tag": "asked"}])
    version.template.archived_at = NOON
    version.template.save()
    customer = make_customer()
    signal(customer.pk)
    run(NOON)
    assert dict(FlowStepRun.objects.values_list("step_key", "outcome")) == {"hello": "failed", "tag": "done"}
    assert list_statuses(flow) == ["completed"]


def test_what_a_browser_claims_about_a_user_is_not_in_the_message_but_the_product_is() -> None:
    make_template()
    make_product("tea", title="Green tea")
    customer = make_customer()
    make_live_flow([message("hello")])
    data: dict[str, Any] = {
        "name": "Product Added",
        "properties": {"name": "Free money at evil.example"},
        "is_claim": True,
    }
    signal(customer.pk, product_id="tea", data=data)
    run(NOON)
    event = Delivery.objects.get().event
    assert event["product"]["title"] == "Green tea"
    assert "name" not in event


def test_old_events_start_nothing() -> None:
    make_template()
    flow = make_live_flow([message("hello")])
    signal(make_customer().pk, at=NOON - timedelta(days=2))
    run(NOON)
    assert list_statuses(flow) == []


def test_a_step_that_fails_does_not_stop_other_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    make_template()
    customer = make_customer()
    broken = make_live_flow([{"key": "tag", "kind": "add_tag", "tag": "x"}], name="Broken")
    sound = make_live_flow([message("hello")], name="Sound")

    def fail(*_arguments: object) -> str:
        raise RuntimeError("broken")

    monkeypatch.setitem(ACTIONS, "add_tag", fail)
    signal(customer.pk)
    with pytest.raises(RuntimeError, match="broken"):
        run(NOON)
    assert (list_statuses(broken), list_statuses(sound)) == (["active"], ["completed"])
