"""The privacy policy: written from the settings, frozen when it is published, compared, and asking again."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from customers.identity.consent.ledger import find_granted
from customers.identity.models import ConsentSettings
from customers.policy.document.versions import (
    build_texts,
    compare_texts,
    compute_fingerprint,
    forget_version,
    get_version_number,
    publish_policy,
)
from customers.policy.models import DataRecipient, PolicySettings, PolicyVersion
from recommendations.sending.models import ChannelAccount
from tests.config.access.callers import make_client
from tests.makers import NOON, make_consent, make_customer, make_source

pytestmark = pytest.mark.django_db
PAGE = "/privacy/policy/"


def publish(**options: bool) -> PolicyVersion:
    values = {"is_material": False, "asks_again": False, **options}
    return publish_policy(by="olga", at=NOON, note="", **values)


def test_the_text_says_what_is_configured_in_both_languages(client: Client) -> None:
    PolicySettings(controller="Tea Ltd", hosting_country="Germany", extra={"en": "We plant trees."}).save()
    make_source(retention_days=400)
    ChannelAccount.objects.create(channel="sms", provider="twilio", options={}, secrets="")
    assert client.get(PAGE).status_code == 404
    version = publish()
    page = client.get(PAGE).content.decode()
    for text in ("Controller: Tea Ltd", "Our servers are in Germany", "Twilio", "400 days", "We plant trees."):
        assert text in page
    assert version.fingerprint in page
    chinese = client.get(PAGE, {"lang": "zh-hans"}).content.decode()
    assert "隐私政策" in chinese
    assert "Tea Ltd" in chinese
    assert "We plant trees" not in chinese
    response = make_client("customers:read").get("/api/v1/privacy/policy/?language=zh-hans")
    answer = response.json()
    assert response.status_code == 200, answer
    assert (answer["version"], answer["language"]) == (1, "zh-hans")
    assert answer["fingerprint"] == version.fingerprint == compute_fingerprint(version.texts)


def test_without_a_published_policy_the_answer_says_so() -> None:
    response = make_client("customers:read").get("/api/v1/privacy/policy/")
    assert (response.status_code, response.json()["detail"]) == (404, "No privacy policy is published.")


def test_a_change_is_shown_and_only_publishing_changes_the_page(admin_client: Client) -> None:
    first = publish()
    DataRecipient.objects.create(name="Ad network", role="third_party", task="advertising", data="email address")
    changes = compare_texts(first.texts["en"], build_texts()["en"])
    assert [(change.key, change.is_material) for change in changes] == [("recipients", True)]
    assert "Ad network" not in admin_client.get(PAGE).content.decode()
    page = admin_client.get(reverse("privacy_settings:policy")).content.decode()
    assert "The settings have changed since version 1" in page
    assert "<ins>Ad network" in page
    chinese = admin_client.get(reverse("privacy_settings:policy"), headers={"accept-language": "zh-hans"}).text
    assert ("发布时间" in chinese, "上架时间" in chinese) == (True, False), "products are published otherwise"
    answer = admin_client.post(reverse("privacy_settings:policy"), {"action": "publish", "note": "New recipient"})
    assert answer.status_code == 302
    forget_version()
    assert get_version_number() == "2"
    assert "Ad network" in admin_client.get(PAGE).content.decode()
    assert "Ad network" not in admin_client.get(f"{PAGE}1/").content.decode()
    assert admin_client.get(f"{PAGE}9/").status_code == 404


@pytest.mark.usefixtures("stored_consent_settings")
def test_a_material_version_asks_again_only_where_a_consent_is_needed() -> None:
    german, american = make_customer("anna", country="DE"), make_customer("bo", country="US")
    for customer in (german, american):
        for purpose in ("email", "personalisation"):
            make_consent(customer, purpose, recorded_at=NOON - timedelta(days=1))
    publish(asks_again=True)
    assert not ConsentSettings.objects.exists(), "the first version has nothing to renew"
    publish(is_material=True, asks_again=True)
    from customers.identity.consent.regions import forget_consent_rules

    forget_consent_rules()
    granted = find_granted(customer_ids=[german.pk, american.pk], purposes=["email", "personalisation"])
    assert granted == {(american.pk, "personalisation")}


def test_settings_are_saved_by_those_who_may(admin_client: Client) -> None:
    url = reverse("privacy_settings:policy")
    assert admin_client.post(url, {"action": "save", "contact": "no address"}).status_code == 422
    assert (
        admin_client.post(url, {"action": "save", "contact": "p@shop.example", "extra_en": "Hello"}).status_code == 302
    )
    assert PolicySettings.objects.get().extra["en"] == "Hello"
