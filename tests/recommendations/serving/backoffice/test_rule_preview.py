"""The preview of a rule that is not saved."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from recommendations.merchandising.models import Rule
from recommendations.serving.backoffice.placements import samples
from recommendations.serving.backoffice.rule_preview import preview_with_rules
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.makers import NOON, make_product, make_segment

FOR_TEA = RecommendationRequest(scenario="for-you", user_id="user-0", n=5)
PAGE = "admin:serving_rule_preview"


@pytest.fixture(autouse=True)
def long_deadline(settings: Any) -> None:
    """Set a deadline for slow machines, on which a preview would show fallbacks."""
    settings.RECOMMEND_DEADLINE_MS = 600_000.0


def list_ids(products: Any) -> list[str]:
    return [entry.card.product_id for entry in products]


def make_rule(action: str, *product_ids: str, **fields: Any) -> Rule:
    fields = {"name": action, "product_ids": list(product_ids), **fields}
    return Rule(action=action, **({"position": 1, **fields} if action == "pin" else fields))


def test_a_pin_changes_its_own_and_all_later_positions(trained: ModelVersion, loader: StateLoader) -> None:
    plain = list_ids(get_preview(loader, make_rule("hide", "none")).without_rules)
    assert plain == [item.product_id for item in recommend(request=FOR_TEA, now=NOON, source=loader).items]
    preview = get_preview(loader, make_rule("pin", "coffee-0", position=2))
    assert list_ids(preview.without_rules) == plain
    assert list_ids(preview.with_rules) == [plain[0], "coffee-0", *plain[1:4]]
    assert preview.changed_positions == 4
    assert preview.removed == {plain[4]}
    assert [entry.is_pinned for entry in preview.with_rules] == [False, True, False, False, False]
    assert [entry.previous_position for entry in preview.with_rules] == [1, None, 2, 3, 4]
    assert not Rule.objects.exists()


def get_preview(loader: StateLoader, draft: Rule, request: RecommendationRequest = FOR_TEA) -> Any:
    return preview_with_rules(request=request, draft_rule=draft, now=NOON, source=loader)


def test_changes_are_counted_relative_to_the_other_rules(trained: ModelVersion, loader: StateLoader) -> None:
    plain = list_ids(get_preview(loader, make_rule("hide", "none")).without_rules)
    Rule.objects.create(name="other", action="hide", product_ids=[plain[0]])
    stored = Rule.objects.create(name="stored", action="hide", product_ids=[plain[1]])
    preview = get_preview(loader, stored)
    assert list_ids(preview.without_rules) == plain
    assert list_ids(preview.with_rules)[:3] == plain[2:5]
    assert preview.removed >= {plain[0], plain[1]}
    assert preview.changed_positions == 5, "all positions move up by one"
    harmless = get_preview(loader, make_rule("hide", plain[0]))
    assert harmless.changed_positions == 0, "another rule hides it already"


def test_the_schedule_and_segment_of_a_draft_are_assumed_to_apply(trained: ModelVersion, loader: StateLoader) -> None:
    draft = make_rule("hide", "tea-0", segment=make_segment("loyal"), starts_at=NOON + timedelta(days=1), enabled=False)
    preview = get_preview(loader, draft)
    assert preview.assumptions == ("segment", "time")
    assert "tea-0" not in list_ids(preview.with_rules)
    assert (
        get_preview(loader, make_rule("hide", "tea-0", ends_at=NOON + timedelta(days=1), weekdays=[2])).assumptions
        == ()
    )
    assert draft.segment is not None
    assert draft.starts_at == NOON + timedelta(days=1)


def test_missing_pins_and_an_ignored_draft_are_reported(trained: ModelVersion, loader: StateLoader) -> None:
    Rule.objects.create(name="hide", action="hide", product_ids=["tea-1"], priority=5)
    preview = get_preview(loader, make_rule("pin", "tea-1", "unknown", "coffee-1"))
    assert preview.missing_pins == ["tea-1", "unknown"]
    assert list_ids(preview.with_rules)[0] == "coffee-1"
    ignored = get_preview(loader, make_rule("only", "tea-1"))
    assert (ignored.is_ignored, ignored.changed_positions, ignored.empty_text) == (True, 0, "")
    everything = get_preview(loader, make_rule("hide", price_from=0))
    assert (everything.with_rules, everything.empty_text[:24]) == ([], "Merchandising rules hide")


@pytest.fixture
def merchandiser(db: None) -> Client:
    user = User.objects.create(username="merchandiser", is_staff=True)
    user.groups.add(Group.objects.get(name="Merchandiser"))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def get_page(response: Any) -> str:
    assert response.status_code == 200
    return response.content.decode()


FORM = {"name": "", "priority": "0", "action": "hide", "product_ids": "tea-0\ntea-1", "preview-rule": ""}


def test_the_panel_follows_the_form_and_saves_nothing(
    trained: ModelVersion, loader: StateLoader, merchandiser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview_fields = {"preview-scenario": "for-you", "preview-user_id": "user-0", "preview-n": "5"}
    response = merchandiser.post(reverse(PAGE), FORM | preview_fields, headers={"X-Requested-With": "fetch"})
    page = get_page(response)
    assert "<html" not in page
    assert "Hides products named tea number 0, tea number 1." in page
    assert 'value="user-0"' in page
    assert f"This rule changes {response.context['preview'].changed_positions} of the first 5 positions." in page
    assert not Rule.objects.exists()
    whole = get_page(merchandiser.post(reverse(PAGE), FORM | preview_fields))
    assert '<input type="hidden" name="product_ids" value="tea-0&#10;tea-1">' in whole.replace("\n", "&#10;")
    wrong = get_page(merchandiser.post(reverse(PAGE), FORM | {"action": "pin"}))
    assert "Position: A pin requires a position" in wrong
    assert "The rule matches no products" not in page
    nothing = FORM | preview_fields | {"action": "boost", "factor": "2.5", "brand": "None", "product_ids": ""}
    response = merchandiser.post(reverse(PAGE), nothing, headers={"X-Requested-With": "fetch"})
    assert response.context["preview"].changed_positions == 0
    assert "The rule matches no products" in get_page(response)


def test_a_placement_based_on_products_starts_from_the_best_seller(
    trained: ModelVersion, loader: StateLoader, merchandiser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    similar = FORM | {"preview-scenario": "similar", "preview-n": "5"}
    response = merchandiser.post(reverse(PAGE), similar)
    page = get_page(response)
    assert (
        "“Similar products” is based on products. None is chosen in “Products”, so this is for the best seller" in page
    )
    assert response.context["preview"].without_rules
    assert "best seller" not in get_page(merchandiser.post(reverse(PAGE), similar | {"preview-product_ids": "tea-2"}))
    monkeypatch.setattr(samples, "get_response", lambda request, **options: None)
    page = get_page(merchandiser.post(reverse(PAGE), similar))
    assert "there is no best seller to start from. Choose one in “Products”." in page


@pytest.mark.parametrize(
    ("placements", "chosen", "texts", "links_search"),
    [
        (["search"], "", ["does not apply to “For you”", "does not show: Search.", "open the search preview."], True),
        (["categories"], "", ["does not apply to “For you”", "does not show: Categories for you."], False),
        (["popular", "search"], "new", ["does not apply to “New products”", "Choose another placement"], True),
    ],
)
def test_a_placement_to_which_the_rule_does_not_apply_is_not_previewed(
    placements: list[str],
    chosen: str,
    texts: list[str],
    links_search: bool,
    trained: ModelVersion,
    merchandiser: Client,
) -> None:
    stored = Rule.objects.create(name="Tea", action="hide", product_ids=["tea-0"], scenarios=placements)
    query = {"preview-rule": str(stored.pk)} | ({"preview-scenario": chosen} if chosen else {})
    response = merchandiser.get(reverse(PAGE), query)
    page = get_page(response)
    for text in texts:
        assert text in page
    assert response.context["preview"] is None
    assert "positions." not in page
    assert (f'class="underline" href="{reverse("admin:serving_search_preview")}"' in page) is links_search


def test_a_stored_rule_has_a_page(trained: ModelVersion, merchandiser: Client) -> None:
    stored = Rule.objects.create(name="<Tea> & more", action="hide", product_ids=["tea-0"], scenarios=["popular"])
    page = get_page(merchandiser.get(reverse(PAGE), {"preview-rule": stored.pk}))
    assert "&lt;Tea&gt; &amp; more" in page
    assert '<option value="popular" selected>' in page
    assert "No rule selected." in get_page(merchandiser.get(reverse(PAGE)))
    assert merchandiser.get(reverse(PAGE), {"preview-rule": "99999"}).status_code == 404
    merchandiser.cookies["django_language"] = "zh-hans"
    assert 'lang="zh-hans"' in get_page(merchandiser.get(reverse(PAGE), {"preview-rule": stored.pk})).lower()


def test_without_a_model_the_whole_catalog_is_previewed(db: None, loader: StateLoader) -> None:
    make_product("a", published_at=NOON), make_product("b", published_at=NOON)
    assert list_ids(get_preview(loader, make_rule("hide", "a")).with_rules) == ["b"]


def test_the_preview_requires_the_permission_to_view_rules(db: None) -> None:
    client = Client()
    assert client.get(reverse(PAGE)).status_code == 302
    client.force_login(
        User.objects.create(username="x", is_staff=True), backend="django.contrib.auth.backends.ModelBackend"
    )
    assert client.get(reverse(PAGE)).status_code == 403
