"""The preference center: what it shows, saves and proves, and that a withdrawal applies immediately."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from customers.identity.consent.ledger import find_granted, record_consent
from customers.identity.merging.merge import merge_customers
from customers.identity.models import Consent, ConsentDenial, ConsentSettings, Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from customers.policy.preferences import page as preferences_page
from customers.policy.preferences.links import InvalidPreferencesLinkError, make_preferences_link, read_token
from customers.subscriptions.requests import InvalidLinkError, SubscriptionRequest, make_token
from customers.subscriptions.subscribing import confirm_subscription
from recommendations.sending.checks.candidates import read_customer_states
from recommendations.serving.state.suppression import read_suppression_list
from tests.makers import NOON, make_consent, make_customer, make_identifier

pytestmark = pytest.mark.django_db


def get_path(customer_id: int, language: str = "") -> str:
    return urlsplit(make_preferences_link(customer_id, language=language, origin="self-service")).path


def list_ticked(page: str) -> set[str]:
    return {line.split('name="')[1].split('"')[0] for line in page.splitlines() if " checked" in line}


def test_withdrawing_applies_at_once_and_leaves_a_proof(client: Client, valkey: Any) -> None:
    anna = make_customer("anna", country="US")
    make_identifier(anna, "browser-1", kind=Identifier.Kind.ANONYMOUS_ID)
    make_consent(anna, "email")
    path = get_path(anna.pk)
    page = client.get(path).content.decode()
    assert list_ticked(page) == {"email", "personalisation", "analytics"}
    assert "automated_marketing" not in page
    page = client.post(path, {"action": "save", "analytics": "on"}).content.decode()
    assert "Your choice is saved" in page
    assert list_ticked(page) == {"analytics"}
    assert read_customer_states([anna.pk], purposes=["email"])[anna.pk].granted == frozenset()
    assert read_suppression_list().contains_any(["anonymous_id:browser-1"])
    entries = Consent.objects.filter(status="withdrawn")
    assert {entry.purpose for entry in entries} == {"email", "personalisation"}
    proof = entries[0].proof
    assert (proof["kind"], proof["reference"], proof["wording"]) == ("page", "self-service", "2026-11-30-2 en")
    assert len(proof["address"]) == 32


def test_an_unchanged_tick_is_no_consent(client: Client) -> None:
    anna = make_customer("anna", country="US")
    page = client.post(
        get_path(anna.pk), {"action": "save", "personalisation": "on", "analytics": "on"}
    ).content.decode()
    assert "Nothing was changed" in page
    assert not Consent.objects.exists()


def test_a_page_that_was_opened_before_a_withdrawal_does_not_take_it_back(client: Client) -> None:
    anna = make_customer("anna", country="US")
    make_consent(anna, "email")
    path = get_path(anna.pk)
    [shown] = re.findall(r'name="shown" value="([^"]*)"', client.get(path).content.decode())
    client.post(path, {"action": "none"})
    unchanged = client.post(path, {"action": "save", "shown": shown, **dict.fromkeys(shown.split(), "on")})
    assert "Nothing was changed. These are your current choices." in unchanged.content.decode()
    assert list_ticked(unchanged.content.decode()) == set(), "the choices of the other tab"
    page = client.post(path, {"action": "save", "shown": shown, "email": "on", "analytics": "on", "sms": "on"})
    assert list_ticked(page.content.decode()) == {"sms"}, "only the box that was ticked on the old page is a consent"


def test_everything_is_withdrawn_with_one_click_and_separate_consents_are_shown_in_china(client: Client) -> None:
    mei = make_customer("mei", country="CN", language="zh-CN")
    for purpose in ("email", "sharing", "automated_marketing"):
        make_consent(mei, purpose)
    path = get_path(mei.pk)
    page = client.get(path).content.decode()
    assert "您希望我们如何使用您的数据" in page
    assert {"cross_border", "sensitive_data"} <= {part.split('"')[0] for part in page.split('name="')[1:]}
    assert list_ticked(client.post(path, {"action": "none"}).content.decode()) == set()
    withdrawn = Consent.objects.filter(status="withdrawn").values_list("purpose", flat=True)
    assert sorted(withdrawn) == sorted(Consent.Purpose.values)
    assert "Nothing was changed" in client.post(f"{path}?lang=en", {"action": "none"}).content.decode()


def test_withdrawing_everything_also_refuses_what_could_be_allowed_later(client: Client, valkey: Any) -> None:
    anna = make_customer("anna", email="anna@shop.example", country="DE")
    make_identifier(anna, hash_email("anna@shop.example"), kind=Identifier.Kind.EMAIL_HASH)
    waiting = SubscriptionRequest("anna@shop.example", "newsletter", "1", "en", timezone.now())
    client.post(get_path(anna.pk), {"action": "none"})
    with pytest.raises(InvalidLinkError):
        confirm_subscription(token=make_token(waiting), now=timezone.now())
    Customer.objects.filter(pk=anna.pk).update(country="US")
    assert list_ticked(client.get(get_path(anna.pk)).content.decode()) == set()
    assert find_granted(customer_ids=[anna.pk], purposes=Consent.Purpose.values) == set()


@pytest.mark.usefixtures("stored_consent_settings")
def test_an_outdated_consent_is_asked_for_again(client: Client) -> None:
    ConsentSettings.objects.create(pk=1, renewal_since=NOON, renewal_purposes=["email"])
    anna = make_customer("anna", country="DE")
    record_consent(customer=anna, purpose="email", status="granted", recorded_at=NOON - timedelta(days=9))
    page = client.get(get_path(anna.pk)).content.decode()
    assert "Our privacy policy has changed" in page
    assert read_customer_states([anna.pk], purposes=["email"])[anna.pk].granted == frozenset()
    client.post(get_path(anna.pk), {"action": "save", "email": "on"})
    assert read_customer_states([anna.pk], purposes=["email"])[anna.pk].granted == {"email"}


def test_consent_to_push_also_names_wecom_whose_messages_it_allows(client: Client) -> None:
    assert "Push notifications and WeCom messages" in client.get(get_path(make_customer("anna").pk)).content.decode()


def test_too_many_requests_are_refused_in_the_language_of_the_browser(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preferences_page, "REQUESTS_PER_MINUTE", 0)
    refused = client.get(get_path(make_customer("anna").pk), headers={"Accept-Language": "zh-hans"})
    assert (refused.status_code, refused.content.decode()) == (429, "请求过于频繁。")


def test_links_of_others_are_refused(client: Client) -> None:
    anna = make_customer("anna")
    path = get_path(anna.pk)
    refused = client.get(path.replace("preferences/", "preferences/x"))
    assert refused.status_code == 404
    assert "use the link in a newer message, or contact us." in refused.text
    assert client.get("/privacy/preferences/" + "a" * 2000 + "/").status_code == 404
    anna.erased_at = NOON
    anna.save()
    assert client.get(path).status_code == 410
    with pytest.raises(InvalidPreferencesLinkError):
        read_token("")


def test_the_link_of_a_merged_customer_shows_and_saves_the_choices_of_the_kept_one(client: Client) -> None:
    kept, merged = make_customer("anna"), make_customer("tablet")
    make_consent(kept)
    path = get_path(merged.pk)
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    assert client.get(path).status_code == 200
    assert client.post(path, {"action": "none"}).status_code == 200
    assert kept.consents.filter(purpose="email").latest("id").status == "withdrawn"


def test_a_consent_restores_recommendations(
    client: Client, valkey: Any, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    anna = make_customer("anna", country="DE")
    record_consent(customer=anna, purpose="personalisation", status="withdrawn", recorded_at=NOON)
    assert ConsentDenial.objects.filter(purpose="personalisation").exists()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(get_path(anna.pk), {"personalisation": "on", "analytics": "on"})
    assert not ConsentDenial.objects.exists()
