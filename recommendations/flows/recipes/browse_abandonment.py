"""The recipe “Browse abandonment”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import (
    FlowRecipe,
    RecipeQuestion,
    compare,
    make_definition,
    message,
    wait,
    wait_for_result,
)

RECIPE = FlowRecipe(
    key="browse-abandonment",
    name=_("Browse abandonment"),
    description=_(
        "Reminds customers who viewed products at least twice within two days, but neither added one to the cart nor ordered, "
        "of the first product that they viewed."
    ),
    templates=("browse-abandonment",),
    questions=(
        RecipeQuestion("hours", _("Hours to wait"), _("After the product was viewed, without an order."), 4, 1, 72),
    ),
    build=lambda answers: make_definition(
        {"kind": "event", "event": "Product Viewed", "where": []},
        [
            wait("pause", hours=answers["hours"]),
            {
                "key": "interested",
                "kind": "branch",
                "condition": compare("viewed.any", "at_least", times=2, within_days=2),
                "branches": {"yes": [message("reminder", "browse-abandonment"), wait_for_result(3)], "no": []},
            },
        ],
        reentry={"rule": "after", "days": 14},
        exits=[{"kind": "event", "event": "Product Added"}],
    ),
)
