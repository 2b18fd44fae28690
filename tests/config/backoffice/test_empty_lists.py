"""Lists without rows say what to do, and offer only pages that the user may open."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import translation

from config.foundation.backoffice.navigation import MenuList, list_registered_pages

pytestmark = pytest.mark.django_db


def test_an_empty_list_says_what_to_do_in_both_languages(admin_client: Client) -> None:
    url = reverse("admin:catalog_product_changelist")
    page = admin_client.get(url)
    assert "Recommendations and search need a product catalog" in page.text
    assert f'href="{reverse("imports:list")}"' in page.text
    chinese = admin_client.get(url, headers={"accept-language": "zh-hans"})
    assert "推荐和搜索需要商品目录" in chinese.text


def test_a_search_without_results_offers_to_reset_it(admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:catalog_product_changelist"), {"q": "nothing"})
    assert "Nothing matches the search and filters." in page.text


def test_a_user_is_not_sent_to_a_page_without_access(client: Client, settings: object) -> None:
    settings.TWO_FACTOR_REQUIRED = False  # type: ignore[attr-defined]
    analyst = User.objects.create_user("analyst", password="x", is_staff=True)
    analyst.groups.add(Group.objects.get(name="Analyst"))
    client.force_login(analyst)
    page = client.get(reverse("admin:lifecycle_stagerules_changelist"))
    assert "Stage rules are measured" in page.text
    assert reverse("jobs:list") not in page.text


def test_the_empty_state_of_every_list_has_a_text() -> None:
    shown_otherwise = {
        "serving.PlacementSettings",
        "serving.Preview",
        "serving.PerformanceDay",
        "auth.User",
        "auth.Group",
    }
    lists = [entry for entry in list_registered_pages() if isinstance(entry, MenuList)]
    missing = {entry.model for entry in lists if not entry.empty}
    assert missing - shown_otherwise == {"django_celery_beat.PeriodicTask"}
    with translation.override("zh-hans"):
        assert all(any("一" <= letter <= "鿿" for letter in str(entry.empty)) for entry in lists if entry.empty)
