"""Customers in the back office: search by hash, and masking without the permission."""

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client

from customers.identity.backoffice import admin
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from tests.makers import NOON, make_consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna() -> Customer:
    fields = {"name": "Anna Karenina", "email": "anna@example.org", "phone": "+49 170 1234567"}
    upsert_customers(changes=[CustomerChange("u1", fields), CustomerChange("u2")], seen_at=NOON)
    return Customer.objects.get(identifiers__value="u1")


def make_member_client(role: str) -> Client:
    user = User.objects.create_user("staff", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("term", ["u1", "Anna@Example.org", "+49 (170) 123-4567"])
def test_customer_is_found_by_every_search_term(admin_client: Client, anna: Customer, term: str) -> None:
    page = admin_client.get("/admin/identity/customer/", {"q": term})
    assert [row.pk for row in page.context["cl"].result_list] == [anna.pk]


def test_analyst_sees_masks_and_privacy_officer_sees_names(anna: Customer) -> None:
    addresses = ("/admin/identity/customer/", f"/admin/identity/customer/{anna.pk}/change/")
    analyst = make_member_client("Analyst")
    for address in addresses:
        page = analyst.get(address)
        assert page.status_code == 200
        assert "Karenina" not in page.content.decode()
        assert "anna@example.org" not in page.content.decode()
    User.objects.all().delete()
    officer = make_member_client("Privacy officer")
    for address in addresses:
        assert "Karenina" in officer.get(address).content.decode()


def test_edited_email_is_searchable_and_masked_in_the_log(admin_client: Client, anna: Customer) -> None:
    make_consent(anna)
    address = f"/admin/identity/customer/{anna.pk}/change/"
    form = admin_client.get(address).context["adminform"].form
    fields = {name: form.initial.get(name) or "" for name in form.fields}
    inlines = {
        f"{prefix}-{name}": "0" for prefix in ("identifiers", "consents") for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    data = {**fields, **inlines, "email": "a.k@example.org"}
    response = admin_client.post(address, data)
    assert response.status_code == 302, response.context["errors"]
    hashes = set(Identifier.objects.filter(kind="email_hash").values_list("value", flat=True))
    assert hashes == {hash_email("a.k@example.org")}
    changes = LogEntry.objects.get_for_object(anna).filter(action=LogEntry.Action.UPDATE).first().changes_dict
    assert changes["email"] == ["•••", "•••"]


@pytest.mark.parametrize("is_done", [False, True])
def test_saving_does_not_bring_a_customer_back_who_is_erased_meanwhile(
    admin_client: Client, anna: Customer, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    address = f"/admin/identity/customer/{anna.pk}/change/"
    form = admin_client.get(address).context["adminform"].form
    fields = {name: form.initial.get(name) or "" for name in form.fields}
    inlines = {
        f"{prefix}-{name}": "0" for prefix in ("identifiers", "consents") for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }

    def erase(_keys: object) -> dict[object, int]:  # between reading the customer and saving the form
        if is_done:
            Customer.objects.filter(pk=anna.pk).delete()
        else:
            Customer.objects.filter(pk=anna.pk).update(name="", email="", phone="", erased_at=NOON)
        return {}

    monkeypatch.setattr(admin, "find_identifier_owners", erase)
    assert admin_client.post(address, {**fields, **inlines, "name": "Anna K."}).status_code == 404


def test_saving_keeps_what_events_have_written_meanwhile(
    admin_client: Client, anna: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/admin/identity/customer/{anna.pk}/change/"
    form = admin_client.get(address).context["adminform"].form
    fields = {name: form.initial.get(name) or "" for name in form.fields}
    inlines = {
        f"{prefix}-{name}": "0" for prefix in ("identifiers", "consents") for name in ("TOTAL_FORMS", "INITIAL_FORMS")
    }

    def write(_keys: object) -> dict[object, int]:
        Customer.objects.filter(pk=anna.pk).update(traits={"vip": True}, field_updated_at={"traits.vip": 1})
        return {}

    monkeypatch.setattr(admin, "find_identifier_owners", write)
    assert admin_client.post(address, {**fields, **inlines, "name": "Anna K."}).status_code == 302
    anna.refresh_from_db()
    assert (anna.name, anna.traits, sorted(anna.field_updated_at)) == ("Anna K.", {"vip": True}, ["name", "traits.vip"])


def test_an_erased_customer_cannot_be_edited(admin_client: Client, anna: Customer) -> None:
    Customer.objects.filter(pk=anna.pk).update(erased_at=NOON)
    assert admin_client.post(f"/admin/identity/customer/{anna.pk}/change/", {"name": "Anna"}).status_code == 403


def test_form_rejects_the_email_of_another_customer(admin_client: Client, anna: Customer) -> None:
    other_customer = Customer.objects.get(identifiers__value="u2")
    response = admin_client.post(f"/admin/identity/customer/{other_customer.pk}/change/", {"email": "ANNA@example.org"})
    assert "email" in response.context["adminform"].form.errors


def test_lists_can_be_opened(admin_client: Client, anna: Customer) -> None:
    make_consent(anna)
    for name in ("customer", "identifier", "identitymerge", "consent"):
        assert admin_client.get(f"/admin/identity/{name}/").status_code == 200
    assert admin_client.get("/admin/identity/consent/add/").status_code == 200


def test_number_of_queries_of_the_list_is_constant(admin_client: Client, django_assert_num_queries: Any) -> None:
    def count_queries(rows: int) -> int:
        changes = [CustomerChange(f"u{number}", {"name": "n"}) for number in range(rows)]
        upsert_customers(changes=changes, seen_at=NOON)
        with django_assert_num_queries(1000, exact=False) as queries:
            admin_client.get("/admin/identity/customer/")
        return len(queries)

    assert count_queries(3) == count_queries(30)
