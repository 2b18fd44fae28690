"""What a training is doing, in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.training.backoffice.labels.algorithm_labels import ALGORITHM_NAMES, algorithm_name

STEP_NAMES: dict[str, str | Promise] = {
    "": gettext_lazy("starting"),
    "reading the data": gettext_lazy("reading the data"),
    "kinds": gettext_lazy("weighing views, carts and purchases"),
    "weights": gettext_lazy("weighing the algorithms"),
    "places": gettext_lazy("weighing and judging the places of the shop"),
    "fitting for the test": gettext_lazy("fitting for the test"),
    "judging": gettext_lazy("judging"),
    "new customers": gettext_lazy("judging by new customers"),
    "fitting on everything": gettext_lazy("fitting on everything"),
    "saving": gettext_lazy("saving"),
}


def step_name(step: str) -> str:
    if step in STEP_NAMES:
        return str(STEP_NAMES[step])
    if step in ALGORITHM_NAMES:
        return _("trying parameters: %(algorithm)s") % {"algorithm": algorithm_name(step)}
    return step
