"""The pages of this package in the menu of the back office."""

from django.utils.translation import gettext_lazy as _

from config.foundation.backoffice.navigation import MenuList, register_pages

register_pages(
    MenuList(
        tab="recommendations.models",
        model="training.ModelVersion",
        order=10,
        empty=_("Models are trained every night from orders and events. Import past orders, then run the training."),
        empty_action=(_("Import orders"), "imports:list"),
    ),
    MenuList(
        tab="recommendations.models",
        model="training.EvaluationRun",
        order=20,
        empty=_("Each training is evaluated on the latest orders. The result appears here after the first training."),
        empty_action=(_("Jobs"), "jobs:list"),
    ),
)
