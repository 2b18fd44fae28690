"""Synonyms and the search preview in the back office."""

import math
import re
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from tablib import Dataset

from recommendations.serving.backoffice.search.resources import SynonymResource
from recommendations.serving.search.models import Synonym
from recommendations.serving.search.searcher import Searcher

PREVIEW = "admin:serving_search_preview"


@pytest.fixture
def administrator(client: Client, worker: Searcher) -> Client:
    client.force_login(get_user_model().objects.create_superuser("administrator", password="-"))
    return client


def get_page(client: Client, name: str, **query: Any) -> str:
    response = client.get(reverse(name), query, headers={"accept-language": "en"})
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("page", ["changelist", "add", "import", "export"])
def test_every_page_of_synonyms_opens(administrator: Client, page: str, language: str) -> None:
    Synonym.objects.create(terms=["耳麦", "耳机"])
    Synonym.objects.create(terms=["flask"], replacements=["保温杯"])
    response = administrator.get(reverse(f"admin:serving_synonym_{page}"), headers={"accept-language": language})
    assert response.status_code == 200
    if page == "changelist":
        assert "耳麦, 耳机" in response.content.decode()
        assert "→ 保温杯" in response.content.decode()


def test_synonyms_are_separated_by_any_kind_of_comma(administrator: Client) -> None:
    data = {"terms": "boiler，kettle, ; boiler", "replacements": "", "language": "", "enabled": "on"}
    assert administrator.post(reverse("admin:serving_synonym_add"), data).status_code == 302
    assert Synonym.objects.get().terms == ["boiler", "kettle"]
    assert "k1" in get_page(administrator, PREVIEW, q="boiler")
    page = administrator.get(reverse("admin:serving_synonym_change", args=[Synonym.objects.get().pk])).content.decode()
    assert "boiler, kettle</textarea>" in page


@pytest.mark.parametrize(
    ("terms", "replacements", "message"),
    [
        ("boiler", "", "A single term has no effect"),
        ("!?, kettle", "", "contains no words"),
        ("x" * 101 + ", kettle", "", "101"),
        ("", "kettle", "required"),
    ],
)
def test_a_synonym_without_effect_is_rejected(
    administrator: Client, terms: str, replacements: str, message: str
) -> None:
    data = {"terms": terms, "replacements": replacements, "language": "", "enabled": "on"}
    response = administrator.post(reverse("admin:serving_synonym_add"), data, headers={"accept-language": "en"})
    assert response.status_code == 200
    assert message in response.content.decode()
    assert not Synonym.objects.exists()


def test_the_database_rejects_a_synonym_without_effect(db: None) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Synonym.objects.create(terms=["alone"])
    Synonym.objects.create(terms=["a", "b"])
    with pytest.raises(IntegrityError), transaction.atomic():
        Synonym.objects.create(terms=["a", "b"])
    with pytest.raises(ValidationError):
        Synonym(terms=["alone"]).full_clean()


def test_synonyms_are_disabled_and_enabled(administrator: Client) -> None:
    synonym = Synonym.objects.create(terms=["boiler", "kettle"])
    for action, enabled in (("disable", False), ("enable", True)):
        administrator.post(
            reverse("admin:serving_synonym_changelist"), {"action": action, "_selected_action": [synonym.pk]}
        )
        synonym.refresh_from_db()
        assert synonym.enabled is enabled
        assert ("boiler" in get_page(administrator, PREVIEW, q="boiler")) is True
        assert (
            "No products match. Showing the newest products instead." in get_page(administrator, PREVIEW, q="boiler")
        ) is not enabled


def test_synonyms_are_imported_and_exported(db: None, django_assert_max_num_queries: Any) -> None:
    Synonym.objects.create(terms=["tv", "television"], enabled=False)
    rows = Dataset(headers=["terms", "replacements", "language", "enabled"])
    rows.append(["tv|television", "", "", "1"])
    rows.append(["flask", "保温杯|thermos", "zh", "1"])
    for number in range(20):
        rows.append([f"word{number}|other{number}", "", "", "1"])
    with django_assert_max_num_queries(12):
        result = SynonymResource().import_data(rows, raise_errors=True)
    assert (result.totals["new"], result.totals["update"]) == (21, 1)
    assert Synonym.objects.get(terms=["tv", "television"]).enabled
    flask = Synonym.objects.get(language="zh")
    assert (flask.terms, flask.replacements) == (["flask"], ["保温杯", "thermos"])
    exported = SynonymResource().export()
    assert ["flask", "保温杯|thermos", "zh", "1"] in [[str(value) for value in row] for row in exported]
    again = SynonymResource().import_data(exported, raise_errors=True)
    assert again.totals["skip"] == 22


def test_an_imported_row_without_effect_is_rejected_with_its_field(db: None) -> None:
    rows = Dataset(["alone", "", "", "1"], headers=["terms", "replacements", "language", "enabled"])
    result = SynonymResource().import_data(rows)
    assert "terms" in result.invalid_rows[0].error_dict


def test_the_preview_shows_how_each_product_was_ranked(administrator: Client) -> None:
    page = get_page(administrator, PREVIEW, q="red kettles", personalised="on")
    assert "3 products in " in page
    assert ">Red</mark>" in page
    assert ">kettle</mark>" in page
    assert "all words" in page
    assert "some words" in page
    corrected = get_page(administrator, PREVIEW, q="ketle")
    assert "<strong>kettle</strong>" in corrected
    nothing = get_page(administrator, PREVIEW, q="<b>xylophone")
    assert "No products match. Showing the newest products instead." in nothing
    assert "?terms=%3Cb%3Exylophone" in nothing
    assert "<b>xylophone" not in nothing
    assert "12" in get_page(administrator, PREVIEW) or "10 products in " in get_page(administrator, PREVIEW)


def test_the_columns_of_the_preview_multiply_to_the_score(administrator: Client) -> None:
    page = get_page(administrator, PREVIEW, q="red kettles", personalised="on")
    rows = re.findall(r"<tr class=.*?</tr>", page.split("<tbody>")[1], re.DOTALL)
    assert rows
    for row in rows:
        _rank, _product, _price, score, text, *factors = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        values = [float(re.search(r"[\d.]+", cell)[0]) for cell in (text, *factors)]  # type: ignore[index]
        assert len(values) == 5
        assert math.prod(values) == pytest.approx(float(score), rel=0.03), "factors have two decimals"


def test_the_preview_needs_the_permission_to_view_models(client: Client, worker: Searcher) -> None:
    user = get_user_model().objects.create_user("mia", password="-", is_staff=True)
    client.force_login(user)
    assert client.get(reverse(PREVIEW)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    assert "Search preview" in get_page(client, PREVIEW)
    assert reverse(PREVIEW) in client.get(reverse("admin:index")).content.decode()


def test_a_result_links_to_similar_products_only_for_users_who_may_preview_recommendations(
    administrator: Client, client: Client
) -> None:
    link = reverse("admin:serving_similar", args=["k1"])
    assert link in get_page(administrator, PREVIEW, q="kettle")
    user = get_user_model().objects.create_user("olga", password="-", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_modelversion"))
    client.force_login(user)
    page = get_page(client, PREVIEW, q="kettle")
    assert "k1" in page
    assert link not in page


def test_a_builtin_group_is_replaced_by_its_copy_and_restored_when_that_is_deleted(administrator: Client) -> None:
    page = get_page(administrator, "admin:serving_synonym_builtin", q="television")
    assert "tv, television, telly" in page
    assert "courgette" not in page
    assert "t1" in get_page(administrator, PREVIEW, q="telly")
    response = administrator.post(reverse("admin:serving_synonym_builtin"), {"key": "tv"})
    copy = Synonym.objects.get(builtin_key="tv")
    assert response.url == reverse("admin:serving_synonym_change", args=[copy.pk])
    assert administrator.post(reverse("admin:serving_synonym_builtin"), {"key": "tv"}).url == response.url
    assert "Replaced" in get_page(administrator, "admin:serving_synonym_builtin", q="television")
    nothing = "No products match. Showing the newest products instead."
    Synonym.objects.filter(pk=copy.pk).update(enabled=False)
    copy.save(update_fields=["updated_at"])
    assert nothing in get_page(administrator, PREVIEW, q="telly")
    copy.delete()
    assert nothing not in get_page(administrator, PREVIEW, q="telly")


def test_builtin_synonyms_need_the_permissions_of_synonyms(client: Client, worker: Searcher) -> None:
    user = get_user_model().objects.create_user("mia", password="-", is_staff=True)
    client.force_login(user)
    assert client.get(reverse("admin:serving_synonym_builtin")).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_synonym"))
    assert client.get(reverse("admin:serving_synonym_builtin")).status_code == 200
    assert client.post(reverse("admin:serving_synonym_builtin"), {"key": "tv"}).status_code == 403
    assert not Synonym.objects.exists()


def test_an_unknown_builtin_group_is_ignored(administrator: Client) -> None:
    assert administrator.post(reverse("admin:serving_synonym_builtin"), {"key": "xyz"}).status_code == 302
    assert not Synonym.objects.exists()
