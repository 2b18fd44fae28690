"""A/B tests of messages in the form, on the pages and over REST."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from recommendations.campaigns.backoffice.campaign.message_test_panel import describe_tests
from recommendations.campaigns.backoffice.delivery_panel import describe_reason
from recommendations.campaigns.launch.message_tests import decide_ended_tests
from recommendations.campaigns.launch.transitions import cancel, launch, pause
from recommendations.campaigns.models import Campaign
from recommendations.sending.models import Delivery
from tests.makers import make_segment
from tests.recommendations.campaigns.backoffice.test_campaign_pages import MARKETER, build_form, change_url, login
from tests.recommendations.campaigns.makers import make_campaign, make_reachable, make_template, update_deliveries
from tests.recommendations.campaigns.rest.test_documented_calls import make_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer() -> Client:
    return login(*MARKETER)


@pytest.fixture
def api() -> APIClient:
    return make_client("campaigns:read", "campaigns:write")


def start_test(**fields: Any) -> Campaign:
    """Launch a campaign with a test that was sent to most of 130 customers five hours ago."""
    make_reachable(130)
    campaign = make_campaign(
        make_segment("everyone"),
        holdout_share=0,
        name="News",
        test_template=make_template(),
        test_share="0.9",
        **fields,
    )
    sent_at = timezone.now() - timedelta(hours=5)
    launch(campaign, by=None, now=sent_at)
    update_deliveries("status = 'sent', sent_at = %s WHERE test_part = 'test'", sent_at)
    run = campaign.runs.get()
    assert run.test_version_id is not None
    opened = (
        Delivery.objects.filter(template_version_id=run.test_version_id).order_by("pk").values_list("pk", flat=True)
    )
    update_deliveries("opened_at = sent_at + interval '1 hour' WHERE id = ANY(%s)", list(opened[:30]))
    return campaign


def test_a_test_is_saved_and_its_plan_says_how_many_customers_it_reaches(marketer: Client) -> None:
    make_reachable(20)
    segment, other = make_segment("everyone"), make_template()
    values = build_form(
        segment, test_template=other.pk, test_percent="50", test_hours="6", test_metric="clicks", holdout_percent="0"
    )
    estimate = marketer.post(reverse("admin:campaigns_campaign_estimate"), values, headers={"HX-Request": "true"})
    assert "A and B go to about 5 customers each, the winner to the other 10." in estimate.text
    assert "6 hours after the last message of the test" in estimate.text
    assert "With fewer than 50 messages each" in estimate.text
    marketer.post(reverse("admin:campaigns_campaign_add"), values)
    campaign = Campaign.objects.get()
    saved = (campaign.test_template, campaign.test_share, campaign.test_hours, campaign.test_metric)
    assert saved == (other, Decimal("0.5"), 6, "clicks")
    copied = marketer.get(f"{reverse('admin:campaigns_campaign_add')}?copy={campaign.pk}").context["form"]
    shown = [copied[name].value() for name in ("test_template", "test_percent", "test_hours", "test_metric")]
    assert shown == [other.pk, "50", 6, "clicks"]
    page = marketer.get(change_url(campaign)).text
    assert f"B: {other.name}; 50.0% of the audience, 6 h, clicks" in page


def test_a_form_without_the_fields_of_the_test_saves_a_campaign_without_one(marketer: Client) -> None:
    marketer.post(reverse("admin:campaigns_campaign_add"), build_form(make_segment("everyone")))
    campaign = Campaign.objects.get()
    assert (campaign.test_template, campaign.test_share, campaign.test_hours) == (None, Decimal("0.2"), 4)


@pytest.mark.parametrize(
    ("fields", "field", "text"),
    [
        (
            {"kind": "recurring", "weekdays": ["4"]},
            "test_template",
            "Only a campaign that is sent once can have a test",
        ),
        ({"channel": "export"}, "test_template", "Another system sends this campaign"),
        ({"channel": "sms"}, "test_metric", "Opens are known for emails only"),
        ({"test_percent": "95"}, "test_percent", "less than or equal to 90"),
        ({"test_hours": "0"}, "test_hours", "greater than or equal to 1"),
    ],
)
def test_the_form_names_the_field_and_the_fix(marketer: Client, fields: dict[str, Any], field: str, text: str) -> None:
    test = {"test_template": make_template().pk, "test_percent": "20", "test_hours": "4", "test_metric": "opens"}
    values = build_form(make_segment("everyone"), **{**test, **fields})
    response = marketer.post(reverse("admin:campaigns_campaign_add"), values)
    assert response.status_code == 422
    assert text in str(response.context["form"].errors[field])
    assert not Campaign.objects.exists()


def test_the_page_and_the_list_show_the_test_and_then_the_winner(marketer: Client) -> None:
    campaign = start_test()
    lists = reverse("admin:campaigns_campaign_changelist")
    assert "Running · Testing until" in marketer.get(lists).text
    page = marketer.get(change_url(campaign)).text
    assert "Testing until" in page
    assert "percentage points" not in page
    assert decide_ended_tests(now=timezone.now()) == 1
    figures = campaign.runs.get().test_figures
    rate = f"{figures['b']['reacted'] / figures['b']['sent']:.1%}"
    assert f"Running · Winner: B, {rate} vs. 0.0% opened" in marketer.get(lists).text
    page = marketer.get(change_url(campaign)).text
    assert f"Winner: B, {rate} vs. 0.0% opened" in page
    assert "Rest: message B, sent later" in page
    assert "percentage points (95% interval" in page


def test_a_paused_and_a_canceled_test_say_so() -> None:
    campaign = start_test()
    pause(campaign)
    assert describe_tests([campaign.pk]) == {campaign.pk: "Paused during the test"}
    cancel(campaign, now=timezone.now())
    assert describe_tests() == {campaign.pk: "Canceled during the test"}


def test_a_customer_page_says_who_waits_for_the_winner() -> None:
    start_test()
    waiting = Delivery.objects.filter(test_part="waiting").first()
    assert waiting is not None
    assert describe_reason(waiting) == "Waits for the winner of the A/B test."


def test_a_test_over_rest(api: APIClient) -> None:
    segment, own, other = make_segment("everyone"), make_template(), make_template()
    values = {"key": "spring", "name": "Spring", "channel": "email", "segment": segment.key, "template": own.key}
    created = api.post("/api/v1/campaigns/", {**values, "test_template": other.key, "test_share": "0.3"}, format="json")
    assert created.status_code == 201
    test = {name: created.json()[name] for name in ("test_template", "test_share", "test_hours", "test_metric")}
    assert test == {"test_template": other.key, "test_share": "0.3000", "test_hours": 4, "test_metric": "opens"}
    url = "/api/v1/campaigns/spring/"
    for change, field in (
        ({"kind": "recurring"}, "test_template"),
        ({"test_template": own.key}, "test_template"),
        ({"test_share": "0.95"}, "test_share"),
        ({"test_hours": 0}, "test_hours"),
        ({"channel": "sms"}, "test_metric"),
    ):
        refused = api.patch(url, change, format="json")
        assert (refused.status_code, field in refused.text) == (400, True), change
    assert api.patch(url, {"kind": "recurring", "test_template": None}, format="json").status_code == 200
    assert Campaign.objects.get().test_template is None


def test_the_test_is_locked_after_the_launch_and_its_figures_are_in_the_results(api: APIClient) -> None:
    campaign = start_test()
    url = f"/api/v1/campaigns/{campaign.key}/"
    refused = api.patch(url, {"test_hours": 1}, format="json")
    assert (refused.status_code, "test_hours" in refused.text) == (400, True)
    assert decide_ended_tests(now=timezone.now()) == 1
    test = api.get(f"{url}results/").json()["test"]
    assert (test["outcome"], test["a"]["reacted"], test["b"]["reacted"]) == ("b", 0, 30)
    assert test["difference"]["low"] > 0
    assert test["rest"]["sent"] == 0
