"""The recipe “Cart abandonment”."""

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
    key="basket-abandonment",
    name=_("Cart abandonment"),
    description=_(
        "Reminds customers of a product that they added to the cart, if they do not order within a few hours."
    ),
    templates=("basket-abandonment",),
    questions=(RecipeQuestion("hours", _("Hours to wait"), _("After a product was added to the cart."), 3, 1, 72),),
    build=lambda answers: make_definition(
        {"kind": "event", "event": "Product Added", "where": []},
        [wait("pause", hours=answers["hours"]), message("reminder", "basket-abandonment"), wait_for_result(3)],
        reentry={"rule": "after", "days": 7},
        # the removal of another product does not end the stay, see execution.signal_events
        exits=[{"kind": "event", "event": "Product Removed", "where": []}],
    ),
)
