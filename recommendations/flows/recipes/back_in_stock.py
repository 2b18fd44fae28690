"""The recipe “Back in stock”."""

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
    key="back-in-stock",
    name=_("Back in stock"),
    description=_("Notifies customers who asked for a product, viewed it or saved it, when it is back in stock."),
    templates=("back-in-stock",),
    questions=(
        RecipeQuestion(
            "days",
            _("Days since the customer showed interest"),
            _("Interest shown longer ago does not count."),
            60,
            1,
            365,
        ),
    ),
    build=lambda answers: make_definition(
        {"kind": "catalog", "change": "back_in_stock", "interest": CATALOG_INTERESTS, "within_days": answers["days"]},
        [message("news", "back-in-stock"), wait_for_result(3)],
        reentry={"rule": "after", "days": 3},
    ),
)
