"""Labels for the steps of a training."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recommendations.training.backoffice.labels.algorithm_labels import get_algorithm_label, is_algorithm

STEP_LABELS: dict[str, str | Promise] = {
    "": gettext_lazy("starting"),
    "reading the data": gettext_lazy("reading the data"),
    "kinds": gettext_lazy("tuning event weights"),
    "weights": gettext_lazy("tuning algorithm weights"),
    "places": gettext_lazy("tuning and evaluating placements"),
    "fitting for the test": gettext_lazy("fitting for evaluation"),
    "judging": gettext_lazy("evaluating"),
    "new customers": gettext_lazy("evaluating new customers"),
    "fitting on everything": gettext_lazy("fitting on all data"),
    "saving": gettext_lazy("saving"),
}


def get_step_label(step: str) -> str:
    """Return the label of a step.

    The parameters of an algorithm are tuned in a step with the name of the algorithm.
    """
    if step in STEP_LABELS:
        return str(STEP_LABELS[step])
    if is_algorithm(step):
        return _("tuning parameters: %(algorithm)s") % {"algorithm": get_algorithm_label(step)}
    return step
