"""Pages that are not in the menu, in Chromium, on a shop with orders, profiles, a model, a segment and a campaign.

`test_navigation` walks through the pages of the menu.
"""

from collections.abc import Iterator
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
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.stages.rules import get_active_rules
from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign
from recommendations.training.models import EvaluationRun, ModelVersion
from tests.browser.conftest import open_monitored_page
from tests.browser.tea_shop import make_trained_shop
from tests.browser.test_navigation import list_pages
from tests.recommendations.shop import get_customer

pytestmark = pytest.mark.acceptance


@pytest.fixture
def site(operator: User, valkey: redis.Redis, settings: Any, tmp_path: Path) -> SimpleNamespace:
    """Make orders, warehouse, profiles, a model, a segment and a campaign; return the page URLs by name."""
    now = make_trained_shop(settings, tmp_path)
    refresh_profiles(as_of=now, started_at=now)
    segment = Segment.objects.create(
        key="buyers", name="Buyers", condition={"all": [{"field": "orders", "op": "gte", "value": 2}]}
    )
    campaign = Campaign.objects.create(
        key="tea-week", name="Tea week", segment=segment, channel="export", holdout_share=0.1
    )
    customer = get_customer("user-0")
    product = Product.objects.get(product_id="tea-0")
    return SimpleNamespace(
        pages={
            "customer": reverse("admin:lifecycle_customer", args=[customer.pk]),
            "moved": f"{reverse('admin:lifecycle_drilldown')}?figure=stage-flow&from=unknown&to=loyal",
            "stage-rules": reverse("admin:lifecycle_stagerules_change", args=[get_active_rules().pk]),  # type: ignore[union-attr]
            "customer-recommendations": reverse("admin:serving_for_customer", args=[customer.pk]),
            "product": reverse("admin:catalog_product_change", args=[product.pk]),
            "product-similar": reverse("admin:serving_similar", args=[product.product_id]),
            "upload": reverse("imports:new", args=["products"]),
            "segment": reverse("admin:segments_segment_change", args=[segment.pk]),
            "segment-members": reverse("admin:segments_segment_members", args=[segment.pk]),
            "campaign": reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
            "campaign-preview": reverse("admin:campaigns_campaign_preview", args=[campaign.pk]),
            "model-version": reverse("admin:training_modelversion_change", args=[ModelVersion.objects.get().pk]),
            "evaluation": reverse("admin:training_evaluationrun_change", args=[EvaluationRun.objects.latest("pk").pk]),
            "api-docs": reverse("docs"),
        },
        lists_and_forms=sorted(set(list_forms_and_changelists(operator)) - set(list_pages(operator))),
    )


def test_pages_lists_and_forms_open_without_browser_errors_and_pages_fit(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    """The shop takes as long to make as its pages take to open: one test for both languages and widths."""
    problems = []
    for language, width, pages in (
        ("en", 1440, site.pages),
        ("zh-hans", 390, site.pages),
        ("zh-hans", 1440, {address: address for address in site.lists_and_forms}),
    ):
        monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
        monitored.log_in()
        for name, address in pages.items():
            monitored.browser_errors.clear()
            monitored.open(address)
            monitored.save(f"{name.strip('/').replace('/', '-')}-{language}-{width}")
            problems += [f"{name} in {language} at {width}: {error}" for error in monitored.browser_errors]
            if name in site.pages and name != "api-docs" and monitored.scrolls_sideways():
                problems.append(f"{name} in {language} at {width} scrolls sideways")
    assert not problems, "\n".join(problems)


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
