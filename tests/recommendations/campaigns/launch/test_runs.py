"""Runs: whom they queue, whom they leave out and why, and that nothing is lost or doubled."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from customers.segments.models import Segment
from recommendations.campaigns.backoffice.labels import describe_schedule
from recommendations.campaigns.launch import runs
from recommendations.campaigns.launch.readiness import LaunchError
from recommendations.campaigns.launch.runs import finish_runs, is_preparing, start_due_runs
from recommendations.campaigns.launch.transitions import approve, cancel, launch, pause, plan_after_edit, resume
from recommendations.campaigns.models import Campaign, CampaignRun, CampaignSettings
from recommendations.measurement.assignment import compute_bucket
from recommendations.sending.models import Delivery, SendingSettings
from recommendations.sending.tracking.browser_view import build_delivery_links
from recommendations.webhooks.models import WebhookEndpoint, WebhookNotification
from tests.makers import NOON, make_consent, make_customer, make_segment
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, make_template, update_deliveries

pytestmark = pytest.mark.django_db


@pytest.fixture
def everyone() -> Segment:
    """Ten customers who can be reached, one without an address, and one who withdrew the consent."""
    customers = make_reachable(10)
    make_consent(make_customer(pk=10**12 + 20), recorded_at=NOON)
    withdrawn = make_customer(email="w@shop.example", pk=10**12 + 21)
    make_consent(withdrawn, status="withdrawn", recorded_at=NOON - timedelta(days=1))
    make_consent(customers[0], recorded_at=NOON - timedelta(days=4))
    return make_segment("everyone")


def count_reasons(run: CampaignRun) -> Counter[str]:
    rows = Delivery.objects.filter(origin_kind="campaign", origin_id=run.pk).values_list("status", "skip_reason")
    return Counter(reason or status for status, reason in rows)


def test_a_launch_queues_the_recipients_and_records_everyone_else_with_the_reason(everyone: Segment) -> None:
    campaign = make_campaign(everyone)
    launch(campaign, by=None, now=NOON)
    run = campaign.runs.get()
    held_out = sum(compute_bucket(salt="salt", customer_id=10**12 + number) < 5000 for number in range(10))
    assert campaign.status == Campaign.Status.RUNNING
    assert count_reasons(run) == {"pending": 10 - held_out, "holdout": held_out, "not_reachable": 1, "no_consent": 1}
    assert run.counts == {
        "segment": 12,
        "excluded": 0,
        "not_reachable": 1,
        "no_consent": 1,
        "global_holdout": 0,
        "held_out": held_out,
        "queued": 10 - held_out,
        "buyers": 0,
    }
    assert (run.segment_key, run.segment_condition, run.template_version) == (
        "everyone",
        {"all": []},
        campaign.template.versions.get(),
    )


def test_links_of_a_message_name_the_campaign(everyone: Segment) -> None:
    campaign = make_campaign(everyone, holdout_share=0)
    launch(campaign, by=None, now=NOON)
    delivery = Delivery.objects.filter(status="pending").first()
    assert delivery is not None
    assert build_delivery_links(delivery).campaign == campaign.key
    delivery.origin_id = 0
    assert build_delivery_links(delivery).campaign == campaign.template.key, (
        "without its campaign, that of the template"
    )


def test_a_run_stores_the_segment_as_it_was(everyone: Segment) -> None:
    campaign = make_campaign(everyone)
    other = make_segment("others", {"field": "orders", "op": "gte", "value": 3})
    campaign.excluded_segments.add(other)
    launch(campaign, by=None, now=NOON)
    everyone.condition = {"field": "stage", "op": "eq", "value": "new"}
    everyone.save()
    run = campaign.runs.get()
    assert run.segment_condition == {"all": []}
    assert run.exclusions == [{"key": "others", "name": "others", "condition": other.condition}]


def test_excluded_customers_and_the_global_holdout_group_get_nothing(everyone: Segment) -> None:
    SendingSettings.objects.create(global_holdout_share="0.3", global_holdout_salt="global")
    campaign = make_campaign(everyone, holdout_share=0)
    excluded = make_segment("static", kind=Segment.Kind.STATIC)
    excluded.members.create(customer_id=10**12)
    campaign.excluded_segments.add(excluded)
    launch(campaign, by=None, now=NOON)
    expected = sum(compute_bucket(salt="global", customer_id=10**12 + number) < 3000 for number in range(1, 10))
    assert count_reasons(campaign.runs.get())["global_holdout"] == expected > 0
    assert not Delivery.objects.filter(customer_id=10**12).exists()


@pytest.mark.parametrize("step", ["freeze_audience", "queue_audience", "insert_skips", "plan_next_run"])
def test_a_launch_that_dies_at_any_step_is_complete_after_the_next_start(
    everyone: Segment, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A crash is an error that nothing catches: the transaction is rolled back, as when the process is killed."""
    campaign = make_campaign(everyone)
    original = getattr(runs, step)

    def die_afterwards(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, step, die_afterwards)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        launch(campaign, by=None, now=NOON)
    assert not Delivery.objects.exists()
    monkeypatch.setattr(runs, step, original)
    campaign.refresh_from_db()
    if campaign.status == Campaign.Status.DRAFT:
        launch(campaign, by=None, now=NOON)
    start_due_runs(now=NOON)
    start_due_runs(now=NOON)
    assert (campaign.runs.count(), Delivery.objects.count()) == (1, 12)


@pytest.mark.parametrize("change", ["launch", "approve", "resume"])
def test_a_request_leaves_a_large_audience_to_the_job(
    everyone: Segment, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(runs, "MAX_CUSTOMERS_IN_REQUEST", 11)
    campaign = make_campaign(everyone, holdout_share=0)
    if change == "approve":
        CampaignSettings.objects.create(requires_approval=True)
    if change == "resume":
        campaign.starts_at = NOON + timedelta(minutes=1)
        campaign.save()
    launch(campaign, by=None, now=NOON)
    if change == "approve":
        approve(campaign, by=User.objects.create(username="second"), now=NOON)
    later = NOON + timedelta(minutes=2)
    if change == "resume":
        pause(campaign)
        resume(campaign, now=later)
    assert (campaign.status, campaign.runs.count(), Delivery.objects.count()) == (Campaign.Status.SCHEDULED, 0, 0)
    assert is_preparing(campaign, now=later)
    assert start_due_runs(now=later) == 1
    assert start_due_runs(now=later) == 0
    campaign.refresh_from_db()
    assert (campaign.status, campaign.runs.count(), Delivery.objects.count()) == (Campaign.Status.RUNNING, 1, 12)
    assert not is_preparing(campaign, now=later)


def test_a_request_queues_an_audience_of_the_largest_size(everyone: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_CUSTOMERS_IN_REQUEST", 12)
    campaign = make_campaign(everyone)
    launch(campaign, by=None, now=NOON)
    assert (campaign.status, campaign.runs.count()) == (Campaign.Status.RUNNING, 1)


@pytest.mark.parametrize("step", ["freeze_audience", "queue_audience", "insert_skips"])
def test_a_request_leaves_a_run_with_a_slow_statement_to_the_job(
    everyone: Segment, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    campaign = make_campaign(everyone)
    original = getattr(runs, step)
    is_slow = [True]

    def wait_afterwards(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if is_slow:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout TO 20")  # sooner than the limit of requests
                cursor.execute("SELECT pg_sleep(600)")
        return result

    monkeypatch.setattr(runs, step, wait_afterwards)
    launch(campaign, by=None, now=NOON)
    assert (campaign.status, campaign.runs.count(), Delivery.objects.count()) == (Campaign.Status.SCHEDULED, 0, 0)
    is_slow.clear()
    assert start_due_runs(now=NOON) == 1
    assert (campaign.runs.count(), Delivery.objects.count()) == (1, 12)


@pytest.mark.usefixtures("usual_statements")
def test_a_statement_of_a_run_in_a_request_has_its_own_time_limit(
    everyone: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []

    def read_limit(*_args: Any, **_kwargs: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            limits.append(cursor.fetchone()[0])
        raise runs.RunError("enough")

    monkeypatch.setattr(runs, "start_run", read_limit)
    launch(make_campaign(everyone), by=None, now=NOON)
    assert limits == ["2s"]


def test_another_database_error_of_a_run_in_a_request_is_not_hidden(
    everyone: Segment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(runs, "start_run", fail)
    with pytest.raises(OperationalError):
        launch(make_campaign(everyone), by=None, now=NOON)


def test_the_same_time_of_the_schedule_has_one_run(everyone: Segment) -> None:
    campaign = make_campaign(everyone)
    launch(campaign, by=None, now=NOON)
    run = campaign.runs.get()
    run.pk, run.number = None, 2
    with pytest.raises(IntegrityError), transaction.atomic():
        run.save()


def test_a_recurring_campaign_runs_at_every_time_and_ends_with_its_last_day(everyone: Segment) -> None:
    campaign = make_campaign(everyone, kind="recurring", weekdays=[4], send_time=time(9), ends_on=date(2026, 12, 3))
    launch(campaign, by=None, now=NOON)  # a Tuesday
    assert (campaign.status, campaign.runs.count()) == (Campaign.Status.SCHEDULED, 0)
    assert campaign.next_run_at == datetime(2026, 11, 26, 9, tzinfo=UTC)
    assert start_due_runs(now=NOON + timedelta(days=1)) == 0
    assert start_due_runs(now=NOON + timedelta(days=2)) == 1
    assert start_due_runs(now=NOON + timedelta(days=9)) == 1
    campaign.refresh_from_db()
    assert campaign.next_run_at is None
    assert sorted(run.number for run in campaign.runs.all()) == [1, 2]
    assert Delivery.objects.values("customer_id", "skip_reason").filter(skip_reason="holdout").count() % 2 == 0
    update_deliveries("status = 'sent' WHERE status = 'pending'")
    assert finish_runs(now=NOON + timedelta(days=10)) == 2
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.ENDED


def test_a_campaign_without_a_further_run_ends_although_its_last_run_has_finished(everyone: Segment) -> None:
    WebhookEndpoint.objects.create(name="shop", url="https://shop.example/hook", event_types=["campaign.ended"])
    campaign = make_campaign(everyone, kind="recurring", weekdays=[4], send_time=time(9))
    launch(campaign, by=None, now=NOON)
    assert start_due_runs(now=NOON + timedelta(days=2)) == 1
    update_deliveries("status = 'sent' WHERE status = 'pending'")
    assert finish_runs(now=NOON + timedelta(days=2)) == 1
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.RUNNING
    campaign.ends_on = date(2026, 11, 26)
    campaign.save()
    plan_after_edit(campaign, now=NOON + timedelta(days=2))
    pause(campaign)
    finish_runs(now=NOON + timedelta(days=2))
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.PAUSED
    resume(campaign, now=NOON + timedelta(days=2))
    for _attempt in range(2):
        assert finish_runs(now=NOON + timedelta(days=2)) == 0
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.ENDED
    assert WebhookNotification.objects.count() == 1


def test_a_run_that_is_prepared_before_its_time_is_not_planned_again(everyone: Segment) -> None:
    monday = datetime(2026, 11, 30, 10, tzinfo=UTC)
    sunday_evening = monday - timedelta(hours=14)  # when it is 10 o'clock on Monday in the first zone
    campaign = make_campaign(everyone, kind="recurring", weekdays=[1], send_time=time(10), uses_customer_time=True)
    launch(campaign, by=None, now=NOON)
    assert campaign.next_run_at == sunday_evening
    assert start_due_runs(now=sunday_evening) == 1
    pause(campaign)
    resume(campaign, now=sunday_evening + timedelta(minutes=90))
    assert campaign.next_scheduled_for == monday + timedelta(days=7)
    plan_after_edit(campaign, now=sunday_evening + timedelta(minutes=91))
    assert campaign.next_scheduled_for == monday + timedelta(days=7)
    assert start_due_runs(now=sunday_evening + timedelta(days=7)) == 1
    assert campaign.runs.count() == 2


def test_an_error_in_one_campaign_does_not_stop_the_others(
    everyone: Segment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    later = NOON + timedelta(hours=1)
    broken = make_campaign(everyone, starts_at=later, priority=Campaign.Priority.HIGH)
    sound = make_campaign(everyone, starts_at=later)
    for campaign in (broken, sound):
        launch(campaign, by=None, now=NOON)
    original = runs.start_run

    def fail_for_one(campaign: Campaign, **times: Any) -> CampaignRun:
        if campaign.pk == broken.pk:
            raise RuntimeError("broken")
        return original(campaign, **times)

    monkeypatch.setattr(runs, "start_run", fail_for_one)
    assert start_due_runs(now=later) == 1
    assert (broken.runs.count(), sound.runs.count()) == (0, 1)
    assert f"The run of campaign {broken.pk} cannot start." in caplog.text


def test_messages_are_due_at_the_local_time_of_each_customer(everyone: Segment) -> None:
    for number, traits in ((0, {"time_zone": "Asia/Tokyo"}), (1, {"time_zone": "America/New_York"}), (2, {})):
        customer = everyone_customer(number)
        customer.traits = traits
        customer.save()
    campaign = make_campaign(
        everyone, holdout_share=0, starts_at=datetime(2026, 11, 26, 9, tzinfo=UTC), uses_customer_time=True
    )
    launch(campaign, by=None, now=NOON)
    assert campaign.next_run_at == datetime(2026, 11, 25, 19, tzinfo=UTC)  # when it is 9 o'clock in the first zone
    assert start_due_runs(now=datetime(2026, 11, 25, 19, tzinfo=UTC)) == 1
    due = dict(Delivery.objects.filter(status="pending").values_list("customer_id", "due_at"))
    assert due[10**12] == datetime(2026, 11, 26, 0, tzinfo=UTC)
    assert due[10**12 + 1] == datetime(2026, 11, 26, 14, tzinfo=UTC)
    assert due[10**12 + 2] == due[10**12 + 3] == datetime(2026, 11, 26, 9, tzinfo=UTC)


def test_a_campaign_without_a_start_reaches_everybody_at_the_launch_also_with_local_times(everyone: Segment) -> None:
    for number, traits in ((0, {"time_zone": "Asia/Tokyo"}), (1, {"time_zone": "America/New_York"})):
        customer = everyone_customer(number)
        customer.traits = traits
        customer.save()
    campaign = make_campaign(everyone, holdout_share=0, uses_customer_time=True)
    assert describe_schedule(campaign) == "Once, as soon as it is launched"
    launch(campaign, by=None, now=NOON)
    assert campaign.runs.get().scheduled_for == NOON
    assert set(Delivery.objects.filter(status="pending").values_list("due_at", flat=True)) == {NOON}


def everyone_customer(number: int) -> Any:
    from customers.identity.models import Customer

    return Customer.objects.get(pk=10**12 + number)


def test_a_broken_segment_pauses_the_campaign_with_the_reason(everyone: Segment) -> None:
    campaign = make_campaign(everyone, starts_at=NOON + timedelta(hours=1))
    launch(campaign, by=None, now=NOON)
    Segment.objects.filter(pk=everyone.pk).update(condition={"field": "x", "op": "eq"})
    assert start_due_runs(now=NOON + timedelta(hours=1)) == 0
    campaign.refresh_from_db()
    assert (campaign.status, campaign.runs.count()) == (Campaign.Status.PAUSED, 0)
    assert "$.field" in campaign.problem
    Segment.objects.filter(pk=everyone.pk).update(condition={"all": []})
    resume(campaign, now=NOON + timedelta(hours=2))
    assert (campaign.status, campaign.problem, campaign.runs.count()) == (Campaign.Status.RUNNING, "", 1)


def test_pause_resume_and_cancel_reach_what_is_waiting(everyone: Segment) -> None:
    campaign = make_campaign(everyone, holdout_share=0)
    launch(campaign, by=None, now=NOON)
    pause(campaign)
    assert campaign.runs.get().status == CampaignRun.Status.PAUSED
    assert Delivery.objects.filter(is_paused=True).count() == 10
    assert finish_runs(now=NOON) == 0
    resume(campaign, now=NOON)
    assert Delivery.objects.filter(is_paused=True).count() == 0
    cancel(campaign, now=NOON)
    assert (campaign.status, campaign.runs.get().status) == (Campaign.Status.CANCELED, CampaignRun.Status.CANCELED)
    assert Delivery.objects.filter(status="canceled").count() == 10
    with pytest.raises(LaunchError, match="canceled"):
        resume(campaign, now=NOON)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"channel": "export", "template": None}, "channel"),
        ({"template": None}, "template"),
        ({"starts_at": NOON - timedelta(minutes=1)}, "starts_at"),
        ({"kind": "recurring", "weekdays": []}, "weekdays"),
        ({"kind": "recurring", "weekdays": [1], "ends_on": date(2026, 11, 24)}, "ends_on"),
        ({"is_transactional": True}, "holdout_share"),
    ],
)
def test_what_is_missing_is_named_by_field(everyone: Segment, fields: dict[str, Any], field: str) -> None:
    campaign = make_campaign(everyone, **fields)
    with pytest.raises(LaunchError) as error:
        launch(campaign, by=None, now=NOON)
    assert [problem.field for problem in error.value.problems] == [field]
    assert campaign.status == Campaign.Status.DRAFT


def test_a_draft_or_another_channels_message_is_refused(everyone: Segment) -> None:
    for template in (make_template(published_at=None), make_template(channel="sms")):
        with pytest.raises(LaunchError) as error:
            launch(make_campaign(everyone, template=template), by=None, now=NOON)
        assert [problem.field for problem in error.value.problems] == ["template"]


def test_the_end_of_a_run_locks_in_the_order_of_a_cancellation_so_that_they_cannot_deadlock(everyone: Segment) -> None:
    campaign = make_campaign(everyone)
    launch(campaign, by=None, now=NOON)
    update_deliveries("status = 'sent' WHERE status = 'pending'")
    with CaptureQueriesContext(connection) as queries:
        assert finish_runs(now=NOON + timedelta(days=1)) == 1
    texts = [query["sql"] for query in queries]
    lock = next(index for index, text in enumerate(texts) if "campaigns_campaign" in text and "FOR UPDATE" in text)
    assert lock < next(index for index, text in enumerate(texts) if text.startswith('UPDATE "campaigns_campaignrun"'))
