"""How a customer buys: with discounts or without, giving back or not, narrowly or broadly; beside everybody else's."""

from datetime import datetime

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.statistics import wilson_bounds
from customers.lifecycle.backoffice.labels.clv_labels import percent
from customers.lifecycle.facts.histories import moment_of
from customers.lifecycle.portrait.line import LEAST_FACTS, Form, Group, Line, Origin, gap_of, make_line
from customers.lifecycle.portrait.queries import Documents, OthersRates
from customers.lifecycle.scoring.interests.interests import Interests
from customers.lifecycle.scoring.stages.order_gaps import DAY

LEVEL = 0.95
MORE, LESS, ALIKE, UNKNOWN = "more", "less", "alike", "unknown"
DISCOUNT_WORDS: dict[str, str | Promise] = {
    MORE: gettext_lazy("buys rather when there is a discount"),
    LESS: gettext_lazy("buys rather at full price"),
    ALIKE: gettext_lazy("like others"),
}
RETURN_WORDS: dict[str, str | Promise] = {
    MORE: gettext_lazy("gives back more than others"),
    LESS: gettext_lazy("gives back less than others"),
    ALIKE: gettext_lazy("like others"),
}


def buy_lines(*, documents: Documents, others: OthersRates, interests: Interests, as_of: datetime) -> list[Line]:
    """interests: among the categories. A return is a document of its own or a refund of an order; of one order at most one counts."""
    orders = int(documents.is_sale.sum())
    returns = ~documents.is_sale
    given_back = min(int(documents.is_refunded.sum() + returns.sum()), orders)
    newest = moment_of(int(documents.at[documents.is_sale].max())) if orders else None
    return [
        _rate_line(
            "discounts",
            gettext_lazy("orders with a discount"),
            int(documents.has_discount[documents.is_sale].sum()),
            orders,
            others.discounted,
            others.orders,
            DISCOUNT_WORDS,
            newest,
            as_of,
        ),
        _rate_line(
            "returns",
            gettext_lazy("orders given back"),
            given_back,
            orders,
            min(others.given_back, others.orders),
            others.orders,
            RETURN_WORDS,
            newest,
            as_of,
        ),
        _breadth_line(interests, as_of),
    ]


def _rate_line(
    key: str,
    name: str | Promise,
    hits: int,
    cases: int,
    other_hits: int,
    other_cases: int,
    words: dict[str, str | Promise],
    newest: datetime | None,
    as_of: datetime,
) -> Line:
    gap = gap_of(cases)
    if gap:
        value, said = None, ""
    else:
        low, high = _interval(hits, cases)
        others = other_hits / other_cases if other_cases >= LEAST_FACTS else None
        leaning = UNKNOWN if others is None else _leaning((low, high), _interval(other_hits, other_cases))
        value = {
            "share": round(hits / cases, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "others": None if others is None else round(others, 4),
            "against_others": leaning,
        }
        numbers = {
            "share": percent(hits / cases),
            "low": percent(low),
            "high": percent(high),
            "others": percent(others),
            "words": words.get(leaning, ""),
        }
        said = (
            _("%(share)s (between %(low)s and %(high)s)") % numbers
            if others is None
            else _("%(share)s (between %(low)s and %(high)s); others %(others)s: %(words)s") % numbers
        )
    return make_line(
        key=key,
        group=Group.BUYS,
        name=name,
        form=Form.RATE,
        value=value,
        words=said,
        origin=Origin.ORDERS,
        facts=cases,
        newest=newest,
        gap=gap,
        as_of=as_of,
    )


def _interval(hits: int, cases: int) -> tuple[float, float]:
    low, high = wilson_bounds(hits, cases, level=LEVEL)
    return float(low), float(high)


def _leaning(own: tuple[float, float], others: tuple[float, float]) -> str:
    """Which way the intervals lie apart."""
    return MORE if own[0] > others[1] else LESS if own[1] < others[0] else ALIKE


def _breadth_line(interests: Interests, as_of: datetime) -> Line:
    facts, categories = interests.total_facts, len(interests.code)
    return make_line(
        key="breadth",
        group=Group.BUYS,
        name=gettext_lazy("breadth"),
        form=Form.BREADTH,
        value={"effective": round(interests.breadth, 2), "categories": categories},
        words=_("as broad as %(effective)s equally liked categories; %(categories)s in all")
        % {"effective": number_format(interests.breadth, 1 if interests.breadth < 10 else 0), "categories": categories},
        origin=Origin.ORDERS_AND_EVENTS,
        facts=facts,
        newest=moment_of(round(interests.newest.max() * DAY)) if facts else None,
        gap=gap_of(facts),
        as_of=as_of,
    )
