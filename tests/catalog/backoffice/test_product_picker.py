"""The product picker: search, pasted IDs, and the form field."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from catalog.product_picker.fields import ProductIdsField, ProductPicker
from tests.makers import make_product

pytestmark = pytest.mark.django_db


def log_in(role: str) -> Client:
    user = User.objects.create_user("anna", password="x", is_staff=True)
    user.groups.set(Group.objects.filter(name=role))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def get_url() -> str:
    return reverse("admin:catalog_product_picker")


@pytest.fixture
def products(db: None) -> None:
    make_product("p-1", title="Ground coffee", brand="Alba", category="Grocery > Coffee")
    make_product("p-2", title="Coffee filters", brand="Acme", stock=0)
    make_product("coffee", title="Espresso", is_active=False)
    make_product("a,b", title="Tea", image_url="https://example.com/tea.jpg")


def test_search_finds_titles_brands_and_ids_with_the_exact_id_first(products: None) -> None:
    client = log_in("Merchandiser")
    page = client.get(get_url(), {"q": "coffee"}).content.decode()
    assert page.index("Espresso") < page.index("Coffee filters") < page.index("Ground coffee")
    assert "Inactive, so it is not shown" in page
    assert "Out of stock" in page
    assert "/product-image.svg?category=Grocery" in page, "a product without an image has a drawn one"
    assert 'data-id="p-1"' in client.get(get_url(), {"q": "alba"}).content.decode()
    assert "https://example.com/tea.jpg" in client.get(get_url(), {"q": "a,b"}).content.decode()
    assert "No product matches “zzz”" in client.get(get_url(), {"q": "zzz"}).content.decode()
    assert "option" not in client.get(get_url(), {"q": " \0 "}).content.decode()


def test_pasted_ids_are_divided_unless_they_are_an_id_and_unknown_ones_are_kept_with_a_warning(products: None) -> None:
    answer = log_in("Marketer").post(get_url(), {"pasted": "p-2; p-1\na,b\nnew-7,new-8\np-1"}).json()
    assert answer["ids"] == ["p-2", "p-1", "a,b", "new-7", "new-8"]
    assert "Coffee filters" in answer["rows"]["p-2"]
    assert "Not in the catalog" in answer["rows"]["new-7"]


def test_the_picker_needs_the_permission_to_view_products(products: None) -> None:
    assert log_in("Privacy officer").get(get_url(), {"q": "coffee"}).status_code == 403
    assert Client().get(get_url(), {"q": "coffee"}).status_code == 302


def test_the_field_keeps_the_order_and_shows_the_chosen_products(products: None) -> None:
    field = ProductIdsField(required=False)
    assert field.clean("p-2\r\np-1\n\np-2") == ["p-2", "p-1"]
    assert field.clean("") == []
    assert field.clean("p-2, p-1\na,b\ngone,too") == ["p-2", "p-1", "a,b", "gone,too"], "an unknown ID stays whole"
    assert not field.has_changed(["p-2", "p-1"], "p-2\np-1")
    html = ProductPicker().render("product_ids", ["p-2", "p-1"], {"id": "id_product_ids"})
    assert "p-2\np-1</textarea>" in html, "without the script, the IDs can be edited"
    assert html.index("Coffee filters") < html.index("Ground coffee")


def test_the_group_of_a_product_is_chosen_with_the_picker(products: None) -> None:
    page = log_in("Merchandiser").get(reverse("admin:catalog_product_add"))
    assert '<product-picker class="product-picker"' in page.content.decode()
    assert 'name="parent_id"' in page.content.decode()
