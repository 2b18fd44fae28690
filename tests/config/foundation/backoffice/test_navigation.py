"""The registry of pages, and the menu that each user gets from it."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import resolve, reverse

from config.foundation.backoffice import navigation
from config.foundation.backoffice.areas import find_tab
from config.foundation.backoffice.navigation import MenuList, MenuPage, describe_location, get_navigation

pytestmark = pytest.mark.django_db
PROJECT_APPS = ("catalog.", "customers.", "recommendations.", "config.")


@pytest.fixture(autouse=True)
def restored_registry() -> Iterator[None]:
    entries = list(navigation._entries)
    yield
    navigation._entries[:] = entries


def make_request(*permissions: str, path: str = "/admin/", superuser: bool = False) -> HttpRequest:
    user = User.objects.create_user("person", is_staff=True, is_superuser=superuser)
    for permission in permissions:
        label, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=label, codename=codename))
    request = RequestFactory().get(path)
    request.user = user
    request.resolver_match = resolve(path)
    return request


def list_urls(request: HttpRequest) -> dict[str, list[str]]:
    return {area.area.key: [page.url for tab in area.tabs for page in tab.pages] for area in get_navigation(request)}


def test_a_user_sees_only_areas_with_a_page_that_they_may_open() -> None:
    assert list_urls(make_request("catalog.view_product")) == {
        "home": [reverse("admin:index")],
        "catalog": [reverse("admin:catalog_product_changelist"), reverse("admin:orders_missing_products")],
    }


def test_every_page_has_a_url_and_every_list_of_the_project_is_in_the_menu() -> None:
    urls = {url for area in list_urls(make_request(superuser=True)).values() for url in area}
    assert len(urls) == len(navigation.list_registered_pages())
    entries = navigation.list_registered_pages()
    listed = {entry.model.lower() for entry in entries if isinstance(entry, MenuList)}
    details = {name.removeprefix("admin:") for entry in entries for name in entry.details}
    models = {model._meta.label_lower for model in admin.site._registry if model.__module__.startswith(PROJECT_APPS)}
    below = {label for label in models if f"{label.replace('.', '_')}_changelist" in details}
    assert models - listed - below == set()


@pytest.mark.parametrize(
    ("path", "current"),
    [
        (("admin:index", []), "admin:index"),
        (("admin:events_live", []), "admin:events_live"),
        (("admin:events_event_change", [7]), "admin:events_event_changelist"),
        (("admin:lifecycle_customer", [7]), "customer_list:list"),
        (("admin:lifecycle_drilldown", []), "admin:lifecycle_overview"),
        (("admin:lifecycle_stagetransition_changelist", []), "admin:lifecycle_stages"),
    ],
)
def test_the_current_page_is_marked(path: tuple[str, list[int]], current: str) -> None:
    url = reverse(path[0], args=path[1])
    place = describe_location(make_request(path=url, superuser=True))
    assert place["page"].url == reverse(current)
    assert place["is_registered_page"] is (not path[1] and path[0] == current)


def test_a_page_outside_the_menu_has_no_area() -> None:
    place = describe_location(make_request(path=reverse("account:sessions"), superuser=True))
    assert (place["area"], place["tabs"]) == (None, [])


def test_registering_a_page_adds_its_tab_in_order_and_again_replaces_it() -> None:
    for label in ("First", "Second"):
        navigation.register_pages(
            MenuPage(tab="data.live", label=label, url_name="admin:events_live", permission=None, order=99)
        )
    data = next(area for area in get_navigation(make_request(superuser=True)) if area.area.key == "data")
    assert [page.label for tab in data.tabs for page in tab.pages if tab.tab.key == "live"][-1] == "Second"


def test_a_page_with_an_unknown_tab_is_an_error_that_lists_the_tabs() -> None:
    with pytest.raises(ValueError, match=r"Unknown tab 'customers\.all2'.*valid: home\.home"):
        MenuPage(tab="customers.all2", label="x", url_name="admin:index", permission=None)
    assert find_tab("customers.all").key == "all"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_list_shows_the_tabs_of_its_area_and_its_name_as_title(admin_client: Client, language: str) -> None:
    address = reverse("admin:events_rejectedevent_changelist")
    page = admin_client.get(address, headers={"accept-language": language}).text
    assert f'<a href="{reverse("admin:events_live")}">' in page
    assert f'<a href="{address}" aria-current="page">' in page
    assert ("<h1>Rejected</h1>" if language == "en" else "<h1>被拒事件</h1>") in page


def test_the_page_of_an_object_leads_back_to_its_list(admin_client: Client, admin_user: User) -> None:
    page = admin_client.get(reverse("admin:auth_user_change", args=[admin_user.pk])).text
    assert f'<a href="{reverse("admin:auth_user_changelist")}">Users</a>' in page
    assert "<h1>admin</h1>" in page
