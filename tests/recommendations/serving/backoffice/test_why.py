"""“Why this product?” in words."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from recommendations.serving.backoffice.preview import PreviewedItem, SourceLine, build_preview
from recommendations.serving.backoffice.why import explain_item, explain_preview
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.makers import NOON
from tests.recommendations.shop import get_customer


def make_entry(*causes: SourceLine, code: str = "because_you_bought") -> PreviewedItem:
    item: Any = SimpleNamespace(product_id="tea", reason=SimpleNamespace(code=code, text="Because you bought Cake"))
    return PreviewedItem(item, list(causes))


def test_sources_become_sentences_and_equal_ones_are_added() -> None:
    entry = make_entry(
        SourceLine("item-knn", "cake", "Cake", 40.0),
        SourceLine("ease", "cake", "Cake", 20.0),
        SourceLine("content", "jam", "Jam", 10.0),
        SourceLine("content", "honey", "Honey", 20.0),
        SourceLine("popularity", "", "", 8.0),
        SourceLine("trending", "", "", 2.0),
    )
    assert explain_item(entry, is_related=False) == [
        "Customers who chose “Cake” also chose it (60% of the score).",
        "It is similar to “Honey”, “Jam” (30% of the score).",
        "It sells well (8% of the score).",
    ]


@pytest.mark.parametrize(
    ("source", "product", "text"),
    [
        ("repeat-rhythm", "tea", "The customer bought it before, and it is due again"),
        ("repeat", "tea", "The customer has bought or viewed it before"),
        ("visit/content", "jam", "It is similar to “Jam”, viewed in this visit"),
        ("co-purchase", "jam", "It is bought in the same orders as “Jam”"),
        ("trait.country", "", "Customers with the same traits buy it"),
    ],
)
def test_each_kind_of_source_has_its_words(source: str, product: str, text: str) -> None:
    [sentence] = explain_item(make_entry(SourceLine(source, product, "Jam", 100.0)), is_related=False)
    assert sentence == f"{text} (100% of the score)."


def test_a_pinned_product_is_explained_by_its_rule() -> None:
    entry = make_entry(SourceLine("item-knn", "cake", "Cake", 90.0), code="chosen_by_the_shop")
    assert explain_item(entry, is_related=False) == ["A rule pins it to this position."]


def test_every_product_of_a_preview_is_explained(trained: ModelVersion, loader: StateLoader, settings: Any) -> None:
    request = RecommendationRequest("for-you", user_id="user-0", n=5)
    explained = explain_preview(build_preview(request=request, now=NOON, source=loader))
    assert len(explained) == 5
    assert all("% of the score)." in each.why for each in explained)


def test_a_hidden_product_has_its_title_in_the_back_office_and_is_no_reason_for_visitors(
    trained: ModelVersion, loader: StateLoader
) -> None:
    request = RecommendationRequest("for-you", user_id="user-0", n=5)
    hidden = {
        product_id for product_id, _title, _moment in build_preview(request=request, now=NOON, source=loader).history
    }
    for product in Product.objects.filter(product_id__in=hidden):
        product.is_active = False
        product.save()
    loader.refresh(now=NOON)
    preview = build_preview(request=request, now=NOON, source=loader)
    titles = dict(Product.objects.values_list("product_id", "title"))
    assert hidden
    assert {(product_id, title) for product_id, title, _moment in preview.history} == {
        (id_, titles[id_]) for id_ in hidden
    }
    causes = {(cause.product_id, cause.title) for entry in preview.items for cause in entry.causes if cause.product_id}
    assert all(titles[product_id] == title for product_id, title in causes)
    named = {product_id for entry in preview.items for product_id in entry.item.reason.product_ids}
    assert not named & hidden


def test_the_preview_and_the_customer_tab_say_why(trained: ModelVersion, client: Client) -> None:
    client.force_login(User.objects.create_superuser("admin"), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(
        reverse("admin:serving_preview_changelist"), {"scenario": "for-you", "user_id": "user-0", "n": "5"}
    )
    assert "of the score)." in page.content.decode()
    customer = get_customer("user-0")
    tab = client.get(reverse("admin:lifecycle_customer", args=[customer.pk]), {"tab": "recommendations"})
    assert "of the score)." in tab.content.decode()
    similar = client.get(reverse("admin:serving_preview_changelist"), {"scenario": "similar", "product_id": "tea-0"})
    assert "tea number 0" in similar.content.decode()
    unchosen = client.get(reverse("admin:serving_preview_changelist"), {"scenario": "bought-together"})
    assert "“Bought together” is based on products. None is chosen in “Products”" in unchosen.content.decode()
    assert "requires product_id" not in unchosen.content.decode()
