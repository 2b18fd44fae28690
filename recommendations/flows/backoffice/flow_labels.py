"""The texts of flows for readers: triggers, steps, outcomes and re-entry rules as short sentences."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy

from config.foundation.number_formats import join_alternatives, join_label, join_list
from customers.lifecycle.models import Stage
from customers.segments.conditions.condition_labels import describe_condition as list_condition_lines
from customers.segments.conditions.condition_tree import ConditionError
from recommendations.flows.backoffice.reference_names import ReferenceNames
from recommendations.flows.machine.definition_schema import BEST_HOUR, ORDER_PLACED

type Text = str | Promise

TRIGGER_LABELS: Mapping[str, Text] = {
    "event": gettext_lazy("Customer event"),
    "stage": gettext_lazy("Lifecycle stage change"),
    "segment": gettext_lazy("Entry into or exit from a segment"),
    "date": gettext_lazy("Customer date"),
    "score": gettext_lazy("Score crosses a threshold"),
    "loyalty_level": gettext_lazy("Loyalty level change"),
    "points_earned": gettext_lazy("Loyalty points earned"),
    "points_expiring": gettext_lazy("Loyalty points about to expire"),
    "catalog": gettext_lazy("Catalog change"),
}
STEP_LABELS: Mapping[str, Text] = {
    "message": gettext_lazy("Send a message"),
    "wait": gettext_lazy("Wait for a time"),
    "wait_until": gettext_lazy("Wait until a time of day"),
    "wait_event": gettext_lazy("Wait for an event"),
    "branch": gettext_lazy("Branch by a condition"),
    "split": gettext_lazy("Random split (test)"),
    "offer": gettext_lazy("Show an on-site offer"),
    "webhook": gettext_lazy("Call a webhook"),
    "set_trait": gettext_lazy("Set a trait"),
    "add_tag": gettext_lazy("Add a tag"),
    "remove_tag": gettext_lazy("Remove a tag"),
    "add_to_segment": gettext_lazy("Add to a static segment"),
    "remove_from_segment": gettext_lazy("Remove from a static segment"),
    "exit": gettext_lazy("End the flow here"),
}
FIELD_LABELS: Mapping[str, Text] = {
    "event": gettext_lazy("event"),
    "where": gettext_lazy("filters on properties"),
    "to": gettext_lazy("new stage"),
    "from": gettext_lazy("previous stage (empty: any)"),
    "segment": gettext_lazy("segment"),
    "direction": gettext_lazy("direction"),
    "date": gettext_lazy("date"),
    "days": gettext_lazy("days after the date (negative: before)"),
    "score": gettext_lazy("score"),
    "value": gettext_lazy("value"),
    "change": gettext_lazy("change"),
    "percent": gettext_lazy("smallest price drop in percent"),
    "interest": gettext_lazy("customers who"),
    "within_days": gettext_lazy("look-back period in days"),
    "for": pgettext_lazy("wait", "duration"),
    "hour": gettext_lazy("time of day"),
    "weekdays": gettext_lazy("only on (empty: every day)"),
    "timeout": gettext_lazy("at most"),
    "condition": gettext_lazy("condition"),
    "level": gettext_lazy("key of the level (empty: any)"),
    "points": gettext_lazy("minimum points"),
    "weights": gettext_lazy("variants and their shares"),
    "template": gettext_lazy("template"),
    "transactional": gettext_lazy("transactional (needs no consent)"),
    "trait": gettext_lazy("trait"),
    "tag": gettext_lazy("tag"),
    "rule": gettext_lazy("can the same customer enter again"),
}
# the same field means something else in these parts
PART_FIELD_LABELS: Mapping[tuple[str, str], Text] = {
    ("reentry", "days"): gettext_lazy("days until the customer can enter again"),
    ("points_expiring", "days"): gettext_lazy("points expire within (days)"),
}
CHOICE_LABELS: Mapping[str, Text] = {
    **{stage.value: stage.label for stage in Stage},
    "entered": gettext_lazy("enters it"),
    "left": gettext_lazy("leaves it"),
    "rises": gettext_lazy("rises"),
    "falls": gettext_lazy("falls"),
    "birthday": gettext_lazy("birthday"),
    "last_order": gettext_lazy("last order"),
    "next_order": gettext_lazy("expected next order"),
    "churn": gettext_lazy("churn risk"),
    "p_alive": gettext_lazy("probability active"),
    "purchase_7": gettext_lazy("probability of a purchase within 7 days"),
    "purchase_30": gettext_lazy("probability of a purchase within 30 days"),
    "purchase_90": gettext_lazy("probability of a purchase within 90 days"),
    "above": gettext_lazy("rises above"),
    "below": gettext_lazy("falls below"),
    "price_drop": gettext_lazy("price drop"),
    "back_in_stock": gettext_lazy("back in stock"),
    "new_product": gettext_lazy("new product in a category"),
    "viewed": gettext_lazy("viewed it"),
    "added": gettext_lazy("added it to the cart"),
    "wishlisted": gettext_lazy("added it to the wishlist"),
    "requested": gettext_lazy("asked for a back-in-stock notice"),
    "bought": gettext_lazy("bought it"),
    "mon": gettext_lazy("Monday"),
    "tue": gettext_lazy("Tuesday"),
    "wed": gettext_lazy("Wednesday"),
    "thu": gettext_lazy("Thursday"),
    "fri": gettext_lazy("Friday"),
    "sat": gettext_lazy("Saturday"),
    "sun": gettext_lazy("Sunday"),
    "never": gettext_lazy("never again"),
    "after": gettext_lazy("again after some days"),
    "always": gettext_lazy("again at any time"),
}
FILTER_LABELS: Mapping[str, Text] = {
    "equals": pgettext_lazy("comparison", "is"),
    "not_equals": pgettext_lazy("comparison", "is not"),
    "at_least": pgettext_lazy("comparison", "is at least"),
    "at_most": pgettext_lazy("comparison", "is at most"),
    "contains": pgettext_lazy("comparison", "contains"),
    "is_set": pgettext_lazy("comparison", "is set"),
    "is_not_set": pgettext_lazy("comparison", "is not set"),
}
# some have a context, because the same word means something else elsewhere
SCORE_VALUE = gettext_lazy("predicted value (CLV)")
OUTCOME_LABELS: Mapping[str, Text] = {
    "yes": pgettext_lazy("branch", "Yes"),
    "no": pgettext_lazy("branch", "No"),
    "event": gettext_lazy("If it happens"),
    "timeout": gettext_lazy("If it does not happen"),
    "done": gettext_lazy("done"),
    "failed": gettext_lazy("failed"),
}


def label_field(name: str, part_kind: str) -> str:
    return str(PART_FIELD_LABELS.get((part_kind, name)) or FIELD_LABELS.get(name, name))


def label_choice(name: str, field: str = "") -> str:
    return str(SCORE_VALUE) if field == "score" and name == "value" else str(CHOICE_LABELS.get(name, name))


def label_outcome(name: str) -> str:
    return str(OUTCOME_LABELS.get(name, name))


def describe_duration(duration: Mapping[str, int]) -> str:
    """Return a duration such as "1 day, 3 hours"."""
    parts = []
    if days := duration.get("days"):
        parts.append(ngettext("%(count)d day", "%(count)d days", days) % {"count": days})
    if hours := duration.get("hours"):
        parts.append(ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours})
    if minutes := duration.get("minutes"):
        parts.append(ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes})
    return ", ".join(parts)


def describe_event(part: Mapping[str, Any]) -> str:
    name = _("Order placed") if part["event"] == ORDER_PLACED else part["event"]
    filters = [
        f"{item['property']} {FILTER_LABELS[item['op']]} {item.get('value', '')}".strip()
        for item in part.get("where", [])
    ]
    return f"{name} ({'; '.join(filters)})" if filters else str(name)


def describe_condition(condition: Mapping[str, Any] | None) -> str:
    """Return a condition in the words of segments."""
    if condition in (None, {}, {"all": []}):
        return _("everyone")
    try:
        return "; ".join(list_condition_lines(condition))
    except ConditionError:
        return _("a condition that is not valid")


def describe_trigger(trigger: Mapping[str, Any], names: ReferenceNames) -> str:
    """Return what starts a flow as a short sentence."""
    match trigger["kind"]:
        case "event":
            return _("%(event)s happens") % {"event": describe_event(trigger)}
        case "stage":
            stages = join_alternatives(label_choice(stage) for stage in trigger["to"])
            if trigger.get("from"):
                before = join_alternatives(label_choice(stage) for stage in trigger["from"])
                return _("The stage changes from %(before)s to %(after)s") % {"before": before, "after": stages}
            return _("The stage changes to %(after)s") % {"after": stages}
        case "segment":
            text = (
                _("Enters the segment %(name)s")
                if trigger["direction"] == "entered"
                else _("Leaves the segment %(name)s")
            )
            return text % {"name": names.name_segment(trigger["segment"])}
        case "loyalty_level":
            return describe_level_trigger(trigger)
        case "points_earned":
            return _("Earns at least %(points)s loyalty points at one time") % {"points": trigger["points"]}
        case "points_expiring":
            text = ngettext(
                "Loyalty points expire within %(count)d day",
                "Loyalty points expire within %(count)d days",
                trigger["days"],
            )
            return text % {"count": trigger["days"]}
        case "date":
            return describe_date(trigger["date"], trigger["days"])
        case "score":
            return _("%(score)s %(direction)s %(value)s") % {
                "score": label_choice(trigger["score"], "score"),
                "direction": label_choice(trigger["direction"]),
                "value": trigger["value"],
            }
    interest = join_alternatives(label_choice(name) for name in trigger["interest"])
    change = label_choice(trigger["change"])
    if trigger["change"] == "price_drop":
        change = _("Price drop of at least %(percent)s%%") % {"percent": trigger.get("percent")}
    return _("%(change)s, for customers who %(interest)s in the last %(days)d days") % {
        "change": change,
        "interest": interest,
        "days": trigger["within_days"],
    }


def describe_level_trigger(trigger: Mapping[str, Any]) -> str:
    is_rise = trigger["direction"] == "rises"
    if trigger.get("level"):
        text = _("Rises to the loyalty level %(level)s") if is_rise else _("Falls to the loyalty level %(level)s")
        return text % {"level": trigger["level"]}
    return _("Rises to a higher loyalty level") if is_rise else _("Falls to a lower loyalty level")


def describe_date(name: str, days: int) -> str:
    label = label_choice(name)
    if not days:
        return _("On the day: %(date)s") % {"date": label}
    if days < 0:
        return ngettext("%(count)d day before: %(date)s", "%(count)d days before: %(date)s", -days) % {
            "count": -days,
            "date": label,
        }
    return ngettext("%(count)d day after: %(date)s", "%(count)d days after: %(date)s", days) % {
        "count": days,
        "date": label,
    }


def describe_step(step: Mapping[str, Any], names: ReferenceNames) -> str:
    """Return what a step does, with its settings."""
    match step["kind"]:
        case "wait":
            return _("Wait %(duration)s") % {"duration": describe_duration(step["for"])}
        case "wait_until":
            is_best = step["hour"] == BEST_HOUR
            text = (
                _("Wait until the customer's best hour")
                if is_best
                else _("Wait until %(hour)s") % {"hour": step["hour"]}
            )
            days = join_list(label_choice(day) for day in step.get("weekdays", ()))
            return f"{text} ({days})" if days else text
        case "wait_event":
            return _("Wait for %(event)s, at most %(duration)s") % {
                "event": describe_event(step),
                "duration": describe_duration(step["timeout"]),
            }
        case "branch":
            return _("Branch: %(condition)s?") % {"condition": describe_condition(step["condition"])}
        case "split":
            total = sum(step["weights"].values()) or 1
            shares = (f"{name} {round(100 * weight / total)}%" for name, weight in step["weights"].items())
            return _("Random split: %(shares)s") % {"shares": ", ".join(shares)}
        case "message" | "offer" | "webhook":
            return join_label(STEP_LABELS[step["kind"]], names.name_template(step["template"]))
        case "set_trait":
            return _("Set the trait %(trait)s to %(value)s") % {"trait": step["trait"], "value": step["value"]}
        case "add_tag" | "remove_tag":
            return join_label(STEP_LABELS[step["kind"]], step["tag"])
        case "add_to_segment" | "remove_from_segment":
            return join_label(STEP_LABELS[step["kind"]], names.name_segment(step["segment"]))
    return str(STEP_LABELS[step["kind"]])


def describe_reentry(reentry: Mapping[str, Any]) -> str:
    if reentry["rule"] == "after":
        return ngettext("again after %(count)d day", "again after %(count)d days", reentry["days"]) % {
            "count": reentry["days"]
        }
    return label_choice(reentry["rule"])


def describe_stop(part: Mapping[str, Any] | None) -> str:
    """Return a goal or an exit."""
    if not part:
        return _("none")
    return describe_event(part) if part["kind"] == "event" else describe_condition(part["condition"])
