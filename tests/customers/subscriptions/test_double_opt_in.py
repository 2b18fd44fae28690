"""Newsletter sign-ups: consent only after the owner of the address has confirmed, and answers that reveal nothing."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from config.celery import app
from config.onsite.texts import build_part_texts
from customers.erasure.runner import erase_customers
from customers.events.models import Event
from customers.identity.consent.ledger import record_consent
from customers.identity.erased.blocked_identifiers import blocked_index, find_blocked_keys
from customers.identity.models import Consent, Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from customers.subscriptions import limits
from customers.subscriptions.limits import MAX_PER_CLIENT, MAX_PER_EMAIL
from customers.subscriptions.requests import InvalidLinkError, SubscriptionRequest, make_token, read_token
from customers.subscriptions.subscribing import build_event_id
from recommendations.sending.suppressions.suppression_list import suppress_email
from tests.config.access.callers import make_client
from tests.makers import NOON, make_customer, make_identifier

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def eager_tasks(valkey: Any) -> Iterator[None]:
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False
    blocked_index.expire()


@pytest.fixture
def browser() -> Client:
    return make_client(kind="publishable")


def sign_up(client: Client, email: str = "Mei@shop.example", *, language: str = "en", **fields: str) -> Any:
    body = {"email": email, "policy_version": "2026-11", **fields}
    return client.post(
        "/api/v1/forms/newsletter/", body, content_type="application/json", headers={"Accept-Language": language}
    )


def read_link() -> str:
    [link] = re.findall(r"http://testserver(/newsletter/confirm/\S+)", mail.outbox[-1].body)
    return link


def test_addresses_that_complained_or_bounced_get_no_confirmation_mail(browser: Client) -> None:
    suppress_email("mei@shop.example", reason="complaint", source="postmark", at=NOON)
    answers = [sign_up(browser, email).json() for email in ("Mei@shop.example", "new@shop.example")]
    assert answers == [{"status": "confirmation_sent"}] * 2
    assert [message.to for message in mail.outbox] == [["new@shop.example"]]


def test_nobody_is_subscribed_before_the_button_behind_the_link(browser: Client) -> None:
    assert sign_up(browser).status_code == 202
    assert not Customer.objects.exists()
    assert mail.outbox[0].to == ["mei@shop.example"]
    link = read_link()
    assert "mei" not in link
    assert Client().get(link).status_code == 200
    assert not Consent.objects.exists(), "mail programs open links by themselves"
    assert Client().post(link).status_code == 200
    consent = Consent.objects.get()
    assert (consent.purpose, consent.status, consent.source) == ("email", "granted", "form:newsletter")
    assert consent.policy_version == "2026-11"
    assert consent.customer.email == "mei@shop.example"
    Client().post(link)
    assert Consent.objects.count() == Customer.objects.count() == 1, "a second click changes nothing"
    event = Event.objects.get()
    assert (event.name, event.properties["form"]) == ("Newsletter Subscribed", "newsletter")
    assert Identifier.objects.get(value=event.anonymous_id).customer == consent.customer


def test_the_button_works_in_browsers_that_send_no_origin_because_the_page_sends_no_referrer(browser: Client) -> None:
    sign_up(browser)
    strict = Client(enforce_csrf_checks=True)
    page = strict.get(read_link())
    assert (page["Referrer-Policy"], dict(page.cookies)) == ("no-referrer", {})
    assert strict.post(read_link(), headers={"Origin": "null"}).status_code == 200
    assert Consent.objects.get().status == "granted"


def test_the_answer_does_not_reveal_whether_an_address_is_known(browser: Client) -> None:
    customer = make_customer("mei", email="mei@shop.example")
    make_identifier(customer, hash_email("mei@shop.example"), kind=Identifier.Kind.EMAIL_HASH)
    record_consent(customer=customer, purpose="email", status="granted", recorded_at=NOON)
    known, unknown = sign_up(browser), sign_up(browser, "new@shop.example")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert len(mail.outbox) == 2
    Client().post(re.findall(r"http://testserver(/newsletter/\S+)", mail.outbox[0].body)[0])
    assert customer.consents.count() == 2
    assert Customer.objects.count() == 1


def test_mail_and_page_are_in_the_language_of_the_form(browser: Client) -> None:
    sign_up(browser, language="zh-hans")
    assert "订阅" in mail.outbox[0].subject
    assert "订阅" in mail.outbox[0].body
    for call in (Client().get, Client().post):
        assert 'lang="zh-Hans"' in call(read_link(), headers={"Accept-Language": "en"}).content.decode()


def test_a_program_that_fills_in_the_hidden_field_gets_the_same_answer_and_no_mail(browser: Client) -> None:
    assert sign_up(browser, website="https://spam.example").content == sign_up(browser, "b@shop.example").content
    assert [message.to for message in mail.outbox] == [["b@shop.example"]]


def test_an_address_gets_few_mails_and_a_browser_is_limited(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WINDOW_SECONDS", 10**9)  # an hour of the clock may end meanwhile
    for _ in range(MAX_PER_EMAIL + 2):
        assert sign_up(browser).status_code == 202
    assert len(mail.outbox) == MAX_PER_EMAIL
    statuses = [sign_up(browser, f"user-{number}@shop.example").status_code for number in range(MAX_PER_CLIENT)]
    assert statuses[-1] == 429
    assert set(statuses) == {202, 429}
    assert build_part_texts("form")["en"]["too_many"] == "Too many attempts. Try again in an hour."


def test_an_old_link_does_not_subscribe_again_after_a_withdrawal(browser: Client) -> None:
    sign_up(browser)
    link = read_link()
    Client().post(link)
    assert "You are subscribed" in Client().get(link).content.decode()
    record_consent(customer=Customer.objects.get(), purpose="email", status="withdrawn", recorded_at=timezone.now())
    assert Client().get(link).status_code == 410
    assert Client().post(link).status_code == 410
    assert Consent.objects.order_by("-id")[0].status == "withdrawn"


def test_an_erased_person_comes_back_only_with_a_new_sign_up(browser: Client) -> None:
    customer, email_hash = make_customer("mei", email="mei@shop.example"), hash_email("mei@shop.example")
    make_identifier(customer, email_hash, kind=Identifier.Kind.EMAIL_HASH)
    make_identifier(customer, build_event_id(email_hash), kind=Identifier.Kind.ANONYMOUS_ID)
    sign_up(browser)
    old_link = read_link()
    erase_customers([customer.pk], requested_by="mei")
    assert Client().get(old_link).status_code == 410
    assert Client().post(old_link).status_code == 410
    assert not Customer.objects.filter(erased_at=None).exists()
    sign_up(browser)
    assert Client().post(read_link()).status_code == 200
    returned = Customer.objects.get(erased_at=None)
    assert (returned.email, returned.consents.get().status) == ("mei@shop.example", "granted")
    assert set(returned.identifiers.values_list("kind", flat=True)) == {"email_hash", "anonymous_id"}
    assert Event.objects.get(name="Newsletter Subscribed").anonymous_id == build_event_id(email_hash)
    keys = [("user_id", "mei"), ("email_hash", email_hash)]
    assert find_blocked_keys(keys) == {("user_id", "mei")}, "only the address was confirmed"
    assert Client().post(old_link).status_code == 200, "the person is subscribed, and nothing changes"
    assert returned.consents.count() == 1


def test_links_are_valid_for_seven_days_and_cannot_be_changed() -> None:
    request = SubscriptionRequest("mei@shop.example", "newsletter", "1", "en", NOON)
    token = make_token(request)
    assert read_token(token, now=NOON + timedelta(days=7)) == request
    for damaged, now in (
        (token, NOON + timedelta(days=7, seconds=1)),
        (token[:-4] + "AAAA", NOON),
        ("", NOON),
        ("x" * 5000, NOON),
    ):
        with pytest.raises(InvalidLinkError):
            read_token(damaged, now=now)


def test_the_page_of_a_damaged_link_names_all_reasons(browser: Client) -> None:
    sign_up(browser)
    page = Client().get(f"{read_link().removesuffix('/')[:-4]}/")
    assert page.status_code == 410
    assert "The link is incomplete or older than seven days, or you have unsubscribed" in page.text


def test_an_invalid_address_is_named(browser: Client) -> None:
    response = sign_up(browser, "not an address")
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "email"
