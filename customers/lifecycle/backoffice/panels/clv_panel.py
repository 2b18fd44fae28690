"""The predicted value page: distribution and model accuracy."""

from datetime import datetime
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from config.foundation.charts import ChartSpec, build_bar_chart, build_comparison_chart
from config.foundation.charts.bars import Series
from config.foundation.number_formats import format_money, format_whole_money, format_whole_percent
from customers.lifecycle.backoffice.drilldowns import make_drilldown_url
from customers.lifecycle.backoffice.labels.clv_labels import PURCHASE_MODEL_LABELS, describe_accuracy, describe_held
from customers.lifecycle.backoffice.labels.verdicts import describe_value
from customers.lifecycle.clv.backtest import is_forecast_off
from customers.lifecycle.clv.held_coverage import get_held_coverage, is_coverage_off, list_held_coverage
from customers.lifecycle.clv.queries import ValueBin, query_value_deciles, query_value_histogram
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.lifecycle.scoring.clv.models.gamma_gamma import FREQUENCY_CORRELATES, HEAVY_TAILED


def build_clv_panel() -> dict[str, Any]:
    """Return the charts and tables; `reason` says why there is no model."""
    score_models = load_latest_score_models()
    purchase_model, spend = score_models.get(ScoreModel.Kind.PURCHASE_MODEL), score_models.get(ScoreModel.Kind.SPEND)
    if purchase_model is None or purchase_model.reason:
        return {"empty": True, "reason": purchase_model.get_reason_display() if purchase_model else ""}
    deciles = query_value_deciles()
    return {
        "empty": False,
        "verdict": describe_value(purchase_model, deciles),
        "accuracy": describe_accuracy(purchase_model),
        "held": describe_held(get_held_coverage(purchase_model), "orders"),
        "held_rows": format_held_coverage(purchase_model),
        "models": format_models(purchase_model),
        "backtests": format_backtests(purchase_model),
        "spend_reason": spend.get_reason_display() if spend and spend.reason else "",
        "warnings": list_spend_warnings(spend) if spend else [],
        "deciles": [
            {
                **row,
                "share_text": format_whole_percent(row["share"]),
                "url": make_value_url(row["low"], row["high"], is_closed=True),
            }
            for row in deciles
        ],
        "histogram": make_histogram_chart(),
        "comparisons": [
            chart for chart in (make_frequency_chart(purchase_model), make_weekly_chart(purchase_model)) if chart
        ],
    }


def format_models(score_model: ScoreModel) -> list[dict[str, Any]]:
    """Return the held-out accuracy of each purchase model.

    The one with the largest log-likelihood is used.
    """
    return [
        {
            "name": PURCHASE_MODEL_LABELS.get(name, name),
            "is_used": name == score_model.algorithm,
            "log_likelihood": number_format(round(row["log_likelihood"], 1), use_l10n=True, force_grouping=True),
            "mae": number_format(round(row["mae"], 3), force_grouping=True),
            "correlation": "–" if row["correlation"] is None else number_format(round(row["correlation"], 3)),
            "ratio": format_whole_percent(1 / row["total_ratio"]) if row["total_ratio"] else "–",
            "coverage": format_whole_percent(row["coverage"]),
        }
        for name, row in score_model.figures.get("held_out", {}).items()
    ]


def format_held_coverage(score_model: ScoreModel) -> list[dict[str, Any]]:
    """Return the shares of customers within the 80 % intervals, by horizon."""
    return [
        {
            "days": number_format(row["days"]),
            "customers": number_format(row["customers"], force_grouping=True),
            **{
                name: format_whole_percent(row[name]) or "–"
                for name in ("orders", "spend", "uncorrected_orders", "uncorrected_spend")
            },
            "is_off": is_coverage_off(share=row["orders"], customers=row["customers"]),
        }
        for row in list_held_coverage(score_model)
    ]


def format_backtests(score_model: ScoreModel) -> list[dict[str, Any]]:
    """Return predicted and actual orders of earlier refreshes."""
    return [
        {
            "as_of": datetime.fromisoformat(figures["as_of"]),
            "days": number_format(round(figures["days"]), force_grouping=True),
            "expected": number_format(round(figures["expected"]), force_grouping=True),
            "actual": number_format(figures["actual"], force_grouping=True),
            "ratio": format_whole_percent(figures["ratio"]) or "–",
            "interval": f"{format_whole_percent(figures['low'])} – {format_whole_percent(figures['high'])}"
            if figures["low"] is not None
            else "–",
            "coverage": format_whole_percent(figures["coverage"]),
            "is_off": is_forecast_off(figures),
            "is_coverage_off": is_coverage_off(share=figures["coverage"], customers=figures["customers"]),
        }
        for figures in score_model.figures.get("backtests", [])
    ]


def list_spend_warnings(score_model: ScoreModel) -> list[str]:
    """Return warnings about the predicted spend."""
    messages = {
        FREQUENCY_CORRELATES: _(
            "Order frequency and order value are correlated, which makes the predicted value less reliable."
        ),
        HEAVY_TAILED: _(
            "A few very large orders dominate the average, so the order value of new customers is uncertain."
        ),
    }
    warnings = [messages[code] for code in score_model.figures.get("warnings", []) if code in messages]
    n_customers = score_model.figures.get("several_currencies", 0)
    if n_customers:
        warnings.append(
            _("Customers without a predicted value because they order in multiple currencies: %(n)s.")
            % {"n": number_format(n_customers, force_grouping=True)}
        )
    return warnings


def make_value_url(low: Any, high: Any, *, is_closed: bool = False) -> str:
    """Return the URL of the customers in a value range.

    is_closed: whether the upper bound is included.
    """
    bounds = {"low": low, "high" if is_closed else "below": high}
    return make_drilldown_url("value", **{name: amount for name, amount in bounds.items() if amount is not None})


def make_histogram_chart() -> ChartSpec:
    bars, currency = query_value_histogram(), get_amount_currency()
    return build_bar_chart(
        labels=[format_bin(bar, currency) for bar in bars],
        values=[bar["customers"] for bar in bars],
        texts=[number_format(bar["customers"], force_grouping=True) for bar in bars],
        links=[make_value_url(bar["low"], bar["high"]) for bar in bars],
        x_title=_("Predicted value, next 12 months"),
        y_title=_("Customers"),
        brush={
            "url": make_drilldown_url("value"),
            "starts": [{} if bar["low"] is None else {"low": str(bar["low"])} for bar in bars],
            "ends": [{} if bar["high"] is None else {"below": str(bar["high"])} for bar in bars],
        },
    )


def format_bin(bar: ValueBin, currency: str) -> str:
    if bar["low"] is None:
        return f"< {format_bin_edge(bar['high'], currency)}"
    low = format_bin_edge(bar["low"], currency)
    return f"≥ {low}" if bar["high"] is None else f"{low} – {format_bin_edge(bar['high'], currency)}"


def format_bin_edge(value: Any, currency: str) -> str:
    return format_money(value, currency) if value % 1 else format_whole_money(value, currency)


def make_frequency_chart(score_model: ScoreModel) -> dict[str, Any] | None:
    figures = score_model.figures.get("by_frequency")
    if not figures:
        return None
    last = max(figures["at"])
    chart = build_comparison_chart(
        labels=[f"{n}+" if n == last and last >= 7 else str(n) for n in figures["at"]],
        actual=Series(_("actual"), [round(value, 3) for value in figures["actual"]]),
        predicted=Series(_("predicted"), [round(value, 3) for value in figures["expected"]]),
        x_title=_("Previous repeat orders"),
        y_title=_("Orders per customer"),
        lines=False,
    )
    return {"id": "value-by-frequency", "title": _("Orders in the test period, by previous repeat orders"), **chart}


def make_weekly_chart(score_model: ScoreModel) -> dict[str, Any] | None:
    figures = score_model.figures.get("weeks")
    if not figures:
        return None
    chart = build_comparison_chart(
        labels=[str(week) for week in figures["at"]],
        actual=Series(_("actual"), [round(value, 1) for value in figures["actual"]]),
        predicted=Series(_("predicted"), [round(value, 1) for value in figures["expected"]]),
        x_title=_("Weeks since the first order"),
        y_title=_("Repeat orders"),
        lines=True,
    )
    return {"id": "value-weeks", "title": _("Repeat orders per week"), **chart}
