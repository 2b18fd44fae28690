"""A walk per role over all registered pages: the menu shows what a role may open, and everything else answers 403."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client, RequestFactory
from django.urls import reverse

from config.access.roles import ROLES
from config.foundation.backoffice.navigation import (
    Entry,
    MenuList,
    NavigationArea,
    build_navigation,
    list_registered_pages,
)
from customers.imports.kinds.registry import KINDS

pytestmark = pytest.mark.django_db

WHOM_TO_ASK = "Ask an administrator"
LINK = re.compile(r'<a\b[^>]*\bhref="(/admin/[^"?#]*)')
# What each role works with: areas of the menu that it must have.
AREAS = {
    "Analyst": {
        *(
            "home",
            "customers",
            "segments",
            "campaigns",
            "recommendations",
            "analytics",
            "experiments",
            "catalog",
            "data",
            "settings",
        ),
    },
    "Marketer": {
        *(
            "home",
            "customers",
            "segments",
            "campaigns",
            "recommendations",
            "analytics",
            "experiments",
            "catalog",
            "data",
            "settings",
        ),
    },
    "Merchandiser": {
        *(
            "home",
            "customers",
            "segments",
            "recommendations",
            "analytics",
            "experiments",
            "catalog",
            "data",
            "settings",
        ),
    },
    "Privacy officer": {"home", "customers", "analytics", "data", "settings"},
    "Operator": {"home", "customers", "campaigns", "recommendations", "data", "settings"},
    "Administrator": {
        *("home", "customers", "segments", "campaigns", "recommendations"),
        *("analytics", "experiments", "catalog", "data", "settings"),
    },
}
# The tabs of the settings by role: what is behind them concerns operation, privacy and users.
SETTINGS = {
    "Analyst": {"stages"},
    "Marketer": {"sending", "stages"},
    "Merchandiser": {"stages"},
    "Privacy officer": {"privacy", "records", "audit"},
    "Operator": {"jobs", "keys", "sending", "stages", "brand", "audit", "tables"},
    "Administrator": {"jobs", "keys", "team", "sending", "stages", "privacy", "records", "brand", "audit", "tables"},
}
# What each role may import. Customers have personal data, which only administrators and privacy officers see.
IMPORTS = {
    "Analyst": set[str](),
    "Marketer": set[str](),
    "Merchandiser": {"products", "reviews"},
    "Privacy officer": set[str](),
    "Operator": {"orders", "events"},
    "Administrator": {"products", "customers", "orders", "reviews", "events"},
}


@pytest.fixture
def person(request: pytest.FixtureRequest, settings: Any) -> User:
    settings.TWO_FACTOR_REQUIRED = False
    user = User.objects.create_user(request.param, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=request.param))
    return user


def list_areas(user: User) -> dict[str, NavigationArea]:
    request = RequestFactory().get("/admin/")
    request.user = user
    return {area.area.key: area for area in build_navigation(request)}


def may_open(entry: Entry, user: User) -> bool:
    """Return whether a page outside of the user's menu opens from other pages."""
    return isinstance(entry, MenuList) and user.has_perm("{}.view_{}".format(*entry.model.lower().split(".")))


def list_expected_statuses(user: User) -> dict[str, int]:
    """Return the status by URL of each registered page: 200 of those in the user's menu and those that open from them, else 403."""
    visible = {page.url for area in list_areas(user).values() for tab in area.tabs for page in tab.pages}
    return {
        entry.get_url(): 200 if entry.get_url() in visible or may_open(entry, user) else 403
        for entry in list_registered_pages()
    }


# test_personal_data_walk checks the same for the other roles, whose pages it opens anyway
@pytest.mark.parametrize("person", ["Privacy officer", "Administrator"], indirect=True)
def test_a_role_opens_every_page_of_its_menu_and_no_other(client: Client, person: User) -> None:
    client.force_login(person)
    answers = {entry.get_url(): client.get(entry.get_url()) for entry in list_registered_pages()}
    assert {url: answer.status_code for url, answer in answers.items()} == list_expected_statuses(person)
    for url, answer in answers.items():
        assert answer.status_code == 200 or WHOM_TO_ASK in answer.text, url
    if person.username != "Administrator":  # who may open everything
        texts = [answer.text for answer in answers.values() if answer.status_code == 200]
        links = {link for text in texts for link in LINK.findall(text)}
        refused = {link for link in links - set(answers) if client.get(link).status_code == 403}
        assert refused == set(), "links of the pages that the role may not open"


@pytest.mark.parametrize("person", ROLES, indirect=True)
def test_the_menu_of_a_role_has_what_it_works_with(person: User) -> None:
    areas = list_areas(person)
    assert set(areas) == AREAS[person.username]
    assert {tab.tab.key for tab in areas["settings"].tabs} == SETTINGS[person.username]


@pytest.mark.parametrize("person", ["Analyst"], indirect=True)
@pytest.mark.parametrize(("language", "text"), [("en", "You do not have access"), ("zh-hans", "您没有权限")])
def test_a_page_without_access_says_whom_to_ask(client: Client, person: User, language: str, text: str) -> None:
    client.force_login(person)
    answer = client.get(reverse("admin:auth_user_changelist"), headers={"accept-language": language})
    assert answer.status_code == 403
    assert text in answer.text
    assert f'href="{reverse("admin:index")}"' in answer.text


@pytest.mark.parametrize("person", ROLES, indirect=True)
def test_a_role_imports_what_it_works_with(client: Client, person: User) -> None:
    client.force_login(person)
    allowed = {kind for kind in KINDS if client.get(reverse("imports:new", args=[kind])).status_code == 200}
    assert allowed == IMPORTS[person.username]
