"""Personal data in every place that stores some, marked so that a test can search whole pages for it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from auditlog.models import LogEntry as AuditLogEntry
from django.contrib.admin.models import CHANGE
from django.contrib.admin.models import LogEntry as AdminLogEntry
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from customers.analytics.expressions.breakdowns import GroupKey
from customers.analytics.expressions.parameters import dump_parameters, hash_parameters, parse_parameters
from customers.analytics.models import AnalyticsResult, Dashboard, ResultStatus, SavedReport
from customers.analytics.questions.trends import TrendBucket, TrendLine, TrendParameters, TrendResult
from customers.events.models import Event
from customers.feedback.models import Review, SurveyAnswer
from customers.identity.customer_upsert import hash_contact_fields
from customers.identity.models import Customer, Identifier, IdentityConflict, IdentityMerge
from customers.identity.personal_data.personal_traits import seal_personal
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.orders.models import OrderEvent, OrderImport
from customers.privacy.models import PrivacyRequest
from customers.segments.models import SegmentAddition, SegmentMember
from customers.warehouse.models import ExportRun
from recommendations.campaigns.models import Campaign
from recommendations.experiments.models import ExperimentExposure
from recommendations.merchandising.models import Rule
from recommendations.sending.models import Delivery, DeliveryEvent
from recommendations.sending.suppressions.suppression_list import suppress_email
from recommendations.training.models import ModelVersion
from tests.customers.events.makers import make_event, make_rejected_event
from tests.makers import (
    NOON,
    make_consent,
    make_customer,
    make_identifier,
    make_order,
    make_product,
    make_segment,
    make_source,
)
from tests.recommendations.experiments.makers import make_experiment
from tests.recommendations.flows.makers import make_live_flow, wait
from tests.recommendations.messaging.makers import make_template
from tests.recommendations.offers.makers import make_offer

MARK = "leakplant"  # in each planted text; no encoding of HTML, URLs or JSON changes it
USER_ID = "leakplant.id@shop.example"
PHONE_USER_ID = "+8613712377099"
CHINESE_PHONE_USER_ID = "13712388099"
ANONYMOUS_ID = "leakplant.anonymous@shop.example"
NAME = "Lotta Leakplant"
EMAIL = "leakplant.mail@shop.example"
PHONE = "+4917055509876"
BIRTHDAY = "1971-03-29"
CHINESE_NAME = "漏植姓名"
# parts of the planted values as they appear in HTML, URLs and JSON, in lower case
SECRETS = (
    *(MARK, "13712377099", "13712388099", "17055509876", "5550987", "1971-03-29", "29 march 1971", "march 29, 1971"),
    *("1971年3月29日", CHINESE_NAME, json.dumps(CHINESE_NAME)[1:-1], "%e6%bc%8f%e6%a4%8d"),
)

TRAITS: dict[str, Any] = {
    "plan": "gold",
    "partnerName": "Paula Leakplant",
    "whatsapp": PHONE,
    "手机号": CHINESE_PHONE_USER_ID,
    "note": f"Write to {EMAIL}.",
    "contacts": [EMAIL, PHONE],
}
NESTED_TRAITS: dict[str, Any] = {
    "name": NAME,
    "email": EMAIL,
    "birthday": BIRTHDAY,
    "姓名": CHINESE_NAME,
    "address": {"street": "Leakplant Road 5", "city": "Leakplantstadt"},
    "company": {"name": "Tea Ltd", "manager": {"fullName": NAME, "email": EMAIL, "phones": [PHONE]}},
    "profile": {"partnerName": NAME, "微信号": "leakplant-wechat"},
    **TRAITS,
}
CONTEXT: dict[str, Any] = {
    "ip": "leakplant-address",
    "traits": NESTED_TRAITS,
    "page": {
        "path": f"/account/{EMAIL}",
        "search": "?email=leakplant.mail%40shop.example&phone=%2B4917055509876",
        "url": f"https://shop.example/?email=leakplant.mail%40shop.example&next=/{EMAIL}",
        "title": f"Account of {EMAIL}",
    },
}


def find_secret(text: str) -> str:
    """Return the first planted part in a text with its surroundings; empty if there is none."""
    lowered = text.lower()
    for secret in SECRETS:
        position = lowered.find(secret)
        if position >= 0:
            return text[max(0, position - 120) : position + 60]
    return ""


def plant_customers() -> SimpleNamespace:
    """Create a customer whose user ID is an address, one whose user ID is a phone number, and one by a guest's address."""
    fields: dict[str, Any] = {"name": NAME, "email": EMAIL, "phone": PHONE, "birthday": BIRTHDAY}
    customer = make_customer(USER_ID, **fields, language="en", country="DE", traits=TRAITS, last_seen_at=NOON)
    make_identifier(customer, ANONYMOUS_ID, kind=Identifier.Kind.ANONYMOUS_ID)
    for kind, value in hash_contact_fields({"email": EMAIL, "phone": PHONE}).values():
        make_identifier(customer, value, kind=kind)
    customer.field_updated_at = {f"traits.{name}": 1 for name in TRAITS}
    customer.save()  # a change, which the audit log records
    other = make_customer(PHONE_USER_ID, **fields, traits=TRAITS)
    make_identifier(other, CHINESE_PHONE_USER_ID)
    for person in (customer, other):
        make_consent(person, recorded_at=NOON)
    merge = IdentityMerge.objects.create(
        kept=customer,
        merged_id=other.pk + 1000,
        at=NOON,
        cause="m1",
        moved={"rows": {}, "filled": {"name": NAME}, "filled_traits": TRAITS, "values": fields},
    )
    conflict = IdentityConflict.objects.create(
        fingerprint="f1",
        reason=IdentityConflict.Reason.TWO_USER_IDS,
        at=NOON,
        last_at=NOON,
        cause="m1",
        identifiers=[{"kind": "user_id", "value": USER_ID}, {"kind": "user_id", "value": CHINESE_PHONE_USER_ID}],
        customer_ids=[customer.pk, other.pk],
    )
    conflict.status = IdentityConflict.Status.RESOLVED
    conflict.save()
    IdentityConflict.objects.filter(pk=conflict.pk).update(status=IdentityConflict.Status.OPEN)
    return SimpleNamespace(customer=customer, other=other, merge=merge, conflict=conflict)


def plant_events() -> SimpleNamespace:
    """Store events with personal data in their properties, traits, contexts, names and IDs, and two rejected events."""
    person = {"user_id": USER_ID, "anonymous_id": ANONYMOUS_ID, "session_id": "s1", "context": CONTEXT}
    identify = make_event(type=Event.Type.IDENTIFY, name="", **person, properties={"traits": NESTED_TRAITS})
    make_event(
        type=Event.Type.IDENTIFY,
        name="",
        **person,
        properties={"traits": {"plan": "gold"}, "$personal": seal_personal(NESTED_TRAITS)},
    )
    make_event(type=Event.Type.IDENTIFY, name="", **person, properties={**NESTED_TRAITS})
    make_event(name="Products Searched", **person, properties={"query": f"invoice {EMAIL}"})
    make_event(type=Event.Type.PAGE, name=f"Account of {EMAIL}", **person, properties={"url": CONTEXT["page"]["url"]})
    make_event(
        name=f"Called {PHONE}",
        **{**person, "user_id": CHINESE_PHONE_USER_ID, "anonymous_id": PHONE},
        properties={
            "customer": {"name": NAME, "email": EMAIL, "phone": PHONE},
            "shipping_address": {"name": NAME, "street": "Leakplant Road 5"},
            "recipientName": NAME,
            "buyer": {"firstName": "Lotta", "lastName": "Leakplant"},
        },
        product_ids=["tea"],
    )
    payload = {"type": "identify", "messageId": "m-r", "userId": USER_ID, "traits": NESTED_TRAITS, "context": CONTEXT}
    rejected = make_rejected_event(payload, reason=f"The user ID {USER_ID} or {PHONE} is not valid.", code="invalid")
    make_rejected_event(f'{{"userId": "{USER_ID}", "email": ', reason="The body is not JSON.", code="invalid_json")
    return SimpleNamespace(event=identify, rejected=rejected)


def plant_sales(customer: Customer, other: Customer, product: Any, exports: Path) -> SimpleNamespace:
    """Create orders, their log, an import with rejected rows, a review, a survey answer, a segment and a campaign."""
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    order = make_order(customer, products=[product], order_id="order-1", placed_at=two_days_ago)
    make_order(other, products=[product], order_id="order-2", placed_at=two_days_ago)
    OrderEvent.objects.create(
        source=order.source, message_id="o1", order_id="order-1", kind="completed", occurred_at=NOON, user_id=USER_ID
    )
    (exports / "imports").mkdir(parents=True)
    (exports / "imports" / "rejected.csv").write_text(f"order_id,email,problem\n1,{EMAIL},no date\n", encoding="utf-8")
    order_import = OrderImport.objects.create(
        source=order.source, file_name="orders.csv", started_at=NOON, error_file="imports/rejected.csv"
    )
    review = Review.objects.create(
        review_id="review-1", product=product, customer=customer, rating=5, written_at=NOON,
        title=f"Ask {EMAIL}", body=f"Call me: {PHONE} or {CHINESE_PHONE_USER_ID}, {EMAIL}",
    )  # fmt: skip
    SurveyAnswer.objects.create(
        customer=customer, kind="nps", score=9, comment=f"Answer me at {EMAIL}", answered_at=NOON
    )
    segment = make_segment("everyone", {"all": []})
    static = make_segment("handpicked", {}, kind="static")
    SegmentMember.objects.create(segment=static, customer=customer)
    addition = SegmentAddition.objects.create(segment=static, added_at=NOON, count=1)
    campaign = Campaign.objects.create(key="spring", name="Spring", segment=segment, holdout_share=0)
    make_template(key="spring")
    make_offer("spring")
    experiment = make_experiment("spring")
    ExperimentExposure.objects.create(
        experiment=experiment,
        variant=experiment.variants.get(key="b"),
        unit_key=f"user_id:{USER_ID}",
        customer=customer,
        exposed_at=NOON,
    )
    make_live_flow([wait("pause", days=1)], name="Spring")
    return SimpleNamespace(
        order=order,
        order_import=order_import,
        review=review,
        segment=segment,
        static=static,
        addition=addition,
        campaign=campaign,
    )


def plant_log_entries(customer: Customer, actor: Any) -> None:
    """Add entries to the audit log and to Django's history whose texts contain personal data, as earlier versions wrote."""
    for model, pk, text in list_logged_objects(customer):
        content_type = ContentType.objects.get_for_model(model)
        changes = {
            "traits": [json.dumps({"plan": "silver"}), json.dumps(NESTED_TRAITS)],
            "identifiers": ["[]", json.dumps([{"kind": "user_id", "value": CHINESE_PHONE_USER_ID}])],
            "reason": ["", f"The user ID {USER_ID} is not valid."],
        }
        AuditLogEntry.objects.create(
            content_type=content_type, object_pk=str(pk), object_id=pk, object_repr=text, action=1, changes=changes,
            additional_data={"email": EMAIL},
        )  # fmt: skip
        AdminLogEntry.objects.create(
            user=actor, content_type=content_type, object_id=str(pk), object_repr=text, action_flag=CHANGE,
            change_message=json.dumps([{"changed": {"fields": ["traits"]}}]),
        )  # fmt: skip


def list_logged_objects(customer: Customer) -> Iterator[tuple[Any, int, str]]:
    event = Event.objects.earliest("pk")
    yield Customer, customer.pk, f"Customer {EMAIL}"
    yield Event, event.pk, f"Account of {EMAIL}"
    yield Review, Review.objects.earliest("pk").pk, f"5★ Ask {PHONE}"


def plant_everything(actor: Any, exports: Path) -> SimpleNamespace:
    """Plant all of it and return the objects."""
    make_source("web", kind="server", name="Website")
    product = make_product("tea", title="Tea", category="Drinks > Tea", brand="House")
    people = plant_customers()
    events = plant_events()
    sales = plant_sales(people.customer, people.other, product, exports)
    plant_log_entries(people.customer, actor)
    now = datetime.now(UTC)  # the pages compute stages as of now
    refresh_profiles(as_of=now, started_at=now)
    CustomerProfile.objects.update(r=5, f=1)
    ExportRun.objects.create(table="events", started_at=NOON, finished_at=NOON)  # without one, reports show nothing
    version = ModelVersion.objects.create(
        version="v1",
        algorithm="ensemble",
        as_of=NOON,
        created_at=NOON,
        data_fingerprint="f",
        artifact="a",
        checksum="c",
    )
    rule = Rule.objects.create(name="Hide tea", action="hide", product_ids=["tea"], scenarios=["for-you"])
    delivery = plant_delivery(people.customer)
    privacy_request = PrivacyRequest.objects.create(
        kind="rectification",
        channel="page",
        regulation="gdpr",
        customer=people.customer,
        email=EMAIL,
        note=NAME,
        proposal=json.dumps({"name": NAME, "phone": PHONE}),
        received_at=NOON,
        due_at=NOON,
    )
    objects = {
        "privacy_request": privacy_request,
        "product": product,
        "version": version,
        "rule": rule,
        "delivery": delivery,
        "reports": plant_reports(),
    }
    return SimpleNamespace(**objects, **vars(people), **vars(events), **vars(sales))


def plant_delivery(customer: Customer) -> Delivery:
    """Create a delivery whose error and bounce name the address, and the suppression of it."""
    suppress_email(EMAIL, reason="hard_bounce", source="mailbox", at=NOON)
    delivery = Delivery.objects.create(
        origin_kind="campaign",
        origin_id=1,
        customer_id=customer.pk,
        template_version_id=1,
        channel="email",
        due_at=NOON,
        status="failed",
        error=f"550 <{EMAIL}>: no such user",
    )
    DeliveryEvent.objects.create(
        key="bounce-1", delivery_id=delivery.pk, kind="hard_bounce", at=NOON, detail=f"{EMAIL} is unknown"
    )
    return delivery


def plant_reports() -> list[SavedReport]:
    """Create a report whose result names the address as the label of a group, and one that asks for the address; on a dashboard."""
    days = {"since": NOON.date().isoformat(), "until": NOON.date().isoformat()}
    breakdown = {"kind": "event", "name": "query", "limit": 5}
    split = {**days, "series": [{"event": {"meaning": "search"}}], "breakdown": breakdown}
    condition = {"property": "query", "op": "eq", "value": EMAIL}
    asked = {**days, "series": [{"event": {"meaning": "search", "filters": [condition]}}]}
    reports = [
        SavedReport.objects.create(name=name, question="trends", parameters=parameters)
        for name, parameters in (("Searches", split), ("One search", asked))
    ]
    Dashboard.objects.create(name="Shop").reports.set(reports)
    parameters = parse_parameters(TrendParameters, split)
    bucket = TrendBucket(start=NOON, is_complete=True)
    line = TrendLine(
        name="A",
        event="search",
        group=GroupKey(label=EMAIL),
        values=(1.0,),
        total=1.0,
        rolling=(),
        previous=(),
        previous_total=None,
    )
    AnalyticsResult.objects.create(
        question="trends",
        parameters=dump_parameters(parameters),
        parameters_hash=hash_parameters(parameters),
        data_version=f"1 {get_amount_currency()}",  # results in another currency are not shown
        status=ResultStatus.DONE,
        started_at=NOON,
        as_of=NOON,
        content=msgspec.to_builtins(TrendResult(as_of=NOON, buckets=(bucket,), lines=(line,))),
    )
    return reports


def list_report_addresses(reports: list[SavedReport]) -> Iterator[str]:
    """Yield the pages, cards and files of the planted reports."""
    for report in reports:
        yield f"{reverse('analytics:trends')}?report={report.pk}"
        yield f"{reverse('analytics:csv', args=['trends'])}?report={report.pk}"
        yield reverse("analytics:report-card", args=[report.pk])
        for dashboard in report.dashboards.all():
            yield reverse("analytics:dashboard", args=[dashboard.pk])
