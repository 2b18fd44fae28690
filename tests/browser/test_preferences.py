"""A customer withdraws in the preference center, in both languages, and immediately gets what everyone gets, and no mail."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from customers.identity.consent.ledger import record_consent
from customers.identity.models import Customer
from customers.policy.document.versions import publish_policy
from customers.policy.preferences.links import make_preferences_link
from recommendations.sending.models import Delivery
from recommendations.sending.queue import queue_audience
from recommendations.sending.sender import send_due
from tests.browser.conftest import open_monitored_page
from tests.browser.kettle_shop import run_kettle_shop
from tests.config.access.callers import make_key

pytestmark = pytest.mark.acceptance
CONSENTS = ("analytics", "personalisation", "email")
WITHDRAWN = {
    "en": (
        "household-0",
        "Personal recommendations",
        "Emails with offers and news",
        "Save my choices",
        "Your choice is saved",
    ),
    "zh-hans": ("household-3", "个性化推荐", "优惠与资讯邮件", "保存我的选择", "您的选择已保存"),
}


@pytest.fixture
def site(operator: User, valkey: redis.Redis, settings: Any, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Set up two customers from Germany who have agreed to everything, the links of their messages, and a published policy."""
    with run_kettle_shop(settings, tmp_path) as site:
        site.key, site.paths = make_key("recommendations:read")[1], {}
        publish_policy(by="operator", at=datetime.now(UTC), note="", is_material=False, asks_again=False)
        for language, (user_id, *_texts) in WITHDRAWN.items():
            customer = Customer.objects.get(identifiers__value=user_id)
            Customer.objects.filter(pk=customer.pk).update(country="DE", email=f"{user_id}@shop.example")
            for purpose in CONSENTS:
                at = datetime.now(UTC) - timedelta(days=30)
                record_consent(customer=customer, purpose=purpose, status="granted", recorded_at=at)
            site.paths[language] = urlsplit(make_preferences_link(customer.pk, language=language)).path
        yield site


def run_apart[T](work: Callable[[], T]) -> T:
    """Run database work in a thread of its own, because Playwright's event loop forbids it in this one."""

    def run_and_close() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(run_and_close).result()


def send_mail(user_id: str) -> str:
    """Send a marketing email to a customer; return why it was skipped, "" if it was not."""
    now = datetime.now(UTC)
    customers = Customer.objects.filter(identifiers__value=user_id)
    queue_audience(
        origin_kind="campaign", origin_id=1, customers=customers, template_version_id=1, channel="email", due_at=now
    )
    send_due(now=now)
    return Delivery.objects.get(customer_id__in=customers.values("pk")).skip_reason


@pytest.mark.parametrize("language", WITHDRAWN)
def test_a_withdrawal_applies_at_once(
    site: SimpleNamespace, chromium: Browser, live_server: LiveServer, language: str
) -> None:
    user_id, personal, emails, save, saved = WITHDRAWN[language]
    monitored = open_monitored_page(chromium, live_server.url, width=1440, language=language)
    page = monitored.page

    def find_fallback() -> str | None:
        """Return what replaces personal recommendations; None where they are personal."""
        url = f"{live_server.url}/api/v1/recommendations/for-you/?user_id={user_id}&n=6"
        answer = page.request.get(url, headers={"Authorization": f"Bearer {site.key}"})
        assert answer.ok, answer.text()
        return answer.json()["fallback"]

    assert find_fallback() is None
    monitored.open(site.paths[language])
    monitored.save(f"preferences-{language}")
    for label in (personal, emails):
        expect(page.get_by_label(label)).to_be_checked()
        page.get_by_label(label).uncheck()
    page.get_by_role("button", name=save).click()
    expect(page.get_by_role("status")).to_contain_text(saved)
    assert find_fallback() is not None
    assert run_apart(lambda: send_mail(user_id)) == "no_consent"
    monitored.resize(390)
    assert not monitored.scrolls_sideways()
    monitored.save(f"preferences-{language}-narrow")
    page.locator("a[href^='/privacy/policy/']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text({"en": "Privacy policy", "zh-hans": "隐私政策"}[language])
    monitored.save(f"policy-{language}-narrow")
    assert not monitored.scrolls_sideways()
    assert monitored.browser_errors == []
