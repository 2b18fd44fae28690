"""Alerts as sentences, each with a link to the Lifecycle page that shows it."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_whole_percent
from customers.lifecycle.alerts import ModelAlert
from customers.lifecycle.scoring.clv.prediction.interval_calibration import LEVEL


@dataclass(frozen=True)
class AlertMessage:
    text: str
    url: str


def format_alert(alert: ModelAlert) -> AlertMessage:
    figures = alert.figures
    name = capfirst(alert.score_model.get_kind_display())
    day = date_format(localtime(datetime.fromisoformat(figures.get("as_of") or figures["trained_at"])), "DATE_FORMAT")
    value_page = reverse("admin:lifecycle_value")
    match alert.code:
        case "orders_off":
            text = _(
                "Actual orders are %(share)s of the orders predicted on %(day)s. Measure the stage rules again."
            ) % {
                "day": day,
                "share": format_whole_percent(figures["ratio"]),
            }
            return AlertMessage(text, value_page)
        case "intervals_off":
            values = {
                "days": number_format(round(figures["days"]), force_grouping=True),
                "day": day,
                "share": format_whole_percent(figures["coverage"]),
            }
            if figures["coverage"] < LEVEL:
                text = _(
                    "The 80%% intervals of expected orders are too narrow: of those predicted on %(day)s, only %(share)s "
                    "contained the actual orders of the next %(days)s days. Plan with a wider range."
                )
            else:
                text = _(
                    "The 80%% intervals of expected orders are too wide: of those predicted on %(day)s, %(share)s contained "
                    "the actual orders of the next %(days)s days. Most customers will be closer to the expected number."
                )
            return AlertMessage(text % values, value_page)
        case "propensity_miscalibrated":
            text = _(
                "%(name)s: the mean prediction of %(day)s was %(predicted)s, but the actual rate is %(actual)s."
            ) % {
                "name": name,
                "predicted": format_whole_percent(figures["mean_predicted"]),
                "day": day,
                "actual": format_whole_percent(figures["rate"]),
            }
        case "propensity_low_auc":
            text = _("%(name)s: the predictions of %(day)s were not much better than random.") % {
                "name": name,
                "day": day,
            }
        case "drift":
            text = _("%(name)s: customers have changed since the model was trained on %(day)s (drift).") % {
                "name": name,
                "day": day,
            }
    return AlertMessage(text, f"{reverse('admin:lifecycle_predictions')}?prediction={alert.score_model.kind}")


def format_missing_orders(last_order: datetime) -> AlertMessage:
    """Return the alert that the whole shop has had no order for unusually long."""
    text = _(
        "Data is missing: the shop has had no order since %(day)s, much longer than usual. Until orders arrive, "
        "lifecycle stages do not change over time. Check the imports and sources."
    ) % {"day": date_format(localtime(last_order), "DATE_FORMAT")}
    return AlertMessage(text, reverse("admin:orders_orderimport_changelist"))
