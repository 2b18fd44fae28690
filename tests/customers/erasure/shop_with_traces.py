"""A shop in which one customer has left a trace in every kind of store, and another one who must stay as she is."""

import gzip
import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import redis
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.cache import cache

from config.access.models import IdempotentResponse
from customers.analytics.models import AnalyticsResult
from customers.events.models import Event, RejectedEvent
from customers.feedback.models import Review, SurveyAnswer
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer
from customers.identity.personal_data.hashing import hash_email, hash_wechat_id
from customers.imports.models import ImportRun
from customers.lifecycle.models import CustomerProfile
from customers.segments.models import SegmentMember
from customers.warehouse.export import export_warehouse
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.engine.data.id_map import IdMap
from recommendations.experiments.kept_variants import make_key
from recommendations.experiments.models import ExperimentExposure
from recommendations.past_campaigns.models import PastCampaign
from recommendations.sending.models import Delivery, DeliveryEvent, OutboxMessage, PushSubscription
from recommendations.serving.models import Impression
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import Artifact, save_artifact
from tests.customers.events.makers import make_event, make_rejected_event
from tests.makers import (
    NOON,
    make_consent,
    make_customer,
    make_identifier,
    make_order,
    make_product,
    make_segment,
)
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, update_deliveries
from tests.recommendations.experiments.makers import make_exposure

USER, VISITOR, OLD_VISITOR = "erasure-user-4711", "erasure-visitor-0815", "erasure-visitor-0816"
NAME, EMAIL, PHONE = "Ada Quillfeather", "ada.quillfeather@mail.example", "+4915112345678"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
COMMENT = "Yours, Ada Quillfeather"
DAY = timedelta(days=1)


def use_own_folders(settings: Any, root: Path) -> None:
    """Give the test folders of its own, in which the proof searches."""
    settings.VAR_DIR = root
    settings.WAREHOUSE_URL = str(root / "warehouse")
    for name in ("MODELS_DIR", "MERCHANDISING_DIR", "EXPORTS_DIR"):
        setattr(settings, name, root / name.removesuffix("_DIR").lower())


def make_ada() -> Customer:
    """Create the customer, with a visitor who was merged into her."""
    ada = make_customer(
        USER,
        name=NAME,
        email=EMAIL,
        phone=PHONE,
        traits={"address": "12 Quillfeather Lane", "wechat_openid": OPENID},
        language="en",
    )
    make_identifier(ada, VISITOR, kind="anonymous_id")
    make_identifier(ada, hash_email(EMAIL), kind="email_hash")
    make_identifier(ada, hash_wechat_id(OPENID), kind="openid_hash")
    visitor = make_customer()
    make_identifier(visitor, OLD_VISITOR, kind="anonymous_id")
    merge_customers(pairs=[(ada.pk, visitor.pk)], at=NOON, causes=["erasure-user-4711 logged in"])
    CustomerProfile.objects.update_or_create(customer=ada, defaults={"stage": "loyal"})  # the merge has counted her
    make_consent(ada, recorded_at=NOON - 50 * DAY)
    return ada


def make_traces(ada: Customer, valkey: redis.Redis, root: Path) -> Campaign:
    """Leave a trace of Ada in every kind of store; return the campaign that reached her."""
    tea = make_product("tea", price=Decimal(20))
    make_order(ada, placed_at=NOON + DAY, products=[tea], order_id="A-1")
    make_order(None, placed_at=NOON, products=[tea], order_id="A-2", guest_email_hash=hash_email(EMAIL))
    make_events(tea.product_id)
    make_feedback(ada, tea)
    campaign = make_campaign_results(ada)
    make_recommendation_rows(ada)
    make_texts(ada)
    make_files(ada, root)
    make_keys(valkey)
    export_warehouse(started_at=NOON + 2 * DAY)
    return campaign


def make_events(product_id: str) -> None:
    make_event(
        user_id=USER,
        anonymous_id=VISITOR,
        product_ids=[product_id],
        session_id="s1",
        properties={"query": f"gift for {NAME}"},
    )
    make_event(
        user_id="",
        anonymous_id=OLD_VISITOR,
        name="Page Viewed",
        type="page",
        properties={"path": "/tea"},
        context={"ip": "::1"},
    )
    make_event(user_id="bob", product_ids=[product_id], properties={"query": "tea"})
    make_rejected_event({"type": "track", "userId": USER, "messageId": "m-wrong"})
    make_rejected_event({"type": "track", "userId": "bob", "messageId": "m-other"})


def make_feedback(ada: Customer, tea: Any) -> None:
    Review.objects.create(
        review_id=f"review-of-{USER}",
        product=tea,
        customer=ada,
        rating=5,
        title="Fine",
        body=f"{COMMENT} says: fine.",
        written_at=NOON,
    )
    SurveyAnswer.objects.create(customer=ada, kind="nps", score=9, comment=COMMENT, answered_at=NOON, link_id="link-1")
    SegmentMember.objects.create(segment=make_segment("vip", kind="static"), customer=ada)


def make_campaign_results(ada: Customer) -> Campaign:
    """Send a campaign to twenty others and Ada, who buys after it; her message and its click are stored."""
    make_reachable(20)
    campaign = make_campaign(attribution_days=7)
    launch(campaign, by=None, now=NOON)
    update_deliveries("status = 'sent', sent_at = %s WHERE status = 'pending'", NOON)
    CampaignRun.objects.update(status="finished")
    delivery = Delivery.objects.get(customer_id=ada.pk)
    Delivery.objects.filter(pk=delivery.pk).update(event={"name": NAME}, clicked_at=NOON, provider_id="provider-1")
    DeliveryEvent.objects.create(
        key="k1",
        delivery_id=delivery.pk,
        kind="click",
        at=NOON,
        url=f"https://shop.example/tea?user={USER}",
        detail=EMAIL,
    )
    OutboxMessage.objects.create(
        delivery_id=delivery.pk,
        customer_id=ada.pk,
        channel="email",
        recipient=EMAIL,
        subject=f"Dear {NAME}",
        created_at=NOON,
        text="Tea!",
    )
    PushSubscription.objects.create(
        customer_id=ada.pk,
        endpoint="https://push.example/1",
        endpoint_hash="e1",
        public_key="p",
        auth_secret="s",
        created_at=NOON,
    )
    PastCampaign.objects.create(
        key="past", name="Past", kind="coupon", is_targeted=True, starts_on=NOON.date(), ends_on=NOON.date(), recipient_ids=[ada.pk],
        redeemer_ids=[], redemption_days=[], coupons=0, products=0,
    )  # fmt: skip
    return campaign


def make_recommendation_rows(ada: Customer) -> None:
    exposure = make_exposure(ada)
    ExperimentExposure.objects.filter(pk=exposure.pk).update(unit_key=f"user_id:{USER}")
    for number, fields in enumerate(({"user_id": USER, "customer": ada}, {"anonymous_id": VISITOR})):
        Impression.objects.create(
            recommendation_id=f"r{number}",
            scenario="for-you",
            model_version="m",
            strategy="s",
            served_at=NOON,
            **fields,
        )


def make_texts(ada: Customer) -> None:
    """Name Ada in free texts: results, responses, the audit log, and an import's report."""
    AnalyticsResult.objects.create(
        question="people",
        parameters={},
        parameters_hash="h1",
        data_version="v1",
        status="done",
        content={"people": [USER]},
        started_at=NOON,
    )
    IdempotentResponse.objects.create(
        api_key="k", idempotency_key="i", request_hash="h", status=200, body={"user_id": USER}, created_at=NOON
    )
    LogEntry.objects.create(
        content_type=ContentType.objects.get_for_model(Customer), object_pk=str(ada.pk), object_id=ada.pk, object_repr=f"#{ada.pk}",
        action=1, changes={"language": ["", "en"]}, additional_data={"event": "identity.merged", "pks": [ada.pk], "note": USER},
    )  # fmt: skip
    ImportRun.objects.create(
        kind="customers",
        file_name="c.csv",
        started_at=NOON,
        created_at=NOON,
        problems={f"duplicate: {EMAIL}": 1},
        error="",
    )


def make_files(ada: Customer, root: Path) -> None:
    """Write uploads, rejected rows, a log and a model."""
    uploads, logs = root / "exports" / "import-uploads", root / "log"
    for folder in (uploads, logs):
        folder.mkdir(parents=True)
    (uploads / "customers.csv").write_text(f"user_id,email\nbob,bob@mail.example\n{USER},{EMAIL}\n")
    (uploads / "customers.csv.gz").write_bytes(gzip.compress(f"{USER};{EMAIL}\n".encode()))
    (logs / "worker.log").write_text(f"started\nfailed for user {USER}\nended\n")
    names = IdMap.of([f"user_id:{USER}", "user_id:bob"])
    customers = IdMap.of([str(ada.pk), str(ada.pk + 1000)])
    arrays = {
        "model": {"weights": np.ones(2, np.float32)},
        "identifiers": names.to_arrays(),
        "customers": customers.to_arrays(),
    }
    checksum = save_artifact(folder=root / "models" / "blend-1", artifact=Artifact.from_parts(arrays, {}))
    ModelVersion.objects.create(
        version="blend-1",
        algorithm="blend",
        as_of=NOON,
        artifact="blend-1",
        checksum=checksum,
        status="active",
        created_at=NOON,
    )


def make_keys(valkey: redis.Redis) -> None:
    """Store recent interactions, a kept variant, a waiting job and cached figures."""
    valkey.zadd(f"recent:user_id:{USER}", {"vabc:tea": 1})
    valkey.set(f"denied:email_hash:{hash_email(EMAIL)}", 1)
    valkey.sadd("group:g1", f"user_id:{USER}", f"anonymous_id:{VISITOR}")
    valkey.set(f"group-of:user_id:{USER}", "g1")
    valkey.zadd("recent:user_id:bob", {"vabc:tea": 1})
    valkey.set(make_key(1, f"user_id:{USER}"), "1:1:1")
    valkey.rpush("celery:celery", json.dumps({"body": "", "headers": {"argsrepr": f"('{EMAIL}',)"}}))
    valkey.rpush("celery:celery", json.dumps({"body": "", "headers": {"argsrepr": "('other',)"}}))
    cache.set("figures", f"{NAME} bought most", 60)


def count_rows() -> dict[str, int]:
    """Return how many rows results and revenue are computed from."""
    return {
        model._meta.label: model._default_manager.count()
        for model in (Event, Review, SurveyAnswer, Delivery, Impression, RejectedEvent)
    }
