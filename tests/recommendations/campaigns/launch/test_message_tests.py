"""A/B tests of messages: who is in the test, when and how it is decided, and that everyone gets exactly one message."""

from collections import Counter
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction

from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from recommendations.campaigns.launch import message_tests
from recommendations.campaigns.launch.message_tests import decide_ended_tests, find_next_due_time
from recommendations.campaigns.launch.readiness import LaunchError
from recommendations.campaigns.launch.runs import finish_runs, start_due_runs
from recommendations.campaigns.launch.transitions import approve, cancel, launch, pause, resume, return_to_draft
from recommendations.campaigns.models import Campaign, CampaignRun, CampaignSettings
from recommendations.campaigns.results.message_test import MIN_MESSAGES, read_progress
from recommendations.campaigns.results.summary import compute_results
from recommendations.experiments.editing import find_start_problem
from recommendations.measurement.assignment import compute_bucket
from recommendations.messaging.models import MessageTemplate, TemplateVersion
from recommendations.messaging.template_uses import TemplateInUseError, archive_template
from recommendations.sending.checks.candidates import lock_due_deliveries
from recommendations.sending.models import Delivery
from recommendations.sending.queue import apply_origin_states
from tests.makers import NOON, make_order, make_product, make_segment
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, make_template, update_deliveries
from tests.recommendations.experiments.makers import make_experiment

pytestmark = pytest.mark.django_db
HOURS = 4
END = NOON + timedelta(hours=HOURS)


@pytest.fixture
def other() -> MessageTemplate:
    return make_template()


@pytest.fixture
def campaign(other: MessageTemplate) -> Campaign:
    """A draft for 150 customers: a tenth is held out, and 90% of the others are in the test."""
    make_reachable(150)
    return make_campaign(
        make_segment("everyone"), holdout_share="0.1", key="news", name="News", test_template=other, test_share="0.9"
    )


@pytest.fixture
def small(other: MessageTemplate) -> Campaign:
    """A draft for 30 customers, half of whom are in the test."""
    make_reachable(30)
    return make_campaign(
        make_segment("everyone"), holdout_share="0.1", key="news", name="News", test_template=other, test_share="0.5"
    )


def list_customers(**conditions: Any) -> set[int]:
    rows = Delivery.objects.filter(origin_kind="campaign", **conditions)
    return set(rows.values_list("customer_id", flat=True))


def list_tested(campaign: Campaign) -> tuple[list[int], list[int]]:
    """Return the deliveries of the test with message A, and those with B."""
    run = campaign.runs.get()
    assert run.test_version_id is not None
    test = Delivery.objects.filter(test_part="test").order_by("pk")
    a, b = (
        list(test.filter(template_version_id=version).values_list("pk", flat=True))
        for version in (run.template_version_id, run.test_version_id)
    )
    return a, b


def send(at: datetime = NOON) -> int:
    """Send what the sender may send, as it does."""
    return update_deliveries("status = 'sent', sent_at = %s WHERE status = 'pending' AND NOT is_paused", at)


def react(ids: list[int], at: datetime, *, column: str = "opened_at") -> None:
    update_deliveries(f"{column} = %s WHERE id = ANY(%s)", at, ids)


def decide(campaign: Campaign, *, now: datetime = END) -> CampaignRun:
    assert decide_ended_tests(now=now) == 1
    return campaign.runs.get()


def test_a_launch_sends_the_test_to_two_halves_and_lets_the_rest_wait(
    campaign: Campaign, other: MessageTemplate
) -> None:
    launch(campaign, by=None, now=NOON)
    assert campaign.template is not None
    own, second = campaign.template.versions.get().pk, other.versions.get().pk
    buckets = {
        pk: compute_bucket(salt=f"{campaign.salt}:test", customer_id=pk) for pk in list_customers(status="pending")
    }
    assert list_customers(test_part="test", template_version_id=own, is_paused=False) == {
        pk for pk, bucket in buckets.items() if bucket < 4500
    }
    assert list_customers(test_part="test", template_version_id=second, is_paused=False) == {
        pk for pk, bucket in buckets.items() if 4500 <= bucket < 9000
    }
    waiting = list_customers(test_part="waiting", is_paused=True)
    assert waiting == {pk for pk, bucket in buckets.items() if bucket >= 9000}
    assert waiting
    held_out = Delivery.objects.filter(skip_reason="holdout")
    assert set(held_out.values_list("test_part", "is_paused")) == {("", False)}
    assert len(buckets) + held_out.count() == 150
    with transaction.atomic():
        sendable = {due.customer_id for due in lock_due_deliveries(now=NOON + timedelta(days=9), limit=1000)}
    assert sendable == set(buckets) - waiting


def test_the_better_message_goes_to_the_rest(campaign: Campaign, other: MessageTemplate) -> None:
    launch(campaign, by=None, now=NOON)
    waiting = list_customers(test_part="waiting")
    send()
    a, b = list_tested(campaign)
    react(a[:5], NOON + timedelta(hours=1))
    react(b[:20], NOON + timedelta(hours=1))
    assert decide_ended_tests(now=END - timedelta(seconds=1)) == 0
    run = decide(campaign)
    assert (run.test_outcome, run.test_decided_at) == ("b", END)
    assert run.test_figures == {"a": {"sent": len(a), "reacted": 5}, "b": {"sent": len(b), "reacted": 20}}
    second = other.versions.get().pk
    assert list_customers(test_part="rest", template_version_id=second, due_at=END, is_paused=False) == waiting
    entry = LogEntry.objects.get(additional_data__event="campaign.test_decided")
    assert entry.object_repr == "News"
    send(END)
    assert finish_runs(now=END) == 1
    assert Counter(Delivery.objects.values_list("status", flat=True))["sent"] == len(a) + len(b) + len(waiting)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.ENDED


@pytest.mark.parametrize(
    ("reactions", "outcome"), [((20, 5), "a"), ((10, 12), "unclear"), ((9, 9), "unclear"), ((0, 0), "unclear")]
)
def test_message_a_goes_to_the_rest_unless_b_is_clearly_better(
    campaign: Campaign, reactions: tuple[int, int], outcome: str
) -> None:
    launch(campaign, by=None, now=NOON)
    send()
    for ids, number in zip(list_tested(campaign), reactions, strict=True):
        react(ids[:number], NOON + timedelta(hours=1))
    run = decide(campaign)
    assert run.test_outcome == outcome
    assert set(Delivery.objects.filter(test_part="rest").values_list("template_version_id", flat=True)) == {
        run.template_version_id
    }
    assert not Delivery.objects.filter(test_part="waiting").exists()


def test_few_messages_decide_nothing(small: Campaign) -> None:
    launch(small, by=None, now=NOON)
    send()
    a, b = list_tested(small)
    assert max(len(a), len(b)) < MIN_MESSAGES
    react(b, NOON + timedelta(hours=1))
    run = decide(small)
    assert run.test_outcome == "too_few"
    assert list_customers(test_part="rest", template_version_id=run.template_version_id)


def test_a_test_that_reaches_nobody_does_not_keep_the_rest_waiting(small: Campaign) -> None:
    launch(small, by=None, now=NOON)
    update_deliveries("status = 'failed' WHERE test_part = 'test'")
    assert decide(small, now=NOON).test_outcome == "too_few"
    assert list_customers(test_part="rest")


def test_a_test_is_decided_before_its_run_ends_also_if_nobody_waits(campaign: Campaign) -> None:
    launch(campaign, by=None, now=NOON)
    update_deliveries("status = 'skipped', skip_reason = 'merged' WHERE test_part = 'waiting'")
    send()
    assert finish_runs(now=NOON) == 0
    assert decide(campaign).test_outcome == "unclear"
    assert finish_runs(now=END) == 1


def test_opens_by_machines_and_late_opens_do_not_count(campaign: Campaign) -> None:
    launch(campaign, by=None, now=NOON)
    send()
    a, b = list_tested(campaign)
    react(b, NOON + timedelta(hours=1), column="machine_opened_at")
    react(b[:30], NOON + timedelta(hours=HOURS, seconds=1))
    run = decide(campaign, now=END + timedelta(hours=3))
    assert run.test_outcome == "unclear"
    assert run.test_figures == {"a": {"sent": len(a), "reacted": 0}, "b": {"sent": len(b), "reacted": 0}}
    react(b, NOON + timedelta(hours=1))
    assert decide_ended_tests(now=END + timedelta(days=1)) == 0
    result = compute_results(campaign, as_of=END + timedelta(days=1)).test
    assert result is not None
    assert (result.b.reacted, result.outcome) == (0, "unclear")


@pytest.mark.parametrize("metric", ["clicks", "orders"])
def test_clicks_or_orders_decide_if_the_marketer_wants_that(campaign: Campaign, metric: str) -> None:
    Campaign.objects.update(test_metric=metric)
    campaign.refresh_from_db()
    launch(campaign, by=None, now=NOON)
    send()
    a, b = list_tested(campaign)
    react(a, NOON + timedelta(hours=1))
    if metric == "clicks":
        react(b[:20], NOON + timedelta(hours=1), column="clicked_at")
    else:
        product = make_product("tea")
        owners = Delivery.objects.filter(pk__in=b[:20]).values("customer_id")
        for customer in Customer.objects.filter(pk__in=owners):
            make_order(customer, products=[product], placed_at=NOON + timedelta(hours=1))
        late = Delivery.objects.filter(pk__in=a[:20]).values("customer_id")
        for customer in Customer.objects.filter(pk__in=late):
            make_order(customer, products=[product], placed_at=END + timedelta(minutes=1))
    run = decide(campaign)
    assert (run.test_outcome, run.test_figures["b"]["reacted"], run.test_figures["a"]["reacted"]) == ("b", 20, 0)


def test_the_test_ends_some_hours_after_its_last_message(campaign: Campaign) -> None:
    launch(campaign, by=None, now=NOON)
    run = campaign.runs.get()
    a, _b = list_tested(campaign)
    update_deliveries("due_at = %s WHERE id = %s", NOON + timedelta(hours=10), a[0])  # postponed by quiet hours
    update_deliveries("status = 'sent', sent_at = %s WHERE test_part = 'test' AND id <> %s", NOON, a[0])
    assert tuple(read_progress([run], now=NOON)[run.pk]) == (True, NOON + timedelta(hours=10 + HOURS))
    assert decide_ended_tests(now=NOON + timedelta(hours=12)) == 0
    send(NOON + timedelta(hours=10, minutes=1))
    end = NOON + timedelta(hours=10 + HOURS, minutes=1)
    assert tuple(read_progress([run], now=NOON)[run.pk]) == (False, end)
    assert decide_ended_tests(now=end - timedelta(seconds=1)) == 0
    assert decide(campaign, now=end).test_decided_at == end


@pytest.mark.parametrize("step", ["measure_test", "release_waiting", "record_action"])
def test_a_decision_that_dies_at_any_step_is_made_once_by_the_next_start(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A crash is an error that nothing catches: the transaction is rolled back, as when the process is killed."""
    launch(campaign, by=None, now=NOON)
    waiting = list_customers(test_part="waiting")
    send()
    react(list_tested(campaign)[1][:30], NOON + timedelta(hours=1))
    original = getattr(message_tests, step)

    def die_afterwards(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(message_tests, step, die_afterwards)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        decide_ended_tests(now=END)
    assert campaign.runs.get().test_outcome == ""
    assert list_customers(test_part="waiting", status="pending", is_paused=True) == waiting
    monkeypatch.setattr(message_tests, step, original)
    assert decide(campaign).test_outcome == "b"
    assert list_customers(test_part="rest", is_paused=False) == waiting
    assert send(END) == len(waiting)
    assert decide_ended_tests(now=END + timedelta(hours=1)) == 0
    assert Delivery.objects.count() == 150


def test_pausing_stops_the_test_and_resuming_does_not_send_the_rest(campaign: Campaign) -> None:
    launch(campaign, by=None, now=NOON)
    waiting = list_customers(test_part="waiting")
    send()
    react(list_tested(campaign)[1][:30], NOON + timedelta(hours=1))
    pause(campaign)
    assert decide_ended_tests(now=END + timedelta(days=1)) == 0
    resume(campaign, now=END + timedelta(days=1))
    apply_origin_states()
    assert list_customers(test_part="waiting", is_paused=True) == waiting
    assert send(END) == 0
    assert decide(campaign, now=END + timedelta(days=1)).test_outcome == "b"
    pause(campaign)
    apply_origin_states()
    assert send(END) == 0
    resume(campaign, now=END + timedelta(days=1))
    apply_origin_states()
    assert send(END) == len(waiting)


def test_canceling_during_the_test_sends_nothing_more(campaign: Campaign) -> None:
    launch(campaign, by=None, now=NOON)
    waiting = list_customers(test_part="waiting")
    send()
    cancel(campaign, now=NOON + timedelta(hours=1))
    apply_origin_states()
    assert list_customers(status="canceled") == waiting
    assert decide_ended_tests(now=END) == 0
    assert (campaign.runs.get().test_outcome, send(END)) == ("", 0)


def test_a_person_who_was_in_the_test_and_in_the_rest_gets_one_message(campaign: Campaign) -> None:
    launch(campaign, by=None, now=NOON)
    merged, kept = min(list_customers(test_part="test")), min(list_customers(test_part="waiting"))
    waiting = list_customers(test_part="waiting") - {kept}
    send()
    merge_customers(pairs=[(kept, merged)], at=NOON + timedelta(hours=1), causes=["test"])
    decide(campaign)
    assert list_customers(test_part="rest", status="pending") == waiting
    assert set(Delivery.objects.filter(customer_id=kept).values_list("test_part", "status")) == {("test", "sent")}


def test_the_rest_gets_the_winner_at_its_local_time(other: MessageTemplate) -> None:
    for customer, country in zip(make_reachable(20), ["JP", "DE"] * 10, strict=True):
        Customer.objects.filter(pk=customer.pk).update(country=country)
    campaign = make_campaign(
        make_segment("everyone"), holdout_share=0, test_template=other, test_share="0.5",
        starts_at=NOON + timedelta(days=2), uses_customer_time=True,
    )  # fmt: skip
    launch(campaign, by=None, now=NOON)
    assert start_due_runs(now=NOON + timedelta(days=2)) == 1
    due = dict(Delivery.objects.filter(test_part="waiting").values_list("customer_id", "due_at"))
    assert len(set(due.values())) == 2
    gone = min(due)
    update_deliveries("customer_id = -1 WHERE customer_id = %s", gone)  # a customer who no longer exists
    send(NOON + timedelta(days=2))
    now = NOON + timedelta(days=2, hours=HOURS)
    decide(campaign, now=now)
    released = dict(Delivery.objects.filter(test_part="rest").values_list("customer_id", "due_at"))
    assert released == {-1: now, **{pk: at + timedelta(days=1) for pk, at in due.items() if pk != gone}}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime.fromisoformat("2026-03-27T08:00Z"), "2026-03-27T08:00Z"),
        (datetime.fromisoformat("2026-03-28T08:01Z"), "2026-03-29T07:00Z"),  # daylight saving time has begun
        (datetime.fromisoformat("2026-04-28T08:01Z"), "2026-04-29T07:00Z"),
    ],
)
def test_a_local_time_comes_again_on_the_next_day(now: datetime, expected: str) -> None:
    scheduled_for = datetime.fromisoformat("2026-03-27T09:00Z")
    with_shop_in_utc = find_next_due_time(scheduled_for, "Europe/Berlin", "", now=now)
    assert with_shop_in_utc == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        ({"kind": "recurring", "weekdays": [4], "send_time": time(9)}, "test_template", "sent once"),
        ({"channel": "sms"}, "test_metric", "Opens are known for emails only"),
    ],
)
def test_a_launch_names_the_setting_that_does_not_allow_a_test(
    other: MessageTemplate, fields: dict[str, Any], field: str, text: str
) -> None:
    campaign = make_campaign(test_template=other, **fields)
    with pytest.raises(LaunchError, match=text) as caught:
        launch(campaign, by=None, now=NOON)
    assert field in [problem.field for problem in caught.value.problems]


def test_message_b_must_be_another_published_message(other: MessageTemplate) -> None:
    campaign = make_campaign(template=other, test_template=other)
    with pytest.raises(LaunchError, match="Message B is the message of the campaign"):
        launch(campaign, by=None, now=NOON)
    draft = make_campaign(test_template=make_template(published_at=None))
    with pytest.raises(LaunchError, match="is a draft") as caught:
        launch(draft, by=None, now=NOON)
    assert [problem.field for problem in caught.value.problems] == ["test_template"]


def test_a_test_and_an_experiment_exclude_each_other(small: Campaign, other: MessageTemplate) -> None:
    configs: tuple[dict[str, Any], ...] = ({}, {"template": make_template().key})
    experiment = make_experiment("which", status="draft", configs=configs, kind="message", subject="news")
    assert "A/B test of its own" in str(find_start_problem(experiment))
    experiment.status = "running"
    experiment.save()
    with pytest.raises(LaunchError, match="Stop the experiment"):
        launch(small, by=None, now=NOON)


def test_both_messages_are_approved_and_cannot_be_archived(small: Campaign, other: MessageTemplate) -> None:
    CampaignSettings.objects.create(requires_approval=True)
    mia, ben = User.objects.create(username="mia"), User.objects.create(username="ben")
    Campaign.objects.update(starts_at=NOON + timedelta(hours=1))
    small.refresh_from_db()
    launch(small, by=mia, now=NOON)
    with pytest.raises(TemplateInUseError):
        archive_template(other)
    assert small.approved_test_version == other.versions.get()
    approve(small, by=ben, now=NOON)
    TemplateVersion.objects.create(template=other, number=2, published_at=NOON)
    assert start_due_runs(now=NOON + timedelta(hours=1)) == 0
    small.refresh_from_db()
    assert (small.status, small.problem[:31]) == (Campaign.Status.PAUSED, "The message has changed since i")
    assert not Delivery.objects.exists()
    Campaign.objects.update(status=Campaign.Status.SCHEDULED)
    return_to_draft(small)
    assert small.approved_test_version is None


def test_results_count_the_rest_apart_and_give_it_the_whole_window(campaign: Campaign) -> None:
    launch(campaign, by=None, now=NOON)
    send()
    _a, b = list_tested(campaign)
    react(b[:30], NOON + timedelta(hours=1))
    decide(campaign)
    rest = list(Delivery.objects.filter(test_part="rest").values_list("pk", flat=True))
    send(END)
    react(rest[:3], END + timedelta(hours=1))
    results = compute_results(campaign, as_of=END + timedelta(days=1))
    assert results.test is not None
    assert (results.test.a.rate, results.test.b.sent, results.test.b.reacted) == (0, len(b), 30)
    assert (results.test.rest.sent, results.test.rest.reacted) == (len(rest), 3)
    assert finish_runs(now=END) == 1
    campaign.refresh_from_db()
    window = timedelta(days=campaign.attribution_days)
    assert not compute_results(campaign, as_of=NOON + window).comparison.is_final
    assert compute_results(campaign, as_of=END + window).comparison.is_final


def test_a_campaign_without_message_b_has_no_test() -> None:
    make_reachable(10)
    campaign = make_campaign(holdout_share=Decimal(0))
    launch(campaign, by=None, now=NOON)
    assert set(Delivery.objects.values_list("test_part", "is_paused", "status")) == {("", False, "pending")}
    assert compute_results(campaign, as_of=NOON).test is None
    assert decide_ended_tests(now=END) == 0
