"""What the ledger and silence mean, in each region, by the three forms of one rule: SQL, query condition and Python."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from customers.identity.consent.append_only import allow_ledger_changes
from customers.identity.consent.consent_denials import refresh_consent_denials
from customers.identity.consent.ledger import find_granted, read_effective_consents, record_consent
from customers.identity.consent.proofs import ConsentProof
from customers.identity.consent.regions import build_rules
from customers.identity.models import Consent, ConsentDenial, ConsentSettings, Customer
from customers.segments.conditions.consents import compile_effective_consent
from tests.makers import NOON, make_consent, make_customer

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
# country, entries about personalization, whether it is allowed, why
CASES: list[tuple[str, list[tuple[str, int]], bool, str]] = [
    ("US", [], True, "silence"),
    ("", [], True, "silence"),
    ("DE", [], False, "missing"),
    (" germany ", [], False, "missing"),
    ("德国", [], False, "missing"),
    ("United Kingdom", [], False, "missing"),
    ("CN", [], False, "missing"),
    ("中国", [], False, "missing"),
    ("DE", [("granted", 1)], True, "entry"),
    ("DE", [("granted", 5)], False, "outdated"),
    ("US", [("granted", 5)], True, "silence"),
    ("US", [("granted", 5), ("withdrawn", 4)], False, "entry"),
    ("DE", [("withdrawn", 4), ("granted", 1)], True, "entry"),
    ("FR", [("granted", 1), ("withdrawn", 1)], False, "entry"),  # at one moment, the later entry counts
]


@pytest.mark.usefixtures("stored_consent_settings")
def test_sql_condition_and_python_agree_in_every_case() -> None:
    renewal = NOON - 3 * DAY
    ConsentSettings.objects.create(pk=1, renewal_since=renewal, renewal_purposes=["personalisation"])
    customers = [make_customer(f"c{number}", country=case[0]) for number, case in enumerate(CASES)]
    for customer, (_country, entries, _allowed, _reason) in zip(customers, CASES, strict=True):
        for status, days in entries:
            make_consent(customer, "personalisation", status=status, recorded_at=NOON - days * DAY)
    granted = find_granted(customer_ids=[customer.pk for customer in customers], purposes=["personalisation"])
    matching = set(
        Customer.objects.filter(compile_effective_consent(purpose="personalisation", as_of=NOON)).values_list(
            "pk", flat=True
        )
    )
    for customer, (country, entries, is_allowed, reason) in zip(customers, CASES, strict=True):
        effective = read_effective_consents(customer=customer, purposes=["personalisation"])["personalisation"]
        case = f"{country!r} {entries}"
        assert (effective.is_allowed, effective.reason) == (is_allowed, reason), case
        assert ((customer.pk, "personalisation") in granted) == is_allowed, case
        assert (customer.pk in matching) == is_allowed, case


@pytest.mark.usefixtures("stored_consent_settings")
def test_settings_change_regions_countries_and_those_without_a_country() -> None:
    ConsentSettings.objects.create(
        pk=1, opt_in={"europe": ["email"]}, countries={"china": ["Hong Kong", "hk"]}, unknown_region="china"
    )
    rules = build_rules(ConsentSettings.objects.get())
    assert not rules.needs_consent("analytics", "DE")
    assert rules.needs_consent("analytics", "HK")
    assert rules.needs_consent("analytics", "")
    make_customer("anna", country="DE")
    make_customer("hui", country="hong kong")
    make_customer("nobody")
    allowed = Customer.objects.filter(compile_effective_consent(purpose="analytics", as_of=NOON))
    assert [str(customer.country) for customer in allowed] == ["DE"]


def test_silence_denies_a_european_customer_until_a_consent() -> None:
    anna = make_customer("anna", country="AT")
    refresh_consent_denials(customer_ids=[anna.pk])
    assert set(ConsentDenial.objects.values_list("purpose", "is_silent")) == {
        ("analytics", True),
        ("personalisation", True),
    }
    record_consent(customer=anna, purpose="personalisation", status="withdrawn", recorded_at=NOON)
    assert not ConsentDenial.objects.get(purpose="personalisation").is_silent
    for purpose in ("analytics", "personalisation"):
        record_consent(customer=anna, purpose=purpose, status="granted", recorded_at=NOON + DAY)
    assert not ConsentDenial.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries.update(status="withdrawn"),
        lambda entries: entries.update(recorded_at=NOON + DAY),
        lambda entries: entries.update(proof={}),
        lambda entries: entries.delete(),
    ],
)
def test_the_database_refuses_to_change_the_ledger(change: Any) -> None:
    anna, bo = make_customer("anna"), make_customer("bo")
    record_consent(
        customer=anna, purpose="email", status="granted", recorded_at=NOON, proof=ConsentProof("form", "footer", "v3")
    )
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(Consent.objects.all())
    entry = Consent.objects.get()
    assert entry.proof == {"kind": "form", "reference": "footer", "wording": "v3"}
    assert entry.lawful_basis == "consent"
    Consent.objects.update(customer=bo)  # as a merge of customers does
    with allow_ledger_changes():  # as an erasure does
        Consent.objects.all().delete()
    record_consent(customer=anna, purpose="sms", status="granted", recorded_at=NOON, proof=ConsentProof("staff"))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(Consent.objects.all())
