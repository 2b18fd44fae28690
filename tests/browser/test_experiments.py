"""An experiment on a placement in Chromium: created, started, stopped and promoted."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from recommendations.experiments.models import Experiment
from recommendations.serving.models import PlacementSettings
from tests.browser.conftest import open_monitored_page

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("zh-hans", 390)])
def test_an_experiment_is_promoted(
    operator: User, live_server: LiveServer, chromium: Browser, language: str, width: int
) -> None:
    PlacementSettings.objects.get_or_create(placement="for-you")
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in(reverse("experiments:new"))
    page = monitored.page
    page.fill("input[name=name]", "Variety")
    page.select_option("select[name=varied]", "placement:for-you")
    page.click("form.settings-form button")
    page.fill("input[name=b-diversity]", "0.6")
    page.click("form.settings-form button")
    monitored.settle()
    monitored.save(f"experiment-draft-{language}-{width}")
    assert not monitored.scrolls_sideways()
    page.click("form[action$='/start/'] button")
    monitored.settle()
    assert Experiment.objects.get().status == "running"
    monitored.save(f"experiment-running-{language}-{width}")
    assert not monitored.scrolls_sideways()
    page.click("form[action$='/stop/'] button")
    page.click("form[action$='/promote/'] button")
    expect(page.locator("form[action$='/undo/'] button")).to_be_visible()
    assert PlacementSettings.objects.get(placement="for-you").diversity == 0.6
    monitored.save(f"experiment-promoted-{language}-{width}")
    assert not monitored.browser_errors
