"""The identity graph, conflicts and merges in Chromium: wide and narrow, light and dark, in both languages."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.models import Customer, IdentityConflict, IdentityMerge
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.browser.conftest import open_monitored_page
from tests.makers import make_order, make_product

pytestmark = pytest.mark.acceptance


@pytest.fixture
def site(operator: User) -> SimpleNamespace:
    """Make Li Wei with a laptop shared with another customer, a phone, and two visits before the first log-in."""
    now = datetime.now(UTC)
    common = {"source_id": 1, "occurred_at": now - timedelta(days=9)}
    resolve_people(
        events=[
            IdentityEvent(message_id=f"visit-{device}", type="page", anonymous_id=device, **common)
            for device in ("laptop", "tablet")
        ],
        at=now,
    )
    wei = CustomerChange("wei", {"name": "Li Wei 李伟", "email": "wei@shop.test", "country": "CN"})
    upsert_customers(changes=[wei, CustomerChange("guo", {"name": "Guo"})], seen_at=now)
    linking_events = [
        IdentityEvent(
            message_id="ajs-next-1763980000-login", type="track", user_id="wei", anonymous_id="laptop", **common
        ),
        IdentityEvent(
            message_id="m-tablet", type="track", user_id="wei", anonymous_id="tablet", device_id="iPad-7", **common
        ),
        IdentityEvent(message_id="m-identify", type="identify", user_id="wei", phone="+86 138 0013 8000", **common),
        IdentityEvent(
            message_id="m-alias", type="alias", user_id="wei", previous_id="3f2a77b0-6f1e-4b5c-9d2e-phone", **common
        ),
        IdentityEvent(message_id="m-shared", type="track", user_id="guo", anonymous_id="laptop", **common),
    ]
    resolve_people(events=linking_events, at=now)
    customer = Customer.objects.get(identifiers__value="wei")
    make_order(customer, placed_at=now - timedelta(days=3), products=[make_product()])
    refresh_profiles(as_of=now, started_at=now)
    return SimpleNamespace(
        customer=reverse("admin:lifecycle_customer", args=[customer.pk]),
        conflict=reverse("admin:identity_identityconflict_change", args=[IdentityConflict.objects.get().pk]),
        merge=reverse("admin:identity_identitymerge_change", args=[IdentityMerge.objects.earliest("pk").pk]),
        conflicts=reverse("admin:identity_identityconflict_changelist"),
    )


@pytest.mark.parametrize(
    ("width", "language", "dark"),
    [(1280, "zh-hans", True), (390, "en", False)],
)
def test_identity_pages_fit_and_have_no_browser_errors(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser, width: int, language: str, dark: bool
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language, dark=dark)
    monitored.log_in()
    for name in ("customer", "conflicts", "conflict", "merge"):
        monitored.open(getattr(site, name))
        if name == "conflict":
            monitored.page.click("button[value=preview]")
            monitored.page.wait_for_selector("[role=status] li")
        if name == "merge":
            monitored.page.click("button[value=preview]")
            monitored.page.wait_for_selector("[role=status]")
        monitored.save(f"identity-{name}-{language}-{width}{'-dark' if dark else ''}")
        assert not monitored.scrolls_sideways(), name
    assert not monitored.browser_errors


def test_a_conflict_is_merged_and_the_merge_is_undone(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1280)
    monitored.log_in()
    monitored.open(site.conflict)
    monitored.page.click("button[value=preview]")
    monitored.page.click("button[value=merge]")
    monitored.page.wait_for_selector("text=You can undo the merge here.")
    monitored.page.click("button[value=preview]")
    monitored.page.click("button[value=undo]")
    monitored.page.wait_for_selector("text=is a separate customer again")
    monitored.open(site.conflict)
    assert monitored.page.locator(".home-badge.identity-open").count() == 1
    assert not monitored.browser_errors


def test_the_graph_fits_its_container_and_the_current_tab_is_in_view_on_a_narrow_screen(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=390)
    monitored.log_in()
    for tab in ("overview", "privacy", "profile"):
        monitored.open(f"{site.customer}?tab={tab}")
        box = monitored.page.locator(".page-tabs [aria-current]").first.bounding_box()
        assert box is not None
        assert box["x"] >= 0, tab
        assert box["x"] + box["width"] <= 390, tab
    spills = monitored.page.evaluate(
        """() => {
            const place = document.querySelector('.identity-graph').getBoundingClientRect();
            return [...document.querySelectorAll('.identity-graph text')]
                .filter((text) => text.getBoundingClientRect().right > place.right + 1 && text.closest('.identity-drawing > svg'))
                .map((text) => text.textContent.trim());
        }"""
    )
    assert spills == []
