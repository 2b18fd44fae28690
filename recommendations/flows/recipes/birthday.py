"""The recipe “Birthday”."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from recommendations.flows.recipes.recipe import FlowRecipe, make_definition, message, wait_for_result

RECIPE = FlowRecipe(
    key="birthday",
    name=pgettext_lazy("recipe", "Birthday"),
    description=_("Congratulates customers on the morning of their birthday, in their own time zone."),
    templates=("birthday",),
    build=lambda _answers: make_definition(
        {"kind": "date", "date": "birthday", "days": 0},
        [
            {"key": "morning", "kind": "wait_until", "hour": "09:00"},
            message("wishes", "birthday"),
            wait_for_result(14),
        ],
        reentry={"rule": "after", "days": 300},
    ),
)
