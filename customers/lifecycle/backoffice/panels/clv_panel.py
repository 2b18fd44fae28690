"""The part of the Lifecycle page about value: how it spreads, and how well it was foretold."""

from datetime import datetime
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from customers.lifecycle.backoffice.drilldowns import people_link
from customers.lifecycle.backoffice.labels.clv_labels import ALGORITHM_NAMES, percent, trust_in
from customers.lifecycle.clv.backtest import is_wrong
from customers.lifecycle.clv.queries import value_deciles, value_histogram
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import latest_cards
from customers.lifecycle.scoring.clv.models.gamma_gamma import FREQUENCY_CORRELATES, NEARLY_NO_MEAN


def value_section() -> dict[str, Any]:
    """Charts with their tables; reason says why there is nothing."""
    cards = latest_cards()
    buying, spend = cards.get(ScoreModel.Kind.BUYING), cards.get(ScoreModel.Kind.SPEND)
    if buying is None or buying.reason:
        return {"empty": True, "reason": buying.get_reason_display() if buying else ""}
    deciles = value_deciles()
    return {
        "empty": False,
        "trust": trust_in(buying),
        "models": shown_models(buying),
        "looking_back": shown_looking_back(buying),
        "spend_reason": spend.get_reason_display() if spend and spend.reason else "",
        "warnings": spend_warnings(spend) if spend else [],
        "deciles": [{**row, "url": values_link(row["low"], row["high"], closed=True)} for row in deciles],
        "histogram": histogram_chart(),
        "comparisons": [chart for chart in (frequency_chart(buying), weeks_chart(buying)) if chart],
    }


def shown_models(card: ScoreModel) -> list[dict[str, Any]]:
    """Each process on what was held out; the largest log-likelihood serves."""
    return [
        {
            "name": ALGORITHM_NAMES.get(name, name),
            "serves": name == card.algorithm,
            "log_likelihood": number_format(round(row["log_likelihood"], 1), use_l10n=True, force_grouping=True),
            "mae": number_format(round(row["mae"], 3), force_grouping=True),
            "correlation": "–" if row["correlation"] is None else number_format(round(row["correlation"], 3)),
            "ratio": percent(row["total_ratio"]) or "–",
            "held": percent(row["held"]),
        }
        for name, row in card.figures.get("held_out", {}).items()
    ]


def shown_looking_back(card: ScoreModel) -> list[dict[str, Any]]:
    """What earlier refreshes foretold, beside what came."""
    return [
        {
            "as_of": datetime.fromisoformat(told["as_of"]),
            "days": number_format(round(told["days"]), force_grouping=True),
            "expected": number_format(round(told["expected"]), force_grouping=True),
            "happened": number_format(told["happened"], force_grouping=True),
            "ratio": percent(told["ratio"]) or "–",
            "interval": f"{percent(told['low'])} – {percent(told['high'])}" if told["low"] is not None else "–",
            "held": percent(told["held"]),
            "wrong": is_wrong(told),
        }
        for told in card.figures.get("looking_back", [])
    ]


def spend_warnings(card: ScoreModel) -> list[str]:
    """What makes the money doubtful, in words."""
    told = {
        FREQUENCY_CORRELATES: _(
            "Customers who order more often also spend more or less an order: the values of both are less sure."
        ),
        NEARLY_NO_MEAN: _(
            "A few very large orders carry the mean: what an order of a new customer is worth is hardly known."
        ),
    }
    found = [told[code] for code in card.figures.get("warnings", []) if code in told]
    several = card.figures.get("several_currencies", 0)
    if several:
        found.append(
            _("Customers with orders in several currencies have no value: %(n)s.")
            % {"n": number_format(several, force_grouping=True)}
        )
    return found


def values_link(low: Any, high: Any, *, closed: bool = False) -> str:
    """Those with a value between; closed: high belongs to it."""
    ends = {"low": low, "high" if closed else "below": high}
    return people_link("value", **{name: amount for name, amount in ends.items() if amount is not None})


def histogram_chart() -> dict[str, Any]:
    bars = value_histogram()
    return {
        "kind": "columns",
        "labels": [bar_name(bar) for bar in bars],
        "values": [bar["customers"] for bar in bars],
        "texts": [number_format(bar["customers"], force_grouping=True) for bar in bars],
        "links": [values_link(bar["low"], bar["high"]) for bar in bars],
        "across": _("Value of the coming twelve months"),
        "up": _("Customers"),
    }


def bar_name(bar: dict[str, Any]) -> str:
    if bar["low"] is None:
        return f"< {plain(bar['high'])}"
    low = plain(bar["low"])
    return f"≥ {low}" if bar["high"] is None else f"{low} – {plain(bar['high'])}"


def plain(value: Any) -> str:
    return number_format(float(value) if value % 1 else int(value), force_grouping=True)


def frequency_chart(card: ScoreModel) -> dict[str, Any] | None:
    told = card.figures.get("by_frequency")
    if not told:
        return None
    last = max(told["at"])
    return {
        "id": "value-by-frequency",
        "title": _("Orders in the days held out, by repeat orders before"),
        "kind": "pairs",
        "labels": [f"{n}+" if n == last and last >= 7 else str(n) for n in told["at"]],
        "series": [
            {"name": _("what came"), "values": [round(value, 3) for value in told["actual"]]},
            {"name": _("foretold"), "values": [round(value, 3) for value in told["expected"]]},
        ],
        "across": _("Repeat orders before"),
        "up": _("Orders a customer"),
        "lines": False,
    }


def weeks_chart(card: ScoreModel) -> dict[str, Any] | None:
    told = card.figures.get("weeks")
    if not told:
        return None
    return {
        "id": "value-weeks",
        "title": _("Repeat orders of all, week by week"),
        "kind": "pairs",
        "labels": [str(week) for week in told["at"]],
        "series": [
            {"name": _("what came"), "values": [round(value, 1) for value in told["actual"]]},
            {"name": _("foretold"), "values": [round(value, 1) for value in told["expected"]]},
        ],
        "across": _("Weeks since the first order"),
        "up": _("Repeat orders"),
        "lines": True,
    }
