"""The recipe “Win-back”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import FlowRecipe, make_definition, message, wait_for_result

RECIPE = FlowRecipe(
    key="win-back",
    name=_("Win-back"),
    description=_("Contacts customers who become at risk or dormant, based on how often each customer buys."),
    templates=("win-back",),
    build=lambda _answers: make_definition(
        {"kind": "stage", "to": ["at_risk", "dormant"], "from": []},
        [
            {"key": "hour", "kind": "wait_until", "hour": "best"},
            message("return", "win-back"),
            wait_for_result(14),
        ],
        reentry={"rule": "after", "days": 60},
    ),
)
