"""The pages of every app in Chromium, in both languages, on a shop with orders, profiles, a model, a segment and a campaign."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.urls import NoReverseMatch, reverse
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from catalog.models import Product
from customers.lifecycle.backoffice.navigation import LIFECYCLE_PAGES
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.stages.rules import get_active_rules
from customers.segments.models import Segment
from customers.warehouse.export import export_warehouse
from recommendations.campaigns.models import Campaign
from recommendations.training.models import EvaluationRun
from recommendations.training.train import train
from tests.browser.conftest import open_monitored_page
from tests.recommendations.shop import get_customer, make_tea_and_coffee_shop

pytestmark = pytest.mark.acceptance

PHONE_PAGES = (
    *("home", "customers", "customer", "product-similar", "segment", "segment-members", "campaign-preview"),
    *(f"lifecycle-{name}" for name in LIFECYCLE_PAGES),
)


@pytest.fixture
def site(operator: User, valkey: redis.Redis, settings: Any, tmp_path: Path) -> SimpleNamespace:
    """Make orders, warehouse, profiles, a model, a segment and a campaign; return the page URLs by name."""
    settings.WAREHOUSE_URL, settings.MODELS_DIR = str(tmp_path / "warehouse"), tmp_path / "models"
    settings.TRAINING_SECONDS = 2
    now = datetime.now(UTC)
    make_tea_and_coffee_shop(until=now)
    export_warehouse(started_at=now)
    refresh_profiles(as_of=now, started_at=now)
    version = train(as_of=now, started_at=now)
    segment = Segment.objects.create(
        key="buyers", name="Buyers", condition={"all": [{"field": "orders", "op": "gte", "value": 2}]}
    )
    campaign = Campaign.objects.create(
        key="tea-week", name="Tea week", segment=segment, channel="csv", holdout_share=0.1
    )
    customer = get_customer("user-0")
    product = Product.objects.get(product_id="tea-0")
    return SimpleNamespace(
        pages={
            "home": reverse("admin:index"),
            "customers": reverse("customer_list:list"),
            "customer": reverse("admin:lifecycle_customer", args=[customer.pk]),
            **{f"lifecycle-{name}": reverse(f"admin:lifecycle_{name}") for name in LIFECYCLE_PAGES},
            "moved": f"{reverse('admin:lifecycle_drilldown')}?figure=stage-flow&from=unknown&to=loyal",
            "stage-rules": reverse("admin:lifecycle_stagerules_change", args=[get_active_rules().pk]),  # type: ignore[union-attr]
            "customer-recommendations": reverse("admin:serving_for_customer", args=[customer.pk]),
            "product": reverse("admin:catalog_product_change", args=[product.pk]),
            "product-similar": reverse("admin:serving_similar", args=[product.product_id]),
            "products": reverse("admin:catalog_product_changelist"),
            "upload": reverse("imports:new", args=["products"]),
            "segment": reverse("admin:segments_segment_change", args=[segment.pk]),
            "segment-members": reverse("admin:segments_segment_members", args=[segment.pk]),
            "campaign": reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
            "campaign-preview": reverse("admin:campaigns_campaign_preview", args=[campaign.pk]),
            "model-version": reverse("admin:training_modelversion_change", args=[version.pk]),
            "evaluation": reverse("admin:training_evaluationrun_change", args=[EvaluationRun.objects.latest("pk").pk]),
            "schedule": reverse("admin:django_celery_beat_periodictask_changelist"),
            "api-docs": reverse("docs"),
        },
        lists_and_forms=list(list_forms_and_changelists(operator)),
    )


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_pages_open_without_browser_errors_and_fit_on_a_phone(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser, language: str
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language=language)
    monitored.log_in()
    for name, address in site.pages.items():
        monitored.open(address)
        monitored.save(f"{name}-{language}")
        assert not monitored.browser_errors, name
    monitored.resize(390)
    for name in PHONE_PAGES:
        monitored.open(site.pages[name])
        monitored.save(f"{name}-{language}-390")
        assert not monitored.scrolls_sideways(), name
        assert not monitored.browser_errors, name


def test_every_list_and_form_opens_without_browser_errors(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language="zh-hans")
    monitored.log_in()
    for address in site.lists_and_forms:
        monitored.open(address)
        assert not monitored.browser_errors, address


def list_forms_and_changelists(user: User) -> Iterator[str]:
    """Yield the URLs of every list, add form and change form of the first object, where they exist."""
    request = RequestFactory().get("/")
    request.user = user
    for model, model_admin in admin.site._registry.items():
        names = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        try:
            yield reverse(f"{names}_changelist")
            if (first := model._default_manager.first()) is not None:
                yield reverse(f"{names}_change", args=[first.pk])
            if model_admin.has_add_permission(request):
                yield reverse(f"{names}_add")
        except NoReverseMatch:
            continue
