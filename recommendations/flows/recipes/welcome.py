"""The recipe “Welcome”."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from recommendations.flows.recipes.recipe import FlowRecipe, make_definition, message, wait_for_result

RECIPE = FlowRecipe(
    key="welcome",
    name=pgettext_lazy("recipe", "Welcome"),
    description=_("Greets customers as soon as they sign up or place their first order, and shows popular products."),
    templates=("welcome",),
    build=lambda _answers: make_definition(
        {"kind": "stage", "to": ["prospect", "new"], "from": []},
        [message("welcome", "welcome"), wait_for_result(14)],
        reentry={"rule": "never"},
    ),
)
