"""The panels that other apps add to the customer page."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from customers.identity.models import Consent, Customer, Identifier
from customers.lifecycle.backoffice.labels.consent_labels import label_consent_source
from customers.policy.preferences.choices import SOURCE as PREFERENCES
from customers.privacy.requests.fulfillment import RESTRICTION_REASON
from customers.privacy.self_service.actions import SOURCE as PRIVACY_PAGE
from recommendations.campaigns.backoffice.customer_panel import CampaignOutcome, list_campaign_outcomes
from recommendations.campaigns.models import Campaign
from recommendations.measurement.assignment import is_held_out
from recommendations.sending.sms.replies import SOURCE as SMS_REPLY
from tests.customers.events.makers import make_event
from tests.customers.lifecycle.customer_page import read_all_tabs
from tests.makers import NOON, make_consent, make_customer, make_identifier, make_profile, make_segment

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Customer:
    anna = make_customer("anna", email="anna@example.com")
    make_profile(anna, stage="loyal", orders=3)
    return anna


def get_page(role: str, customer: Customer) -> str:
    user = User.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return read_all_tabs(client, customer.pk)


def test_a_marketer_sees_segments_and_campaigns_of_the_customer(anna: Customer) -> None:
    loyal = make_segment("loyal", {"field": "stage", "op": "in", "value": ["loyal"]}, name="Our loyal ones")
    make_segment("gone", {"field": "stage", "op": "in", "value": ["churned"]}, name="Gone ones")
    Campaign.objects.create(key="thanks", name="Thank you", segment=loyal, holdout_share=0)
    page = get_page("Marketer", anna)
    assert "Our loyal ones" in page
    assert page.count("Gone ones") == page.count("Gone ones</option>"), "only to choose from, for an explanation"
    assert "Thank you" in page
    assert "in the audience" in page


def test_a_user_without_the_permission_sees_no_campaigns(anna: Customer) -> None:
    segment = make_segment("all")
    Campaign.objects.create(key="thanks", name="Thank you", segment=segment)
    assert "Thank you" not in get_page("Privacy officer", anna)


def test_a_customer_without_data_sees_what_to_do(admin_client: Client) -> None:
    page = read_all_tabs(admin_client, make_customer("bob").pk)
    for text in (
        "This customer is not in any segment.",
        "No campaign targets a segment",
        "because no model has been trained",
        "No activity yet",
        "No consent has been recorded",
    ):
        assert text in page


def test_a_campaign_shows_its_outcome_for_the_customer(anna: Customer) -> None:
    segment = make_segment("everyone")
    visitor = make_customer()
    make_identifier(visitor, "browser", kind=Identifier.Kind.ANONYMOUS_ID)

    def get_outcome(customer: Customer) -> CampaignOutcome:
        return list_campaign_outcomes(customer, NOON)[0].outcome

    campaign = Campaign.objects.create(key="mail", name="Mail", segment=segment, channel="email", holdout_share=0)
    assert get_outcome(visitor) == CampaignOutcome.UNREACHABLE
    assert get_outcome(anna) == CampaignOutcome.NO_CONSENT
    make_consent(anna, Consent.Purpose.EMAIL)
    assert get_outcome(anna) == CampaignOutcome.REACHED
    campaign.holdout_share = 0.5
    while not is_held_out(salt=campaign.salt, customer_id=anna.pk, share=campaign.holdout_share):
        campaign.salt += "x"
    campaign.save()
    assert get_outcome(anna) == CampaignOutcome.HELD_OUT


def test_the_latest_status_of_each_consent_is_shown(admin_client: Client, anna: Customer) -> None:
    make_consent(anna, Consent.Purpose.SMS, status=Consent.Status.WITHDRAWN)
    page = read_all_tabs(admin_client, anna.pk)
    assert "withdrawn" in page


def test_the_source_of_a_consent_is_in_the_language_of_the_reader(admin_client: Client, anna: Customer) -> None:
    Consent.objects.create(customer=anna, purpose="email", status="granted", recorded_at=NOON, source=PREFERENCES)
    page = admin_client.get(
        reverse("admin:lifecycle_customer", args=[anna.pk]), {"tab": "privacy"}, headers={"accept-language": "zh-hans"}
    ).text
    assert "<td>偏好中心</td>" in page
    sources = (RESTRICTION_REASON.format(number="P-1"), PRIVACY_PAGE, SMS_REPLY, "privacy officer: ann", "web-shop")
    labels = ["Request P-1", "Privacy page", "SMS reply", "Privacy officer: ann", "web-shop"]
    with override("en"):
        assert [label_consent_source(source) for source in sources] == labels


@pytest.mark.parametrize("number", ["0", "x", "-1", "99999999999999999999", "²"])
def test_an_invalid_timeline_page_causes_no_error(admin_client: Client, anna: Customer, number: str) -> None:
    response = admin_client.get(
        reverse("admin:lifecycle_customer", args=[anna.pk]), {"tab": "timeline", "page": number}
    )
    assert response.status_code == 200


def test_a_user_without_the_permission_sees_no_events_and_consents(anna: Customer) -> None:
    make_event(user_id="anna", name="Quiz Finished")
    make_consent(anna, Consent.Purpose.SMS)
    assert "Quiz Finished" in get_page("Analyst", anna)
    merchandiser = get_page("Merchandiser", anna)
    assert "Quiz Finished" not in merchandiser
    assert 'id="consents"' not in merchandiser
