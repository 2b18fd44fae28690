"""The ready-made flows, in the order in which most shops start them."""

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from recommendations.flows.models import Flow
from recommendations.flows.publishing import create_flow
from recommendations.flows.recipes import (
    back_in_stock,
    basket_abandonment,
    birthday,
    browse_abandonment,
    first_to_second_order,
    post_purchase_review,
    price_drop,
    replenishment,
    sunset,
    vip,
    welcome,
    win_back,
)
from recommendations.flows.recipes.recipe import FlowRecipe
from recommendations.messaging.starters.installation import ensure_starter_templates

RECIPES: Mapping[str, FlowRecipe] = {
    module.RECIPE.key: module.RECIPE
    for module in (
        welcome,
        basket_abandonment,
        browse_abandonment,
        price_drop,
        back_in_stock,
        post_purchase_review,
        first_to_second_order,
        replenishment,
        win_back,
        vip,
        birthday,
        sunset,
    )
}


class RecipeError(ValueError):
    """An unknown recipe, or an answer that is not valid."""


def create_flow_from_recipe(
    *, key: str, answers: Mapping[str, int] | None = None, now: datetime, by: User | None
) -> Flow:
    """Create a draft flow and the templates that it sends; templates that exist stay as they are.

    answers: to the questions of the recipe; the others get the proposed answers.

    Raises:
        RecipeError: names the recipe or the answer, and the fix.
    """
    recipe = RECIPES.get(key)
    if recipe is None:
        raise RecipeError(_("Unknown recipe %(key)s; valid: %(valid)s.") % {"key": key, "valid": ", ".join(RECIPES)})
    values = check_answers(recipe, answers or {})
    with transaction.atomic():
        ensure_starter_templates(recipe.templates, now=now)
        return create_flow(
            name=str(recipe.name),
            description=str(recipe.description),
            definition=recipe.build(values),
            recipe=recipe.key,
            by=by,
        )


def check_answers(recipe: FlowRecipe, answers: Mapping[str, int]) -> dict[str, int]:
    """Return the answer to each question."""
    values = {question.name: question.initial for question in recipe.questions}
    for name, value in answers.items():
        if name not in values:
            raise RecipeError(
                _("%(recipe)s has no parameter %(name)s; valid: %(valid)s.")
                % {"recipe": recipe.key, "name": name, "valid": ", ".join(values)}
            )
        values[name] = value
    for question in recipe.questions:
        value = values[question.name]
        if isinstance(value, bool) or not isinstance(value, int) or not question.low <= value <= question.high:
            raise RecipeError(
                _("%(label)s: %(value)s is not valid; enter a number from %(low)d to %(high)d.")
                % {"label": question.label, "value": value, "low": question.low, "high": question.high}
            )
    return values
