"""The recipe “Sunset inactive customers”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import FlowRecipe, RecipeQuestion, compare, make_definition, message

RECIPE = FlowRecipe(
    key="sunset",
    name=_("Sunset inactive customers"),
    description=_(
        "Asks customers without orders or clicks whether they still want messages, and tags those who do not respond."
    ),
    templates=("sunset",),
    questions=(
        RecipeQuestion(
            "days", _("Days without an order"), _("And no clicks in emails during that time."), 365, 60, 1000
        ),
    ),
    build=lambda answers: make_definition(
        {"kind": "date", "date": "last_order", "days": answers["days"]},
        [
            message("question", "sunset"),
            {
                "key": "reaction",
                "kind": "wait_event",
                "event": "Email Link Clicked",
                "where": [],
                "timeout": {"days": 30},
                "branches": {"event": [], "timeout": [{"key": "tag", "kind": "add_tag", "tag": "silent"}]},
            },
        ],
        filter=compare("clicked_email", "never", within_days=answers["days"]),
        reentry={"rule": "after", "days": 365},
    ),
)
