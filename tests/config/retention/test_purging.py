"""With a moved clock, every kind of data: what is older goes, what is younger stays, figures stay."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.postgres.fields import ArrayField
from django.core.management import call_command
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.foundation.database.partitions import ensure_partitions, list_partitions
from config.foundation.database.statement_timeouts import limit_statements
from config.foundation.retention import aged_rows
from config.foundation.retention.kinds import RetentionKind, list_retention_kinds
from config.foundation.retention.periods import get_retention_days, list_retention_periods
from config.retention.models import RetentionSetting
from config.retention.purging import PurgeError, purge_old_data
from customers.connectors.stored_data import retention_kinds as connector_kinds
from customers.destinations.stored_data import retention_kinds as destination_kinds
from customers.events.models import Event, EventMinute, RejectedEvent, Source
from customers.identity.models import Customer, Identifier
from customers.orders.stored_data import retention_kinds as order_kinds
from customers.segments.models import ChangedCustomer, EventCount, PendingEventCount, PendingOrderCount
from recommendations.sending.stored_data import retention_kinds as sending_kinds
from recommendations.serving.impressions.retention import IMPRESSION_PARTITIONS
from recommendations.serving.models import Impression
from recommendations.webhooks.stored_data import retention_kinds as webhook_kinds
from tests.makers import make_consent, make_customer, make_order, make_segment, make_source

pytestmark = pytest.mark.django_db
NOW = datetime(2031, 6, 15, 12, tzinfo=UTC)
YOUNG_HOURS = 1


def fill(label: str, **fields: Any) -> models.Model:
    """Create a row of a model; required fields that are not given get a value that does not matter."""
    model = apps.get_model(label)
    for item in model._meta.concrete_fields:
        is_given = item.name in fields or item.attname in fields
        if (
            is_given
            or item.null
            or item.has_default()
            or (item.primary_key and item.name in ("id", "pk"))
            or isinstance(item, models.ForeignKey)
        ):
            continue
        if isinstance(item, models.DateTimeField):
            fields[item.name] = NOW
        elif isinstance(item, models.DateField):
            fields[item.name] = NOW.date()
        elif isinstance(item, ArrayField):
            fields[item.name] = []
        elif isinstance(item, models.DecimalField):
            fields[item.name] = 1
        elif isinstance(item, models.JSONField):
            fields[item.name] = {}
        elif isinstance(item, models.IntegerField | models.FloatField):
            fields[item.name] = 0
        elif isinstance(item, models.CharField | models.TextField):
            fields[item.name] = "x" * min(item.max_length or 5, 5)
    return model._base_manager.create(**fields)


def make_visitor(at: datetime) -> Customer:
    visitor = make_customer(first_seen_at=at, last_seen_at=at)
    Identifier.objects.create(kind="anonymous_id", value=f"a{visitor.pk}", customer=visitor)
    return visitor


def write_file(folder: Path, at: datetime) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"file-{at:%Y%m%d%H}"
    path.write_text("x")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def make_impression(at: datetime) -> Impression:
    ensure_partitions(as_of=at, months_ahead=0, of=IMPRESSION_PARTITIONS)
    return fill(
        "serving.Impression", served_at=at, recommendation_id=f"r{at:%Y%m%d%H}", product_ids=["p"], first_rank=1
    )


def make_exposure(at: datetime) -> models.Model:
    experiment = fill("experiments.Experiment", key=f"e{at:%Y%m%d%H}", status="stopped", stopped_at=at)
    return fill(
        "experiments.ExperimentExposure",
        experiment=experiment,
        variant=fill("experiments.Variant", experiment=experiment),
        unit_key=f"user_id:{at:%Y%m%d%H}",
        exposed_at=at,
    )


def make_offer_exposure(at: datetime) -> models.Model:
    offer = fill("offers.Offer", key=f"o{at:%Y%m%d%H}", status="ended", ends_at=at)
    return fill("offers.OfferExposure", offer=offer, decided_at=at, anonymous_id="a", exposure_id=uuid4())


def make_undo(at: datetime) -> models.Model:
    run = fill("imports.ImportRun", state="imported", finished_at=at, undo_until=at + timedelta(days=30))
    return fill("imports.ImportChange", run=run)


def make_shop_connection(at: datetime) -> models.Model:
    source = Source.objects.create(key=f"shop-{at:%Y%m%d%H}", name="Tea", kind=Source.Kind.IMPORT)
    moment = f"{at:%Y%m%d%H}"
    return fill("connectors.ShopConnection", source=source, webhook_token=moment, address=f"https://{moment}.example")


def make_destination(at: datetime) -> models.Model:
    return fill("destinations.Destination", name=f"{at:%Y%m%d%H}", kind="webhook")


class Maker:
    """Makes a row of an age, and says whether it is still there."""

    def __init__(self, make: Callable[[datetime], Any], is_there: Callable[[Any], bool] | None = None) -> None:
        self.make = make
        self.is_there = is_there or (lambda row: type(row)._base_manager.filter(pk=row.pk).exists())


def has(**fields: Any) -> Callable[[Any], bool]:
    return lambda row: type(row)._base_manager.filter(pk=row.pk, **fields).exists()


def get_exports_folder() -> Path:
    return Path(django_settings.EXPORTS_DIR)


MAKERS: dict[str, Maker] = {
    "events:shop": Maker(
        lambda at: Event.objects.create(
            source=Source.objects.get(), message_id=f"{at:%Y%m%d%H}", type="track", occurred_at=at, received_at=at
        )
    ),
    "rejected_events": Maker(lambda at: fill("events.RejectedEvent", received_at=at)),
    "sandbox_events": Maker(
        lambda at: fill("events.SandboxEvent", source=Source.objects.get(), message_id=f"s{at:%Y%m%d%H}", received_at=at)
    ),
    "event_receipts": Maker(
        lambda at: fill("events.EventReceipt", source=Source.objects.get(), message_id=f"m{at:%Y%m%d%H}", received_at=at)
    ),
    "agent_activity": Maker(lambda at: fill("events.AgentActivity", day=at.date(), agent=f"a{at:%H}", last_at=at)),
    "visitors": Maker(make_visitor),
    "contact_claims": Maker(
        lambda at: fill("identity.ContactClaim", identifier=Identifier.objects.get(value="known"), value=f"{at:%Y%m%d%H}", claimed_at=at)
    ),
    "uploads": Maker(lambda at: write_file(get_exports_folder() / "import-uploads", at), Path.exists),
    "import_errors": Maker(lambda at: write_file(get_exports_folder() / "imports", at), Path.exists),
    "import_undo": Maker(make_undo),
    "processing_runs": Maker(lambda at: fill("processing.ProcessingRun", started_at=at, events=5_000)),
    "job_runs": Maker(lambda at: fill("jobs.ScheduledRun", started_at=at)),
    "analytics_results": Maker(lambda at: fill("analytics.AnalyticsResult", started_at=at, data_version=f"{at:%Y%m%d%H}", parameters={})),
    "anomalies": Maker(lambda at: fill("anomalies.Anomaly", day=at.date())),
    "impressions": Maker(make_impression),
    "experiment_exposures": Maker(make_exposure, has(unit_key__startswith="user_id:")),
    "performance_runs": Maker(lambda at: fill("serving.PerformanceRun", started_at=at, status="failed")),
    "offer_exposures": Maker(make_offer_exposure),
    "queued_offers": Maker(
        lambda at: fill(
            "offers.QueuedOffer", offer=fill("offers.Offer", key=f"q{at:%Y%m%d%H}"), customer=Customer.objects.first(),
            origin_id=int(at.timestamp()), expires_at=at,
        )
    ),
    "rendered_messages": Maker(lambda at: fill("sending.OutboxMessage", created_at=at)),
    "delivery_details": Maker(
        lambda at: fill("sending.Delivery", queued_at=at, status="sent", origin_id=at.year, choices={"a": 1}), has(choices={"a": 1})
    ),
    "webhook_notifications": Maker(
        lambda at: fill(
            "webhooks.WebhookNotification", created_at=at, status="dead", key=f"{at:%Y%m%d%H}",
            endpoint=fill("webhooks.WebhookEndpoint", url=f"https://x.example/{at:%Y%m%d%H}"),
        )
    ),
    "shop_webhooks": Maker(
        lambda at: fill("connectors.ReceivedWebhook", connection=make_shop_connection(at), received_at=at, status="done")
    ),
    "shop_imports": Maker(
        lambda at: fill("connectors.SyncRun", connection=make_shop_connection(at), started_at=at, status="done")
    ),
    "order_changes": Maker(
        lambda at: fill("orders.OrderChange", id=int(at.timestamp()), order_number=1, kind="updated", changed_at=at)
    ),
    "destination_records": Maker(
        lambda at: fill(
            "destinations.OutgoingRecord", destination=make_destination(at), created_at=at, status="sent", source_id=at.hour
        )
    ),
    "destination_deliveries": Maker(
        lambda at: fill(
            "destinations.DestinationBatch", destination=make_destination(at), created_at=at, status="sent", key=f"{at:%Y%m%d%H}"
        )
    ),
    "point_reservations": Maker(
        lambda at: fill(
            "loyalty.PointReservation", customer=Customer.objects.first(), points=1, created_at=at, status="confirmed"
        )
    ),
    "assistant_tokens": Maker(
        lambda at: fill(
            "oauth2_provider.AccessToken", expires=at, token=f"{at:%Y%m%d%H}", token_checksum=f"{at:%Y%m%d%H}", application=None
        )
    ),
    "audience_exports": Maker(
        lambda at: fill(
            "campaigns.AudienceExport", exported_at=at, held_out_ids=[1],
            campaign=fill("campaigns.Campaign", key=f"c{at:%Y%m%d%H}", segment=make_segment(f"s{at:%Y%m%d%H}")),
        ),
        has(held_out_ids=[1]),
    ),
    "logins": Maker(lambda at: set_moment(fill("axes.AccessLog"), attempt_time=at)),
    "idempotent_responses": Maker(lambda at: fill("access.IdempotentResponse", created_at=at, idempotency_key=f"{at:%Y%m%d%H}")),
}  # fmt: skip
# proven by tests of their own: whole seals of the audit log are deleted
PROVEN_ELSEWHERE = {"audit_log"}


def set_moment(row: Any, **fields: Any) -> Any:
    type(row)._base_manager.filter(pk=row.pk).update(**fields)
    return row


@pytest.fixture(autouse=True)
def shop(settings: Any, tmp_path: Path) -> Source:
    settings.EXPORTS_DIR = tmp_path / "exports"
    source = make_source("shop")
    make_customer("known")
    return source


def get_kind(key: str) -> RetentionKind:
    return next(kind for kind in list_retention_kinds() if kind.key == key)


@pytest.mark.parametrize("key", sorted(MAKERS))
def test_what_is_older_goes_and_what_is_younger_stays(key: str) -> None:
    maker, kind = MAKERS[key], get_kind(key)
    days = next(period.days for period in list_retention_periods() if period.key == key)
    assert days is not None
    old, young = maker.make(NOW - timedelta(days=days, hours=30)), maker.make(NOW - timedelta(hours=YOUNG_HOURS))
    limit = NOW - timedelta(days=days)
    preview = kind.preview(limit)
    assert preview.rows >= 1
    assert preview.oldest is not None
    assert (maker.is_there(old), maker.is_there(young)) == (True, True)
    assert kind.purge(limit) >= 1
    assert (maker.is_there(old), maker.is_there(young)) == (False, True)
    assert kind.purge(limit) == 0


def test_every_kind_of_data_is_proven() -> None:
    assert {kind.key for kind in list_retention_kinds()} == set(MAKERS) | PROVEN_ELSEWHERE, (
        "add a maker for the new kind"
    )


def test_known_people_visitors_who_decided_on_consent_and_figures_stay() -> None:
    old = NOW - timedelta(days=500)
    visitor, buyer, careful, named = (make_visitor(old) for _number in range(4))
    make_order(buyer)
    make_consent(careful, status="withdrawn")
    Identifier.objects.create(kind="user_id", value="ann", customer=named)
    EventMinute.objects.create(minute=old, events={"1": [5, 0]})
    deleted = purge_old_data(now=NOW)
    assert deleted["visitors"] == 1
    left = set(Customer.objects.values_list("pk", flat=True))
    assert {buyer.pk, careful.pk, named.pk} <= left
    assert visitor.pk not in left
    assert EventMinute.objects.exists()
    entry = LogEntry.objects.filter(additional_data__event="retention.purged").get()
    assert entry.additional_data["details"]["deleted"]["visitors"] == 1


def test_visitors_are_deleted_with_what_is_counted_of_them() -> None:
    old = NOW - timedelta(days=500)
    visitor, buyer = make_visitor(old), make_visitor(old)
    make_order(buyer)
    notes: tuple[type[models.Model], ...] = (PendingOrderCount, PendingEventCount, ChangedCustomer)
    for model in notes:
        model._base_manager.all().delete()
        model._base_manager.bulk_create(model(customer_id=customer.pk) for customer in (visitor, buyer))
    EventCount.objects.bulk_create(
        EventCount(customer_id=customer.pk, series_id=1, days=[1], counts=[[1, 0, 0]]) for customer in (visitor, buyer)
    )
    assert purge_old_data(now=NOW)["visitors"] == 1
    tables: tuple[type[models.Model], ...] = (*notes, EventCount)
    for model in tables:
        assert set(model._base_manager.values_list("customer_id", flat=True)) == {buyer.pk}


def test_whole_months_are_dropped_and_previewed(shop: Source) -> None:
    month = datetime(2028, 3, 1, tzinfo=UTC)
    ensure_partitions(as_of=month, months_ahead=0)
    MAKERS["events:shop"].make(month)
    kind = get_kind("events:shop")
    assert "events_event_2028_03" in kind.preview(NOW - timedelta(days=730)).partitions
    purge_old_data(now=NOW)
    assert "events_event_2028_03" not in dict(list_partitions())
    assert not Event.objects.exists()


def test_an_interrupted_deletion_continues_and_a_failed_kind_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aged_rows, "CHUNK", 2)
    for _number in range(5):
        fill("events.RejectedEvent", received_at=NOW - timedelta(days=100))
    original, calls = aged_rows.AgedRows.select, []

    def fail_at_the_second_chunk(self: Any, before: datetime) -> Any:
        calls.append(self.model)
        if self.model == "events.RejectedEvent" and calls.count(self.model) == 3:  # the search, and the two chunks
            raise ConnectionError("the server has gone away")
        return original(self, before)

    old_run = MAKERS["job_runs"].make(NOW - timedelta(days=100))
    monkeypatch.setattr(aged_rows.AgedRows, "select", fail_at_the_second_chunk)
    with pytest.raises(PurgeError, match="rejected_events"):
        purge_old_data(now=NOW)
    assert RejectedEvent.objects.count() == 3
    assert not MAKERS["job_runs"].is_there(old_run)
    assert purge_old_data(now=NOW)["rejected_events"] == 3


def test_the_page_previews_a_shorter_time_and_asks_before_it_deletes_much(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.retention.backoffice.forms.LARGE_ROWS", 2)
    for _number in range(3):
        fill("events.RejectedEvent", received_at=datetime.now(UTC) - timedelta(days=50))
    page = reverse("retention:periods")
    assert admin_client.get(page).status_code == 200
    assert admin_client.post(page, {"days-rejected_events": "0"}).status_code == 422
    preview = admin_client.post(page, {"days-rejected_events": "40", "action": "preview"})
    assert "90 days" in preview.text
    assert "confirmed_rows" in preview.text
    refused = admin_client.post(page, {"days-rejected_events": "40", "action": "save"})
    assert (refused.status_code, RetentionSetting.objects.count()) == (422, 0)
    data = {
        "days-rejected_events": "40",
        "days-events:shop": "365",
        "days-audit_log": "400",
        "action": "save",
        "confirmed_rows": "3",
    }
    assert admin_client.post(page, data).status_code == 302
    assert get_retention_days("rejected_events") == 40
    assert Source.objects.get(key="shop").retention_days == 365
    entry = LogEntry.objects.filter(additional_data__event="retention.changed").get()
    assert entry.additional_data["details"]["days"]["rejected_events"] == [90, 40]
    periods = {period.key: period.days for period in list_retention_periods()}
    assert (periods["rejected_events"], periods["audit_log"]) == (40, 400)
    assert RejectedEvent.objects.count() == 3  # only the nightly job deletes


def test_a_large_number_is_counted_up_to_a_limit(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("config.foundation.retention.kinds.COUNT_LIMIT", 3)
    monkeypatch.setattr("config.retention.backoffice.forms.LARGE_ROWS", 2)
    for number in range(5):
        fill("events.RejectedEvent", received_at=datetime.now(UTC) - timedelta(days=100))
        Event.objects.create(
            source=Source.objects.get(), message_id=f"m{number}", type="track", occurred_at=NOW, received_at=NOW
        )
    preview = get_kind("events:shop").preview(NOW + timedelta(days=1))
    assert (preview.rows, preview.oldest, preview.is_at_least) == (3, None, True)
    data = {"days-rejected_events": "40", "action": "save"}
    page = reverse("retention:periods")
    refused = admin_client.post(page, data)
    assert "more than 3" in refused.text
    assert "type the number of rows: 3." in refused.text
    assert admin_client.post(page, data | {"confirmed_rows": "3"}).status_code == 302
    call_command("purge_old_data", "--dry-run")
    assert ["rejected_events", "40", ">3"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert get_kind("rejected_events").purge(datetime.now(UTC)) == 5


def test_a_period_is_not_saved_if_counting_takes_too_long(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(self: Any, before: datetime) -> Any:
        with limit_statements(20), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(30)")

    monkeypatch.setattr(aged_rows.AgedRows, "select", sleep)
    response = admin_client.post(
        reverse("retention:periods"), {"days-rejected_events": "40", "days-order_changes": "80", "action": "save"}
    )
    assert (response.status_code, RetentionSetting.objects.count()) == (422, 0)
    assert response.text.count("Counting what would be deleted takes too long at the moment.") == 2


@pytest.mark.parametrize(
    ("key", "model", "verb"),
    [("rendered_messages", "sending.OutboxMessage", "DELETE"), ("delivery_details", "sending.Delivery", "UPDATE")],
)
def test_a_deletion_searches_the_table_once(key: str, model: str, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aged_rows, "CHUNK", 2)
    for number in range(7):
        MAKERS[key].make(NOW - timedelta(days=1000 + 366 * number))
    table = apps.get_model(model)._meta.db_table
    with CaptureQueriesContext(connection) as queries:
        assert get_kind(key).purge(NOW - timedelta(days=900)) == 7
    verbs = [query["sql"].split()[0] for query in queries if f'"{table}"' in query["sql"]]
    assert verbs == ["DECLARE", *[verb] * 4]


def test_a_chunk_leaves_out_rows_that_changed_after_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aged_rows, "CHUNK", 1)
    waiting, sent = (MAKERS["webhook_notifications"].make(NOW - timedelta(days=days)) for days in (500, 400))
    original, calls = aged_rows.AgedRows.select, []

    def change_after_the_search(self: Any, before: datetime) -> Any:
        calls.append(before)
        if len(calls) == 2:
            set_moment(waiting, status="pending")
        return original(self, before)

    monkeypatch.setattr(aged_rows.AgedRows, "select", change_after_the_search)
    assert get_kind("webhook_notifications").purge(NOW - timedelta(days=300)) == 1
    is_there = MAKERS["webhook_notifications"].is_there
    assert (is_there(waiting), is_there(sent)) == (True, False)


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (sending_kinds.DETAILS.parts[0], "sending_delivery_details"),
        (sending_kinds.DETAILS.parts[1], "sending_event_details"),
        (sending_kinds.OUTBOX, "sending_outbox_age"),
        (webhook_kinds.NOTIFICATIONS, "webhooks_notification_age"),
        (destination_kinds.RECORDS, "destinations_record_age"),
        (connector_kinds.WEBHOOKS, "connectors_webhook_age"),
        (order_kinds.CHANGES, "orders_change_age"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_search_of_large_tables_can_use_an_index(rows: aged_rows.AgedRows, index: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert index in rows.select(NOW).order_by().values_list("pk").explain()


def test_the_command_shows_what_would_go(capsys: Any) -> None:
    fill("events.RejectedEvent", received_at=datetime.now(UTC) - timedelta(days=100))
    call_command("purge_old_data", "--dry-run")
    assert [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("rejected")] == [
        ["rejected_events", "90", "1"]
    ]
    call_command("purge_old_data")
    assert not RejectedEvent.objects.exists()
