"""The search over the whole back office, by role and masking policy."""

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from config.foundation.backoffice.search import MAX_RESULTS
from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from recommendations.campaigns.models import Campaign
from recommendations.messaging.models import MessageTemplate
from tests.makers import make_customer, make_identifier, make_product, make_profile, make_segment

pytestmark = pytest.mark.django_db
EMAIL = "anna@example.com"


@pytest.fixture
def anna() -> Customer:
    anna = make_customer(EMAIL, email=EMAIL)
    make_identifier(anna, hash_email(EMAIL), kind=Identifier.Kind.EMAIL_HASH)
    make_profile(anna)
    return anna


def log_in_as(role: str) -> Client:
    user = User.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def search(client: Client, text: str, language: str = "en") -> str:
    response = client.get(reverse("backoffice_search"), {"q": text}, headers={"accept-language": language})
    assert response.status_code == 200
    return response.text


def test_each_source_finds_its_objects(admin_client: Client, anna: Customer) -> None:
    segment = make_segment("tea", name="Tea lovers")
    campaign = Campaign.objects.create(key="tea", name="Tea week", segment=segment, channel="export", holdout_share=0.1)
    product = make_product("tea-1", title="Green tea")
    template = MessageTemplate.objects.create(key="tea", name="News about tea")
    html = search(admin_client, "tea")
    assert f'href="{reverse("message_templates:editor", args=[template.pk])}"' in html
    for name, pk in (
        ("segments_segment", segment.pk),
        ("campaigns_campaign", campaign.pk),
        ("catalog_product", product.pk),
    ):
        assert f'href="{reverse(f"admin:{name}_change", args=[pk])}"' in html
    assert html.index("Products") < html.index("Segments") < html.index("Campaigns")


@pytest.mark.parametrize("text", [EMAIL, " Anna@Example.com ", "#{pk}", "{pk}"])
def test_a_customer_is_found_by_identifier_and_number_and_the_read_is_recorded(
    admin_client: Client, anna: Customer, text: str
) -> None:
    html = search(admin_client, text.format(pk=anna.pk))
    assert reverse("admin:lifecycle_customer", args=[anna.pk]) in html
    assert EMAIL in html
    assert LogEntry.objects.get(action=LogEntry.Action.ACCESS).object_pk == str(anna.pk)


def test_a_user_without_the_permission_sees_no_personal_id_and_no_read_is_recorded(anna: Customer) -> None:
    html = search(log_in_as("Marketer"), EMAIL)
    assert reverse("admin:lifecycle_customer", args=[anna.pk]) in html
    assert "anna" not in html.casefold()
    assert not LogEntry.objects.filter(action=LogEntry.Action.ACCESS).exists()


def test_a_role_finds_only_what_it_may_open(anna: Customer) -> None:
    make_product("operators-tea", title="Tea")
    make_segment("tea", name="Tea lovers")
    assert "option" not in search(log_in_as("Operator"), "tea")
    assert reverse("admin:auth_user_changelist") not in search(log_in_as("Marketer"), "users")


def test_only_staff_may_search(client: Client) -> None:
    assert client.get(reverse("backoffice_search"), {"q": "tea"}).status_code == 302
    assert client.post(reverse("backoffice_search"), {"q": "tea"}).status_code == 405


@pytest.mark.parametrize(("text", "language"), [("rejected", "en"), ("被拒", "zh-hans"), ("data rejected", "en")])
def test_pages_are_found_by_name_tab_and_area(admin_client: Client, text: str, language: str) -> None:
    assert f'href="{reverse("admin:events_rejectedevent_changelist")}"' in search(admin_client, text, language)


def test_every_source_returns_a_few_results_and_exact_ids_are_first(admin_client: Client) -> None:
    for number in range(MAX_RESULTS + 3):
        make_product(f"a-kettle-{number}", title=f"Aaa kettle {number}")
    make_product("kettle", title="Zzz kettle")
    html = search(admin_client, "kettle")
    assert html.count('id="search-products-') == MAX_RESULTS
    assert html.index("Zzz kettle") < html.index("Aaa kettle")


@pytest.mark.parametrize("text", ["", "   ", "\x00", "%", "'; --", "9" * 60, "x" * 190, "<script>alert(1)</script>"])
def test_odd_texts_are_no_errors_and_are_escaped(admin_client: Client, text: str) -> None:
    html = search(admin_client, text)
    assert "<script>" not in html
    assert ("Nothing found" in html) is bool(text.strip(" \x00")) or "option" in html
