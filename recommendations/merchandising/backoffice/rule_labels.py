"""Describe a rule in words, in the language of the reader."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from config.foundation.number_formats import format_exact_percent, format_money, join_list
from config.foundation.shop.profile import get_shop
from recommendations.merchandising.choices import RuleAction, RulePlacement, Weekday

if TYPE_CHECKING:
    from recommendations.merchandising.models import Rule

MAX_NAMES = 3
type Titles = Mapping[str, str]
NO_TITLES: Titles = {}


def describe_rule(rule: "Rule", titles: Titles = NO_TITLES) -> str:
    """Return what the rule does, to which products, in which placements, for whom and when.

    titles: of products by ID; a product without one is named by its ID.
    """
    parts = [describe_action(rule, titles), *describe_scope(rule)]
    return pgettext("between the parts of a rule", "; ").join(parts) + pgettext("end of a rule", ".")


def describe_action(rule: "Rule", titles: Titles = NO_TITLES) -> str:
    products = describe_products(rule, titles)
    match rule.action:
        case RuleAction.PIN:
            return _("Pins %(products)s from position %(position)s") % {
                "products": products,
                "position": rule.position,
            }
        case RuleAction.BOOST:
            return _("Multiplies the score of %(products)s by %(factor)s") % {
                "products": products,
                "factor": format_plain(rule.factor),
            }
        case RuleAction.BURY:
            return _("Multiplies the score of %(products)s by %(factor)s (bury)") % {
                "products": products,
                "factor": format_plain(rule.factor),
            }
        case RuleAction.HIDE:
            return _("Hides %(products)s") % {"products": products}
        case _:
            return _("Shows only %(products)s") % {"products": products}


def describe_products(rule: "Rule", titles: Titles = NO_TITLES) -> str:
    conditions = list(describe_conditions(rule, titles))
    if not conditions:
        return _("no products")
    return _("products %(conditions)s") % {
        "conditions": pgettext("between conditions that all hold", " and ").join(conditions)
    }


def describe_conditions(rule: "Rule", titles: Titles = NO_TITLES) -> Iterator[str]:
    if rule.product_ids and any(product_id in titles for product_id in rule.product_ids[:MAX_NAMES]):
        yield _("named %(titles)s") % {
            "titles": join_names([titles.get(product_id, product_id) for product_id in rule.product_ids])
        }
    elif rule.product_ids:
        yield _("with the ID %(ids)s") % {"ids": join_names(rule.product_ids)}
    if rule.category:
        yield _("in %(category)s") % {"category": rule.category}
    if rule.brand:
        yield _("of the brand %(brand)s") % {"brand": rule.brand}
    if rule.attribute_name:
        yield _("with %(attribute)s = %(value)s") % {"attribute": rule.attribute_name, "value": rule.attribute_value}
    if rule.tag:
        yield _("tagged %(tag)s") % {"tag": rule.tag}
    if price := describe_range(format_price(rule.price_from), format_price(rule.price_to)):
        yield _("at a price of %(range)s") % {"range": price}
    if margin := describe_range(format_margin(rule.margin_from), format_margin(rule.margin_to)):
        yield _("with a margin of %(range)s") % {"range": margin}
    if stock := describe_range(rule.stock_from, rule.stock_to):
        yield _("with a stock of %(range)s") % {"range": stock}
    if rule.new_within_days is not None:
        yield ngettext(
            "published within the last %(days)d day", "published within the last %(days)d days", rule.new_within_days
        ) % {"days": rule.new_within_days}


def describe_scope(rule: "Rule") -> Iterator[str]:
    if rule.scenarios:
        names = [str(RulePlacement(name).label) for name in RulePlacement.values if name in rule.scenarios]
        yield _("in: %(placements)s") % {"placements": join_list(names)}
    if rule.segment_id is not None:
        yield _("for the segment %(segment)s") % {"segment": rule.segment}
    if rule.starts_at:
        yield _("from %(moment)s") % {"moment": format_moment(rule.starts_at)}
    if rule.ends_at:
        yield _("until %(moment)s") % {"moment": format_moment(rule.ends_at)}
    if rule.weekdays:
        days = [str(Weekday(day).label) for day in sorted(rule.weekdays) if day in Weekday.values]
        yield _("on %(days)s") % {"days": join_list(days)}


def describe_range(low: Any, high: Any) -> str:
    """Return a range in words; empty without bounds."""
    if low is not None and high is not None:
        return _("%(low)s to %(high)s") % {"low": format_plain(low), "high": format_plain(high)}
    if low is not None:
        return _("at least %(low)s") % {"low": format_plain(low)}
    return _("at most %(high)s") % {"high": format_plain(high)} if high is not None else ""


def format_price(price: Decimal | None) -> str | None:
    return None if price is None else format_money(price, get_shop().currency)


def format_margin(share: Decimal | None) -> str | None:
    return None if share is None else format_exact_percent(share)


def format_plain(number: Any) -> str:
    """Return a number without the trailing zeros of a decimal column."""
    if isinstance(number, str):
        return number
    text = number_format(number)
    return text.rstrip("0").rstrip(".,") if "." in text or "," in text else text


def join_names(names: list[str]) -> str:
    listed = join_list(names[:MAX_NAMES])
    n_more = len(names) - MAX_NAMES
    if n_more <= 0:
        return listed
    return ngettext("%(names)s and %(count)d more", "%(names)s and %(count)d more", n_more) % {
        "names": listed,
        "count": n_more,
    }


def format_moment(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
