"""What the pages of demand call models, types of demand and problems."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.number_formats import format_count, format_whole_percent
from customers.demand.forecasting.shop_forecast import count_needed_days
from customers.demand.models import DemandRun

MODELS: Mapping[str, str | Promise] = {
    "seasonal_naive": gettext_lazy("Last week repeated (baseline)"),
    "auto_ets": gettext_lazy("Exponential smoothing (AutoETS)"),
    "croston": gettext_lazy("Croston, for occasional sales"),
    "tsb": gettext_lazy("TSB, for occasional sales"),
    "global_lag": gettext_lazy("Learned from all products (gradient boosting)"),
    "chronos2": gettext_lazy("Chronos-2 (pretrained)"),
    "category": gettext_lazy("New product: from its category"),
}
CLASSES: Mapping[str, str | Promise] = {
    "smooth": gettext_lazy("steady"),
    "erratic": gettext_lazy("steady, in uneven amounts"),
    "intermittent": gettext_lazy("occasional"),
    "lumpy": gettext_lazy("occasional, in uneven amounts"),
}


def describe_problem(run: DemandRun | None) -> str:
    """Return why there is no forecast; an empty text if there is one."""
    if run is None:
        return _("Demand is forecast every night. Run the job now to see the first forecast.")
    if run.problem == "no_sales":
        return _("No product was sold within the last year.")
    if run.problem == "too_short":
        return _("A forecast needs %(days)s days of orders.") % {"days": format_count(count_needed_days())}
    return ""


def describe_accuracy(run: DemandRun) -> str:
    """Return how the forecast compares with the baseline over the last 28 days."""
    mase, naive = run.quality.get("mase"), run.quality.get("naive_mase")
    if mase is None or not naive:
        return ""
    values = {"share": format_whole_percent(abs(1 - mase / naive))}
    if mase < naive:
        text = _(
            "Over the last 28 days, the forecast error was %(share)s smaller than that of repeating the last week."
        )
    else:
        text = _("Over the last 28 days, the forecast error was %(share)s larger than that of repeating the last week.")
    return text % values
