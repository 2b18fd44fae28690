"""Questions of a colleague, counted in clicks: who became at risk and why, is the model good, who is this customer.

The other walks of a marketer are in test_segments.py, test_recommendations.py and test_imports.py.
"""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, expect
from pytest_django.live_server_helper import LiveServer

from customers.lifecycle.models import CustomerProfile, Stage, StageRules, StageTransition
from tests.browser.conftest import MonitoredPage, open_monitored_page
from tests.makers import make_identifier, make_order

pytestmark = pytest.mark.acceptance
TEXTS = {
    "en": {
        "at_risk": "At risk",
        "entered": "Entered “at risk”",
        "why": "the time since the last order exceeds the usual gap",
        "quality": "Quality of recommendations",
        "verdict": "89% later bought at least one of their 10 recommended products",
        "sentence": "A customer at risk",
    },
    "zh-hans": {
        "at_risk": "流失风险",
        "entered": "进入“流失风险”",
        "why": "距上一单的时间超过通常间隔",
        "quality": "推荐效果",
        "verdict": "89% 后来购买了所推荐 10 件商品中的至少一件",
        "sentence": "流失风险客户",
    },
}


class Clicks:
    """Counts the clicks and typed fields of a walk."""

    def __init__(self, monitored: MonitoredPage) -> None:
        self.monitored = monitored
        self.count = 0

    def click(self, target: Locator) -> None:
        self.count += 1
        target.click()
        self.monitored.settle()


@pytest.fixture
def site(shop: SimpleNamespace) -> SimpleNamespace:
    """Let one customer, household-900, become at risk."""
    customer, now = shop.customers[-1], timezone.now()
    make_identifier(customer, "household-900")
    make_order(customer, placed_at=now - timedelta(days=45))
    CustomerProfile.objects.filter(stage=Stage.AT_RISK).update(stage=Stage.LOYAL)
    CustomerProfile.objects.filter(pk=customer.pk).update(stage=Stage.AT_RISK, orders=1, last_order_at=now)
    StageTransition.objects.create(
        customer=customer,
        from_stage=Stage.LOYAL,
        to_stage=Stage.AT_RISK,
        at=now - timedelta(days=2),
        reason=StageTransition.Reason.GAP_LONG,
        rules=StageRules.objects.get(),
    )
    return shop


def test_questions_of_a_colleague_take_three_clicks_at_most(
    site: SimpleNamespace, live_server: LiveServer, chromium: Browser
) -> None:
    for language, width in (("en", 1440), ("zh-hans", 390)):
        monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
        monitored.log_in()
        page, texts = monitored.page, TEXTS[language]

        walk = Clicks(monitored)
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=texts["at_risk"], exact=True))
        walk.click(row.get_by_role("link").nth(1))
        expect(page.get_by_role("heading", name=texts["entered"])).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="household-900")).to_contain_text(re.compile(texts["why"], re.I))
        assert walk.count <= 3
        monitored.save(f"at-risk-{language}-{width}")
        assert not monitored.scrolls_sideways()

        monitored.open("/admin/")
        walk = Clicks(monitored)
        walk.click(page.get_by_role("link", name=texts["quality"]))
        expect(page.locator(".page-verdict")).to_contain_text(texts["verdict"])
        assert walk.count == 1

        monitored.open("/admin/")
        page.keyboard.press("Control+k")
        page.keyboard.type("household-900")
        page.get_by_role("option").or_(page.locator("dialog a")).filter(has_text="household-900").first.click()
        expect(page.get_by_text(texts["sentence"]).first).to_be_visible()
        expect(page.locator(".home-tiles").first).to_contain_text(texts["at_risk"], ignore_case=True)
        assert not monitored.scrolls_sideways()
        page.locator("[data-chart=stage-chart]").scroll_into_view_if_needed()
        expect(page.locator("[data-chart=stage-chart][data-ready]")).to_be_visible()  # drawn, with its errors
        monitored.settle()
        assert not monitored.browser_errors
