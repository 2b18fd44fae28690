"""The recipe “Review after a purchase”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import FlowRecipe, RecipeQuestion, make_definition, message, wait

RECIPE = FlowRecipe(
    key="post-purchase-review",
    name=_("Review after a purchase"),
    description=_("Asks for a review after the order has arrived and the products have been in use for a few days."),
    templates=("post-purchase-review",),
    questions=(
        RecipeQuestion(
            "days",
            _("Days to wait"),
            _("Counted from the order: the delivery time plus a few days of use."),
            14,
            1,
            120,
        ),
    ),
    build=lambda answers: make_definition(
        {"kind": "event", "event": "order_placed", "where": []},
        [
            wait("delivery", days=answers["days"]),
            {"key": "hour", "kind": "wait_until", "hour": "best"},
            message("ask", "post-purchase-review"),
            wait("result", days=14),
        ],
        goal={"kind": "event", "event": "Product Reviewed"},
        reentry={"rule": "after", "days": 60},
    ),
)
