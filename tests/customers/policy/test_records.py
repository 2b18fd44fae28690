"""The records: filled from what Perennial knows, exported, and the clock of breaches."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from config.backoffice.home.attention import check_breaches
from config.foundation.retention.periods import list_retention_periods
from customers.identity.consent.restrictions import restrict_processing
from customers.identity.models import ConsentDenial, ConsentSettings, Customer
from customers.policy.models import Breach, DataRecipient, ProcessingActivity, Transfer
from customers.policy.records.breaches import count_affected, describe_clock
from customers.policy.records.defaults import fill_records
from customers.policy.records.exports import KINDS
from customers.policy.tasks import apply_consent_settings
from customers.segments.models import SegmentMember
from recommendations.sending.models import ChannelAccount
from tests.makers import NOON, make_customer, make_segment

pytestmark = pytest.mark.django_db
RECORDS = "privacy_settings:records"


def test_records_are_filled_once_and_exported(admin_client: Client) -> None:
    ChannelAccount.objects.create(channel="sms", provider="twilio", options={}, secrets="")
    assert "The records are empty" in admin_client.get(reverse(RECORDS)).content.decode()
    admin_client.post(reverse(RECORDS))
    recipient = DataRecipient.objects.get()
    assert (recipient.name, recipient.country) == ("Twilio", "US")
    assert fill_records() == 0
    activity = ProcessingActivity.objects.get(key="recommendations")
    assert activity.is_profiling
    assert activity.risks
    Transfer.objects.create(
        recipient=recipient, country="US", purpose="=text messages", data="phone", mechanism="standard_contract"
    )
    page = admin_client.get(reverse(RECORDS)).content.decode()
    assert "3 without a risk rating in the past year" in page
    for kind in KINDS:
        rows = admin_client.get(reverse(f"{RECORDS}_csv", args=[kind])).content.decode()
        printed = admin_client.get(reverse(f"{RECORDS}_html", args=[kind])).content.decode()
        assert str(KINDS[kind].label) in printed
        if kind == "transfers":
            assert "Twilio" in printed
            assert "'=text messages" in rows
    assert admin_client.get(reverse(f"{RECORDS}_csv", args=["nothing"])).status_code == 404


def test_the_clock_of_a_breach_runs_for_72_hours_and_home_shows_it(admin_client: Client) -> None:
    make_customer("anna")
    segment = make_segment("everyone")
    known_at = timezone.now() - timedelta(hours=70)
    form = {"title": "Laptop lost", "known_at_0": f"{known_at:%Y-%m-%d}", "known_at_1": f"{known_at:%H:%M:%S}"}
    answer = admin_client.post(
        reverse("admin:policy_breach_add"), {**form, "segment": segment.pk, "is_risky": "on", "is_very_risky": "on"}
    )
    assert answer.status_code == 302
    breach = Breach.objects.get()
    assert (breach.people_affected, breach.recorded_by) == (1, "admin")
    assert "44 hours left to tell the authority" in describe_clock(breach, now=breach.known_at + timedelta(hours=27.5))
    late = describe_clock(breach, now=breach.known_at + timedelta(hours=75))
    assert late.startswith("Overdue by 3 hours")
    assert [item.text.startswith("Laptop lost: ") for item in check_breaches(NOON)] == [True]
    breach.authority_notified_at = timezone.now()
    assert describe_clock(breach, now=NOON) == "Tell the people affected without delay."
    breach.people_notified_at = timezone.now()
    breach.save()
    assert list(check_breaches(NOON)) == []
    assert admin_client.get(reverse("admin:policy_breach_delete", args=[breach.pk])).status_code == 403


@pytest.mark.parametrize("kind", ["dynamic", "static"])
def test_a_breach_affects_customers_whose_processing_is_restricted_too(kind: str) -> None:
    customers = [make_customer(name) for name in ("anna", "bo", "cy")]
    segment = make_segment("everyone", kind=kind)
    if kind == "static":
        SegmentMember.objects.bulk_create(SegmentMember(segment=segment, customer=each) for each in customers)
    restrict_processing(customer=customers[1], scope="all", at=NOON, source="test")
    Customer.objects.filter(pk=customers[2].pk).update(erased_at=NOON)
    breach = Breach(title="Laptop lost", known_at=NOON, segment=segment)
    assert count_affected(breach, now=NOON) == 2
    assert count_affected(Breach(people_affected=7), now=NOON) == 7


@pytest.mark.usefixtures("stored_consent_settings")
def test_consent_rules_are_saved_although_the_job_queue_does_not_respond(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_args: Any, **_options: Any) -> None:
        raise OperationalError("Connection refused")

    monkeypatch.setattr(apply_consent_settings, "apply_async", break_down)
    answer = admin_client.post(
        reverse("privacy_settings:consent"), {"action": "save", "unknown_region": "other"}, follow=True
    )
    assert "they will be applied to all customers tonight" in answer.text


@pytest.mark.usefixtures("stored_consent_settings")
def test_consent_rules_are_saved_and_applied_to_everyone(admin_client: Client) -> None:
    make_customer("anna", country="DE")
    make_customer("bo", country="US")
    apply_consent_settings.run()
    assert {denial.value for denial in ConsentDenial.objects.all()} == {"anna"}
    url = reverse("privacy_settings:consent")
    page = admin_client.get(url).content.decode()
    assert "not personalized until they agree" in page
    answer = admin_client.post(
        url, {"action": "save", "unknown_region": "other", "other-analytics": "on", "europe-countries": "Jersey"}
    )
    assert answer.status_code == 302
    stored = ConsentSettings.objects.get()
    assert (stored.opt_in["europe"], stored.opt_in["other"]) == ([], ["analytics"])
    assert stored.countries["europe"] == ["Jersey"]
    apply_consent_settings.run()
    assert set(ConsentDenial.objects.values_list("value", "purpose")) == {("bo", "analytics")}
    admin_client.post(url, {"action": "defaults"})
    assert "analytics" in ConsentSettings.objects.get().opt_in["europe"]


def test_filled_records_name_every_retention_period() -> None:
    fill_records()
    labels = [str(period.label) for period in list_retention_periods()]
    for activity in ProcessingActivity.objects.all():
        assert all(label in activity.retention for label in labels)
