"""Two people who edit the same object: each form keeps what the other has saved since it was opened."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from customers.segments.models import Segment
from recommendations.campaigns.models import Campaign
from recommendations.merchandising.models import Rule
from recommendations.offers.models import Offer
from tests.makers import make_segment
from tests.recommendations.campaigns.makers import make_campaign
from tests.recommendations.offers.makers import make_offer

pytestmark = pytest.mark.django_db

REFUSED = "Somebody else has changed this field since you opened the page."
OPENED_STATE = re.compile(r'name="([\w-]*opened_state)" value="([^"]+)"')


@pytest.fixture
def marketer(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def open_form(client: Client, url: str) -> dict[str, str]:
    """Return the hidden fields of a page that say what was stored when it was opened."""
    fields = dict(OPENED_STATE.findall(client.get(url).text))
    assert fields, "the page has no such field"
    return fields


def test_a_campaign_keeps_the_segment_and_the_time_that_a_colleague_chose(marketer: Client) -> None:
    segments = [make_segment("first"), make_segment("second")]
    campaign = make_campaign(segments[0], name="Spring", starts_at=datetime(2030, 5, 1, 8, tzinfo=UTC))
    campaign.excluded_segments.add(make_segment("excluded"))
    url = reverse("admin:campaigns_campaign_edit", args=[campaign.pk])
    opened = open_form(marketer, url)
    form = {
        **{"name": "Spring", "segment": segments[0].pk, "channel": "email", "template": campaign.template_id},
        **{"priority": campaign.priority, "kind": "once", "starts_at": "2030-05-01T08:00", "frequency": "weekly"},
        **{"month_day": 1, "send_time": "10:00", "holdout_percent": "50", "goal": campaign.goal},
        **{
            "attribution_days": campaign.attribution_days,
            "excluded_segments": [Segment.objects.get(key="excluded").pk],
        },
        **{"required_consent": campaign.required_consent, "action": "save", **opened},
    }
    moved = datetime(2030, 5, 2, 8, tzinfo=UTC)
    Campaign.objects.filter(pk=campaign.pk).update(segment=segments[1], starts_at=moved, holdout_share=Decimal("0.2"))
    assert marketer.post(url, {**form, "name": "Spring sale"}).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.name, campaign.segment, campaign.starts_at) == ("Spring sale", segments[1], moved)
    assert campaign.holdout_share == Decimal("0.2")
    campaign.excluded_segments.clear()
    refused = marketer.post(url, {**form, "name": "Summer", "holdout_percent": "30", "excluded_segments": []})
    assert refused.text.count(REFUSED) == 2, "the name and the holdout group"
    assert marketer.post(url, {**form, "name": "Spring sale"}).status_code == 302
    assert not campaign.excluded_segments.exists(), "a colleague removed it, so it stays removed"


def test_an_offer_keeps_the_text_that_a_colleague_wrote(marketer: Client) -> None:
    offer = make_offer("sale")
    [content] = offer.contents.all()
    url = reverse("admin:offers_offer_change", args=[offer.pk])
    opened = open_form(marketer, url)
    form: dict[str, Any] = {
        **{"name": offer.name, "placement": offer.placement, "priority": offer.priority},
        **{"max_shows_per_day": offer.max_shows_per_day, "holdout_share": offer.holdout_share},
        **{"contents-TOTAL_FORMS": "1", "contents-INITIAL_FORMS": "1", "contents-0-id": content.pk},
        **{"contents-0-offer": offer.pk, "contents-0-language": content.language, "contents-0-title": content.title},
        **{"contents-0-text": content.text, "contents-0-button": content.button, "contents-0-url": content.url},
        **{"contents-0-image_url": content.image_url, "_save": "Save", **opened},
    }
    offer.contents.update(title="Half price")
    Offer.objects.filter(pk=offer.pk).update(priority=7)
    assert marketer.post(url, {**form, "name": "Autumn"}).status_code == 302
    offer.refresh_from_db()
    content.refresh_from_db()
    assert (offer.name, offer.priority, content.title) == ("Autumn", 7, "Half price")
    assert REFUSED in marketer.post(url, {**form, "name": "Autumn", "contents-0-title": "Third off"}).text
    content.refresh_from_db()
    assert content.title == "Half price"


def test_a_rule_keeps_the_factor_that_a_colleague_chose(marketer: Client) -> None:
    rule = Rule.objects.create(name="Boost", action="boost", factor=2, brand="Acme", scenarios=["for-you"])
    url = reverse("admin:merchandising_rule_change", args=[rule.pk])
    form = {
        **{"name": "Boost", "action": "boost", "factor": "2", "brand": "Acme", "scenarios": ["for-you"]},
        **{"enabled": "on", "priority": rule.priority, **open_form(marketer, url)},
    }
    Rule.objects.filter(pk=rule.pk).update(factor=3, enabled=False)
    assert marketer.post(url, {**form, "name": "Boost Acme"}).status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.factor, rule.enabled) == ("Boost Acme", 3, False)
    assert REFUSED in marketer.post(url, {**form, "name": "Boost Acme", "factor": "4"}).text


def test_what_a_browser_sends_instead_of_the_state_is_ignored(marketer: Client) -> None:
    rule = Rule.objects.create(name="Boost", action="boost", factor=2, brand="Acme")
    url = reverse("admin:merchandising_rule_change", args=[rule.pk])
    form = {"name": "Boost", "action": "boost", "factor": "4", "brand": "Acme", "priority": rule.priority}
    assert marketer.post(url, {**form, "opened_state": 'x: :y [{"a":'}).status_code == 302
    rule.refresh_from_db()
    assert rule.factor == 4
