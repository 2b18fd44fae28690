"""Settings › Sending › Channels: accounts are set up, tested and removed, and their secrets are never shown."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from recommendations.sending.channels.accounts import find_account, forget_accounts
from recommendations.sending.models import ChannelAccount, Delivery
from tests.recommendations.sending.test_backoffice import log_in
from tests.recommendations.sending.test_channels import Sandbox, sandbox

__all__ = ["sandbox"]
pytestmark = pytest.mark.django_db
URL = "/admin/settings/sending/channels/"
ACCOUNT = {"account_sid": "AC1", "from": "+4915112345678", "auth_token": "sesame-secret"}


def read(client: Client, url: str = URL) -> str:
    return client.get(url).content.decode()


def test_an_account_is_added_changed_without_its_secret_and_removed(client: Client, settings: Any) -> None:
    settings.DEMO = False
    log_in(client, "change_channelaccount")
    assert "Not set up: messages go to the outbox" in read(client)
    missing = client.post(f"{URL}sms/account/twilio/", {**ACCOUNT, "auth_token": ""})
    assert missing.status_code == 422
    client.post(f"{URL}sms/account/twilio/", ACCOUNT)
    forget_accounts()
    page = read(client)
    assert "AC1" in page
    assert "Ready" in page
    form = read(client, f"{URL}sms/account/twilio/")
    assert "sesame-secret" not in page + form
    client.post(f"{URL}sms/account/twilio/", {**ACCOUNT, "account_sid": "AC2", "auth_token": ""})
    account = find_account("sms")
    assert account is not None
    assert (account.options["account_sid"], account.secrets) == ("AC2", {"auth_token": "sesame-secret"})
    replaced = {"access_key_id": "k", "sign_name": "s", "template_code": "t", "access_key_secret": "new"}
    assert "replaces the account at Twilio" in read(client, f"{URL}sms/account/aliyun/")
    client.post(f"{URL}sms/account/aliyun/", replaced)
    account = find_account("sms")
    assert account is not None
    assert account.secrets == {"access_key_secret": "new"}
    client.post(f"{URL}sms/remove/")
    assert not ChannelAccount.objects.exists()


def test_a_stored_secret_is_not_sent_to_another_server(client: Client) -> None:
    log_in(client, "change_channelaccount")
    client.post(f"{URL}sms/account/twilio/", ACCOUNT)
    changed = {**ACCOUNT, "base_url": "https://93.184.215.14", "auth_token": ""}
    refused = client.post(f"{URL}sms/account/twilio/", changed)
    assert (refused.status_code, "Enter it again" in refused.content.decode()) == (422, True)
    forget_accounts()
    account = find_account("sms")
    assert account is not None
    assert not account.options["base_url"]
    assert client.post(f"{URL}sms/account/twilio/", {**changed, "auth_token": "other"}).status_code == 302


def test_wrong_addresses_and_unknown_providers_are_refused(client: Client) -> None:
    log_in(client, "change_channelaccount")
    response = client.post(f"{URL}webhook/account/webhook/", {"url": "http://shop.example/hook"})
    assert (response.status_code, "https" in response.content.decode()) == (422, True)
    contact = client.post(f"{URL}push/account/vapid/", {"subject": "shop@shop.example"})
    assert "mailto:" in contact.content.decode()
    assert client.get(f"{URL}sms/account/wecom/").status_code == 404
    assert client.get(f"{URL}sms/test/").status_code == 404


def test_a_test_message_reports_what_the_provider_said(client: Client, sandbox: Sandbox, settings: Any) -> None:
    settings.DEMO = False
    log_in(client, "change_channelaccount")
    client.post(f"{URL}sms/account/twilio/", {**ACCOUNT, "base_url": sandbox.url})
    sandbox.answer = lambda path: (400, {"code": 21211, "message": "not a valid phone number"})
    refused = client.post(f"{URL}sms/test/", {"recipient": "+491700000000"})
    assert refused.status_code == 422
    assert "21211 not a valid phone number" in refused.content.decode()
    sandbox.answer = lambda path: (201, {"sid": "SM1"})
    accepted = client.post(f"{URL}sms/test/", {"recipient": "+491700000000"}, follow=True)
    assert "The provider accepted the test message." in accepted.content.decode()
    assert b"491700000000" in sandbox.requests[-1][2]
    assert not Delivery.objects.exists()


def test_an_error_that_messages_wait_for_is_shown_with_its_fix(client: Client, settings: Any) -> None:
    settings.DEMO = False
    log_in(client, "change_channelaccount")
    client.post(f"{URL}wecom/account/wecom/", {"corp_id": "ww1", "corp_secret": "s", "contact_limit": "week"})
    Delivery.objects.create(
        origin_kind="campaign", origin_id=1, customer_id=1, template_version_id=1, channel="wecom", due_at=timezone.now(),
        status="pending", error="200 60020 not allow to access from your ip",
    )  # fmt: skip
    page = read(client)
    assert "seven a week" in page
    assert "60020 not allow to access from your ip" in page
    assert "trusted IP addresses" in page
    wrong = client.post(f"{URL}wecom/account/wecom/", {"corp_id": "ww1", "contact_limit": "year"})
    assert (wrong.status_code, "year" in wrong.content.decode()) == (422, True)


def test_the_latest_error_of_a_channel_is_shown_and_only_operators_see_the_page(client: Client, settings: Any) -> None:
    settings.DEMO = False
    log_in(client, "change_channelaccount")
    client.post(f"{URL}sms/account/twilio/", ACCOUNT)
    Delivery.objects.create(
        origin_kind="campaign", origin_id=1, customer_id=1, template_version_id=1, channel="sms", due_at=timezone.now(),
        status="failed", error="20003 Authenticate",
    )  # fmt: skip
    page = read(client)
    assert "20003 Authenticate" in page
    assert "Errors" in page
    client.logout()
    assert client.get(URL).status_code == 302
