"""The recipe “Replenishment”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import FlowRecipe, RecipeQuestion, make_definition, message, wait_for_result

RECIPE = FlowRecipe(
    key="replenishment",
    name=_("Replenishment"),
    description=_(
        "Reminds customers to reorder shortly before their next expected order, based on how often each customer buys."
    ),
    templates=("replenishment",),
    questions=(
        RecipeQuestion("days", _("Days before the expected order"), _("0 is the expected day itself."), 3, 0, 30),
    ),
    build=lambda answers: make_definition(
        {"kind": "date", "date": "next_order", "days": -answers["days"]},
        [
            {"key": "hour", "kind": "wait_until", "hour": "best"},
            message("reminder", "replenishment"),
            wait_for_result(7),
        ],
        reentry={"rule": "after", "days": 14},
    ),
)
