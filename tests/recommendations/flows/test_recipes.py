"""Every recipe becomes a flow that can be published as it is, with its templates."""

from datetime import timedelta

import pytest
from django.utils.translation import override

from customers.identity.models import Customer
from recommendations.flows.capture.event_names import normalize_event
from recommendations.flows.machine.definition_parsing import list_problems
from recommendations.flows.machine.graph import build_graph
from recommendations.flows.publishing import get_draft, publish_flow
from recommendations.flows.recipes.registry import RECIPES, RecipeError, create_flow_from_recipe
from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.starters.texts import STARTERS
from recommendations.sending.models import Delivery
from recommendations.sending.tracking.entries import TrackedEntry
from recommendations.sending.tracking.storing import store_entries
from tests.makers import make_customer, make_product
from tests.recommendations.flows.makers import NOON, list_messages, list_statuses, run, signal

pytestmark = pytest.mark.django_db
READY = {starter.key for starter in STARTERS}


@pytest.mark.parametrize("key", RECIPES)
def test_a_recipe_can_be_started_without_any_change(key: str) -> None:
    recipe = RECIPES[key]
    definition = recipe.build({question.name: question.initial for question in recipe.questions})
    assert list_problems(definition) == []
    templates = {step.settings["template"] for step in build_graph(definition).steps.values() if step.kind == "message"}
    assert templates == set(recipe.templates)
    if not templates <= READY:
        pytest.skip("messaging has no ready-made template for it yet")
    flow = create_flow_from_recipe(key=key, now=NOON, by=None)
    publish_flow(flow=flow, now=NOON)
    assert (flow.status, flow.recipe) == ("live", key)
    assert MessageTemplate.objects.filter(key__in=templates).count() == len(templates)


def test_answers_are_used_and_checked() -> None:
    flow = (
        create_flow_from_recipe(key="price-drop", answers={"percent": 25}, now=NOON, by=None)
        if "price-drop" in READY
        else None
    )
    if flow is not None:
        draft = get_draft(flow)
        assert draft is not None
        assert draft.definition["trigger"]["percent"] == 25
    with pytest.raises(RecipeError, match="enter a number from 1 to 90"):
        create_flow_from_recipe(key="price-drop", answers={"percent": 0}, now=NOON, by=None)
    with pytest.raises(RecipeError, match="valid: percent, days"):
        create_flow_from_recipe(key="price-drop", answers={"percentage": 1}, now=NOON, by=None)


def test_the_sunset_email_promises_only_what_its_flow_does() -> None:
    """The flow looks at clicks only, and tags those who do not respond: it unsubscribes nobody."""
    texts = next(starter for starter in STARTERS if starter.key == "sunset").texts
    english, chinese = ("".join(texts[language].paragraphs) for language in ("en", "zh-hans"))
    assert "not clicked in our messages" in english
    assert "last message" not in english
    assert ("没有点击我们的邮件" in chinese, "最后一封" in chinese) == (True, False)


def test_the_sunset_flow_tags_only_those_who_do_not_click_its_question() -> None:
    flow = create_flow_from_recipe(key="sunset", now=NOON, by=None)
    publish_flow(flow=flow, now=NOON)
    silent, clicking, machine = make_customer(), make_customer(), make_customer()
    for customer in (silent, clicking, machine):
        signal(customer.pk, str(flow.pk), kind="match")
    run(NOON)
    for customer in (clicking, machine):
        question = Delivery.objects.create(
            origin_kind="flow",
            origin_id=1_000_000 + customer.pk,  # the runs of the flow have small numbers
            customer_id=customer.pk,
            template_version_id=1,
            channel="email",
            due_at=NOON,
            sent_at=NOON,
            status="sent",
        )
        at = NOON + (timedelta(seconds=1) if customer is machine else timedelta(hours=1))
        store_entries([TrackedEntry("click", question.pk, at, "https://shop.example/", "Mozilla/5.0 (iPhone)", "s")])
    run(NOON + timedelta(hours=2))
    run(NOON + timedelta(days=31))
    tagged = Customer.objects.filter(traits__tags__contains=["silent"])
    assert set(tagged.values_list("pk", flat=True)) == {silent.pk, machine.pk}


def test_the_cart_reminder_shows_the_added_product_and_ends_when_it_is_removed() -> None:
    flow = create_flow_from_recipe(key="basket-abandonment", now=NOON, by=None)
    publish_flow(flow=flow, now=NOON)
    kept, removed = make_customer(), make_customer()
    make_product("tea")
    for customer, product_id in ((kept, "cup"), (removed, "tea")):
        signal(customer.pk, product_id="tea")
        signal(customer.pk, normalize_event("Product Removed"), at=NOON + timedelta(minutes=5), product_id=product_id)
    run(NOON + timedelta(minutes=6))
    run(NOON + timedelta(hours=4))
    assert sorted(list_statuses(flow)) == ["active", "exited"]
    assert [customer_id for customer_id, _at in list_messages(flow)] == [kept.pk]
    texts = next(starter for starter in STARTERS if starter.key == "basket-abandonment").texts
    assert 'button="View product"' in texts["en"].before
    assert 'button="查看商品"' in texts["zh-hans"].before


def test_the_request_for_a_review_shows_what_was_bought_and_is_not_sent_without_it() -> None:
    texts = next(starter for starter in STARTERS if starter.key == "post-purchase-review").texts
    for language, button in (("en", "Write a review"), ("zh-hans", "写评价")):
        row = f'placement="event" n="3" columns="3" button="{button}" fallback="skip"'
        assert row in texts[language].before


@pytest.mark.parametrize(
    "key", ["back-in-stock", "browse-abandonment", "first-to-second-order", "replenishment", "vip", "win-back"]
)
def test_a_recipe_and_its_template_have_the_same_chinese_name(key: str) -> None:
    names = {starter.key: starter.names["zh-hans"] for starter in STARTERS}
    with override("zh-hans"):
        assert [names[template] for template in RECIPES[key].templates] == [str(RECIPES[key].name)]
