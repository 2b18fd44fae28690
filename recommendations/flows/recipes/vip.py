"""The recipe “VIP”."""

from django.utils.translation import gettext_lazy as _

from recommendations.flows.recipes.recipe import FlowRecipe, make_definition, message, wait_for_result

RECIPE = FlowRecipe(
    key="vip",
    name=_("VIP"),
    description=_("Thanks customers who become loyal, and tags them as VIP."),
    templates=("vip",),
    build=lambda _answers: make_definition(
        {"kind": "stage", "to": ["loyal"], "from": []},
        [{"key": "tag", "kind": "add_tag", "tag": "vip"}, message("thanks", "vip"), wait_for_result(14)],
        reentry={"rule": "never"},
    ),
)
