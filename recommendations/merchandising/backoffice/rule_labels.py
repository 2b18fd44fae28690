"""A rule in words, in the language of the reader."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from recommendations.merchandising.choices import Action, Place, Weekday

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

MOST_NAMED = 3


def in_words(rule: "Rule") -> str:
    """What the rule does, to which products, where, for whom and when."""
    parts = [action_in_words(rule), *scope_in_words(rule)]
    return pgettext("between the parts of a rule", "; ").join(parts) + pgettext("end of a rule", ".")


def action_in_words(rule: "Rule") -> str:
    which = products_in_words(rule)
    match rule.action:
        case Action.PIN:
            return _("Pins %(products)s from place %(place)s on") % {"products": which, "place": rule.position}
        case Action.BOOST:
            return _("Multiplies the score of %(products)s by %(factor)s") % {
                "products": which,
                "factor": plain(rule.factor),
            }
        case Action.BURY:
            return _("Lowers the score of %(products)s to %(factor)s of it") % {
                "products": which,
                "factor": plain(rule.factor),
            }
        case Action.HIDE:
            return _("Hides %(products)s") % {"products": which}
        case _:
            return _("Shows nothing but %(products)s") % {"products": which}


def products_in_words(rule: "Rule") -> str:
    conditions = list(conditions_in_words(rule))
    if not conditions:
        return _("no products")
    return _("products %(conditions)s") % {
        "conditions": pgettext("between conditions that all hold", " and ").join(conditions)
    }


def conditions_in_words(rule: "Rule") -> Iterator[str]:
    if rule.product_ids:
        yield _("with the id %(ids)s") % {"ids": some_of(rule.product_ids)}
    if rule.category:
        yield _("in %(category)s") % {"category": rule.category}
    if rule.brand:
        yield _("of the brand %(brand)s") % {"brand": rule.brand}
    if rule.attribute_name:
        yield _("with %(attribute)s = %(value)s") % {"attribute": rule.attribute_name, "value": rule.attribute_value}
    if rule.tag:
        yield _("tagged %(tag)s") % {"tag": rule.tag}
    if price := range_in_words(rule.price_from, rule.price_to):
        yield _("at a price of %(range)s") % {"range": price}
    if margin := range_in_words(percent(rule.margin_from), percent(rule.margin_to)):
        yield _("with a margin of %(range)s") % {"range": margin}
    if stock := range_in_words(rule.stock_from, rule.stock_to):
        yield _("with a stock of %(range)s") % {"range": stock}
    if rule.new_within_days is not None:
        yield ngettext(
            "published within the last %(days)d day", "published within the last %(days)d days", rule.new_within_days
        ) % {"days": rule.new_within_days}


def scope_in_words(rule: "Rule") -> Iterator[str]:
    if rule.scenarios:
        names = [str(Place(place).label) for place in Place.values if place in rule.scenarios]
        yield _("where: %(places)s") % {"places": pgettext("between names", ", ").join(names)}
    if rule.segment_id is not None:
        yield _("for the segment %(segment)s") % {"segment": rule.segment}
    if rule.starts_at:
        yield _("from %(moment)s") % {"moment": moment_in_words(rule.starts_at)}
    if rule.ends_at:
        yield _("until %(moment)s") % {"moment": moment_in_words(rule.ends_at)}
    if rule.weekdays:
        days = [str(Weekday(day).label) for day in sorted(rule.weekdays) if day in Weekday.values]
        yield _("on %(days)s") % {"days": pgettext("between names", ", ").join(days)}


def range_in_words(low: Any, high: Any) -> str:
    """Empty without bounds."""
    if low is not None and high is not None:
        return _("%(low)s to %(high)s") % {"low": plain(low), "high": plain(high)}
    if low is not None:
        return _("at least %(low)s") % {"low": plain(low)}
    return _("at most %(high)s") % {"high": plain(high)} if high is not None else ""


def percent(share: Any) -> str | None:
    return None if share is None else f"{plain(share * 100)} %"


def plain(number: Any) -> str:
    """Without the zeros that a column pads with."""
    if isinstance(number, str):
        return number
    text = number_format(number)
    return text.rstrip("0").rstrip(".,") if "." in text or "," in text else text


def some_of(names: list[str]) -> str:
    shown = pgettext("between names", ", ").join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    if more <= 0:
        return shown
    return ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", more) % {
        "names": shown,
        "count": more,
    }


def moment_in_words(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
