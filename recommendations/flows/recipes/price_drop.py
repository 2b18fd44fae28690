"""The recipe “Price drop”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import (
    CATALOG_INTERESTS,
    FlowRecipe,
    RecipeQuestion,
    make_definition,
    message,
    wait_for_result,
)

RECIPE = FlowRecipe(
    key="price-drop",
    name=_("Price drop"),
    description=_("Notifies customers when the price of a product they viewed or saved drops."),
    templates=("price-drop",),
    questions=(
        RecipeQuestion(
            "percent", _("Smallest price drop in percent"), _("Smaller price drops do not start the flow."), 10, 1, 90
        ),
        RecipeQuestion(
            "days",
            _("Days since the customer showed interest"),
            _("Interest shown longer ago does not count."),
            30,
            1,
            365,
        ),
    ),
    build=lambda answers: make_definition(
        {
            "kind": "catalog",
            "change": "price_drop",
            "percent": answers["percent"],
            "interest": CATALOG_INTERESTS,
            "within_days": answers["days"],
        },
        [message("news", "price-drop"), wait_for_result(3)],
        reentry={"rule": "after", "days": 3},
    ),
)
