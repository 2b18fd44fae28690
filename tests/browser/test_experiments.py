"""An experiment on a placement in Chromium: created, started, stopped and promoted."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from recommendations.experiments.models import Experiment
from tests.browser.conftest import open_monitored_page
from tests.recommendations.experiments.makers import make_experiment

pytestmark = pytest.mark.acceptance
EDGES = "elements => elements.map(e => e.getBoundingClientRect()).map(box => [box.left, box.width])"
TOPS = "elements => elements.map(e => Math.round(e.getBoundingClientRect().top))"


@pytest.fixture
def interleaving(operator: User) -> Experiment:
    return make_experiment(method=Experiment.Method.INTERLEAVING, metric=Experiment.Metric.CLICKS)


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("zh-hans", 390)])
def test_an_experiment_is_promoted(
    operator: User, live_server: LiveServer, chromium: Browser, language: str, width: int
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=width, language=language)
    monitored.log_in(reverse("experiments:new"))
    page = monitored.page
    page.on("dialog", lambda dialog: dialog.accept())
    page.fill("input[name=name]", "Variety")
    page.select_option("select[name=varied]", "placement:for-you")
    page.click("form.settings-form button")
    page.fill("input[name=b-diversity]", "0.6")
    page.click("form.settings-form button")
    monitored.settle()
    monitored.save(f"experiment-draft-{language}-{width}")
    field = page.locator(".settings-field", has=page.locator("input[name=b-rules]"))
    lefts, widths = zip(*field.locator("input, label").evaluate_all(EDGES), strict=True)
    assert lefts[0] == pytest.approx(lefts[1], abs=5), "the checkbox is below its label"
    assert min(widths) < 40
    assert not monitored.scrolls_sideways()
    page.fill("input[name=b-diversity]", "0.7")
    page.click("button[name=action][value=start]")
    monitored.settle()
    monitored.save(f"experiment-running-{language}-{width}")
    expect(page.locator("dl")).to_contain_text("0.7")
    assert not monitored.scrolls_sideways()
    page.click("form[action$='/stop/'] button")
    expect(page.locator("form[action$='/stop/']")).to_have_count(0)
    page.click("form[action$='/promote/'] button")
    expect(page.locator("form[action$='/undo/'] button")).to_be_visible()
    expect(page.locator("table .badge.good")).to_have_text(
        "promoted" if language == "en" else "已应用", ignore_case=True
    )
    monitored.save(f"experiment-promoted-{language}-{width}")
    assert not monitored.browser_errors


def test_the_figures_of_tiles_with_and_without_a_note_are_at_the_same_height(
    interleaving: Experiment, live_server: LiveServer, chromium: Browser
) -> None:
    monitored = open_monitored_page(chromium, live_server.url, width=1440)
    monitored.log_in(reverse("experiments:experiment", args=[interleaving.key]))
    figures = monitored.page.locator(".home-tiles .home-figure")
    expect(figures).to_have_count(3)
    assert len(set(figures.evaluate_all(TOPS))) == 1
    monitored.save("interleaving-en-1440")
