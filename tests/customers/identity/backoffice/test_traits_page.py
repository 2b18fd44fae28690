"""Traits are edited by fields of their types on the customer page."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from customers.identity.models import Customer
from tests.makers import make_customer

pytestmark = pytest.mark.django_db
TRAITS = {
    "household": 3,
    "newsletter": True,
    "plan": "gold",
    "since": "2025-05-01",
    "tags": ["a", "b"],
    "nickname": "Annie",
}


def login(*permissions: str) -> Client:
    user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def customer() -> Customer:
    return make_customer("anna", traits=dict(TRAITS))


@pytest.fixture
def officer() -> Client:
    return login("view_customerprofile", "view_customer", "change_customer", "view_personal")


def read_form(client: Client, customer: Customer) -> tuple[str, dict[str, Any]]:
    """Return the address of the form and what it would send unchanged."""
    url = reverse("admin:identity_customer_traits", args=[customer.pk])
    forms = client.get(url).context["trait_forms"]
    fields = {field.html_name: field.value() for field in forms.management_form}
    for form in forms:
        fields |= {field.html_name: field.value() or "" for field in form if field.name != "remove"}
    return url, fields


def set_field(fields: dict[str, Any], name: str, value: str, *, part: str = "value") -> None:
    prefix = next(key.removesuffix("-name") for key, text in fields.items() if key.endswith("-name") and text == name)
    fields[f"{prefix}-{part}"] = value


def test_profile_tab_has_a_field_for_each_trait(officer: Client, customer: Customer) -> None:
    page = officer.get(reverse("admin:lifecycle_customer", args=[customer.pk]), {"tab": "profile"}).content.decode()
    for field in ('type="number"', 'type="date"', '<option value="true" selected>', 'value="a, b"', 'value="gold"'):
        assert field in page


def test_only_changed_traits_are_written_with_their_type(officer: Client, customer: Customer) -> None:
    url, fields = read_form(officer, customer)
    set_field(fields, "household", "4")
    set_field(fields, "newsletter", "false")
    set_field(fields, "tags", "a, c")
    set_field(fields, "plan", "on", part="remove")
    Customer.objects.filter(pk=customer.pk).update(traits={**TRAITS, "since": "2024-01-01"})  # by an event meanwhile
    assert officer.post(url, fields).status_code == 302
    customer.refresh_from_db()
    assert customer.traits == {
        "household": 4, "newsletter": False, "tags": ["a", "c"], "since": "2024-01-01", "nickname": "Annie",
    }  # fmt: skip
    assert set(customer.field_updated_at) == {f"traits.{name}" for name in ("household", "newsletter", "tags", "plan")}


def test_a_trait_is_added_with_its_type(officer: Client, customer: Customer) -> None:
    url, fields = read_form(officer, customer)
    fields |= {
        f"traits-{len(TRAITS)}-name": "size",
        f"traits-{len(TRAITS)}-kind": "number",
        f"traits-{len(TRAITS)}-value": "42",
    }
    officer.post(url, fields)
    customer.refresh_from_db()
    assert customer.traits == {**TRAITS, "size": 42}


@pytest.mark.parametrize(
    ("name", "kind", "value", "text"),
    [
        ("size", "number", "large", "Enter a number"),
        ("size", "date", "tomorrow", "Enter a date as YYYY-MM-DD"),
        ("size", "flag", "perhaps", "Enter yes or no"),
        ("size", "text", "", "Enter a value"),
        ("email", "text", "x@example.com", "is a field of the customer record"),
        ("plan", "text", "silver", "already has a trait plan"),
    ],
)
def test_problems_are_reported_at_the_field(
    officer: Client, customer: Customer, name: str, kind: str, value: str, text: str
) -> None:
    url, fields = read_form(officer, customer)
    prefix = f"traits-{len(TRAITS)}"
    set_field(fields, "household", "5")
    answer = officer.post(url, {**fields, f"{prefix}-name": name, f"{prefix}-kind": kind, f"{prefix}-value": value})
    assert answer.status_code == 200
    assert text in answer.content.decode()
    customer.refresh_from_db()
    assert customer.traits == TRAITS


def test_personal_traits_need_the_permission(customer: Customer) -> None:
    clerk = login("view_customerprofile", "view_customer", "change_customer")
    url, fields = read_form(clerk, customer)
    assert "Annie" not in clerk.get(url).content.decode()
    prefix = f"traits-{len(TRAITS) - 1}"
    fields |= {f"{prefix}-name": "nickname", f"{prefix}-kind": "text", f"{prefix}-value": "Bob"}
    assert "permission to set personal data" in clerk.post(url, fields).content.decode()
    viewer = login("view_customerprofile", "view_customer")
    assert viewer.post(url, fields).status_code == 403
    page = viewer.get(reverse("admin:lifecycle_customer", args=[customer.pk]), {"tab": "profile"}).content.decode()
    assert "Save traits" not in page
    customer.refresh_from_db()
    assert customer.traits == TRAITS
