"""The recipe “From the first to the second order”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import (
    FlowRecipe,
    RecipeQuestion,
    make_definition,
    message,
    wait,
    wait_for_result,
)

RECIPE = FlowRecipe(
    key="first-to-second-order",
    name=_("From the first to the second order"),
    description=_(
        "Shows new customers products that go with their first order. Customers who order twice are more likely to stay."
    ),
    templates=("first-to-second-order",),
    questions=(RecipeQuestion("days", _("Days to wait"), _("After the first order."), 10, 1, 120),),
    build=lambda answers: make_definition(
        # not the number in the profile, which may not contain the order yet
        {"kind": "event", "event": "order_placed", "where": [{"property": "order_count", "op": "equals", "value": 1}]},
        [
            wait("pause", days=answers["days"]),
            {"key": "hour", "kind": "wait_until", "hour": "best"},
            message("idea", "first-to-second-order"),
            wait_for_result(30),
        ],
        reentry={"rule": "never"},
    ),
)
