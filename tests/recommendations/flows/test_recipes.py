"""Every recipe becomes a flow that can be published as it is, with its templates."""

import pytest

from recommendations.flows.machine.definition_parsing import list_problems
from recommendations.flows.machine.graph import build_graph
from recommendations.flows.publishing import get_draft, publish_flow
from recommendations.flows.recipes.registry import RECIPES, RecipeError, create_flow_from_recipe
from recommendations.messaging.models import MessageTemplate
from recommendations.messaging.starters.texts import STARTERS
from tests.recommendations.flows.makers import NOON

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
