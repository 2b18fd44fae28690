"""Alarms as sentences, each with the place of the Lifecycle page that shows it."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from customers.lifecycle.alerts import Alarm
from customers.lifecycle.backoffice.labels.clv_labels import percent


@dataclass(frozen=True)
class ShownAlarm:
    text: str
    url: str


def shown_alarm(alarm: Alarm) -> ShownAlarm:
    told = alarm.told
    name = capfirst(alarm.card.get_kind_display())
    day = date_format(datetime.fromisoformat(told.get("as_of") or told["learnt_at"]), "DATE_FORMAT")
    page = reverse("admin:lifecycle_overview")
    match alarm.code:
        case "orders_wrong":
            text = _("Of the orders foretold on %(day)s %(share)s came: let the stages' gaps be measured anew.") % {
                "day": day,
                "share": percent(told["ratio"]),
            }
            return ShownAlarm(text, f"{page}#value")
        case "propensity_off":
            text = _("%(name)s: %(said)s was said on average on %(day)s, %(came)s came.") % {
                "name": name,
                "said": percent(told["said"]),
                "day": day,
                "came": percent(told["rate"]),
            }
        case "propensity_blind":
            text = _("%(name)s: those held likely on %(day)s did it hardly more often than the others.") % {
                "name": name,
                "day": day,
            }
        case "drift":
            text = _("%(name)s: customers are no longer like those of %(day)s that it was learnt from.") % {
                "name": name,
                "day": day,
            }
    return ShownAlarm(text, f"{page}#{alarm.card.kind}")
