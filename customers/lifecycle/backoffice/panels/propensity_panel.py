"""The predictions page.

It shows distribution and model accuracy of each propensity.
"""

from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from config.foundation.charts import build_bar_chart, build_calibration_chart
from config.foundation.number_formats import format_decimals, format_whole_percent
from config.foundation.slow_figures import get_figures
from customers.lifecycle.alerts import is_miscalibrated
from customers.lifecycle.backoffice.drilldowns import make_drilldown_url
from customers.lifecycle.backoffice.labels.propensity_labels import (
    ADJUSTMENT_LABELS,
    CANDIDATE_LABELS,
    DRIFT_LABELS,
    describe_choice,
    describe_difference,
    describe_fallback,
    describe_level,
    describe_propensity_accuracy,
    format_condition,
    get_feature_label,
)
from customers.lifecycle.backoffice.labels.verdicts import describe_next_category, describe_prediction
from customers.lifecycle.facts.histories import from_microseconds
from customers.lifecycle.models import ScoreModel
from customers.lifecycle.propensity.levels import read_level
from customers.lifecycle.propensity.models import PROPENSITY_KINDS
from customers.lifecycle.refresh.score_models import load_latest_score_models
from customers.lifecycle.scoring.propensity.metrics import CalibrationCurve, max_calibration_gap, simulate_max_gap

N_BINS = 10
SEED = 1
MAX_FEATURES = 5

# A bin includes its lower bound; the last one also includes 1, which would otherwise be a bin of its own.
COUNT_BY_PROBABILITY = """
    SELECT score.kind, least(floor(score.probability * %(bars)s), %(bars)s - 1)::int AS bar, count(*)
    FROM lifecycle_customerprofile p
    CROSS JOIN LATERAL (VALUES ('churn', p.churn), ('purchase_7', p.purchase_7), ('purchase_30', p.purchase_30),
                               ('purchase_90', p.purchase_90)) AS score (kind, probability)
    WHERE score.probability IS NOT NULL
    GROUP BY 1, 2
"""


def build_propensity_panel() -> dict[str, Any]:
    """Return the charts and tables of each propensity that the latest refresh predicted."""
    score_models = load_latest_score_models()
    counts = count_by_probability()
    return {
        "targets": [
            format_target(score_models[kind], counts.get(kind, [0] * N_BINS))
            for kind in PROPENSITY_KINDS
            if kind in score_models
        ],
        "category": format_next_category(score_models.get(ScoreModel.Kind.NEXT_CATEGORY)),
    }


def count_by_probability() -> dict[str, list[int]]:
    """Return the number of customers per probability bin, by target."""
    return get_figures("probabilities", dict[str, list[int]], _count_bins)


def _count_bins() -> dict[str, list[int]]:
    counts: dict[str, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_BY_PROBABILITY, {"bars": N_BINS})
        for kind, bar, customers in cursor.fetchall():
            counts.setdefault(kind, [0] * N_BINS)[bar] = customers
    return counts


def format_target(score_model: ScoreModel, counts: list[int]) -> dict[str, Any]:
    figures, currency = score_model.figures, score_model.run.currency
    quality = figures.get("quality")
    return {
        "key": score_model.kind,
        "name": score_model.get_kind_display(),
        "verdict": describe_prediction(score_model, random_gap=compute_random_gap(quality) if quality else None),
        "horizon": figures["horizon_days"],
        "fallback": describe_fallback(score_model),
        "trained_at": datetime.fromisoformat(figures["trained_at"]),
        "customers": figures["customers"],
        "rate": format_whole_percent(figures["rate"]),
        "by_time": figures.get("evaluated_by") == "time",
        "evaluation_rows": figures.get("evaluation_rows"),
        "choice": describe_choice(score_model),
        "accuracy": describe_propensity_accuracy(score_model) if quality else "",
        "probability_chart": make_probability_chart(score_model.kind, counts) if any(counts) else None,
        "probability_rows": make_probability_rows(score_model.kind, counts),
        "candidates": format_candidates(figures),
        "quality": format_quality(quality) if quality else None,
        "calibration": make_calibration_chart(score_model.kind, quality) if quality else None,
        "level": format_level(score_model),
        "lift": make_lift_chart(score_model.kind, quality) if quality and quality["lift"] else None,
        "rules": [
            {
                "text": _(" and ").join(
                    format_condition(condition, currency=currency) for condition in rule["conditions"]
                ),
                "share": format_whole_percent(rule["share"]),
                "probability": format_whole_percent(rule["probability"]),
            }
            for rule in figures.get("rules", [])
        ],
        "backtests": [format_backtest(backtest) for backtest in figures.get("backtests", [])],
        "drift": format_drift(figures.get("drift")),
    }


def make_probability_chart(kind: str, counts: list[int]) -> dict[str, Any]:
    """Return the chart of customers by probability; each bar links to its customers."""
    rows = make_probability_rows(kind, counts)
    chart = build_bar_chart(
        labels=[row["label"] for row in rows],
        values=counts,
        texts=[row["text"] for row in rows],
        links=[row["url"] for row in rows],
        x_title=_("Probability"),
        y_title=_("Customers"),
        brush={
            "url": make_drilldown_url("probability", kind=kind),
            "starts": [{"low": str(bar / N_BINS)} for bar in range(N_BINS)],
            "ends": [make_bin_end(bar) for bar in range(N_BINS)],
        },
    )
    return {"id": f"{kind}-probability", **chart}


def make_probability_rows(kind: str, counts: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "label": f"{100 * bar // N_BINS}–{100 * (bar + 1) // N_BINS}%",
            "customers": customers,
            "text": number_format(customers, force_grouping=True),
            "url": make_bin_url(kind, bar),
        }
        for bar, customers in enumerate(counts)
    ]


def make_bin_url(kind: str, bar: int) -> str:
    return make_drilldown_url("probability", kind=kind, low=bar / N_BINS, **make_bin_end(bar))


def make_bin_end(bar: int) -> dict[str, str]:
    """Return the upper bound of a bin as a parameter; only the last bin includes it."""
    return {"high" if bar == N_BINS - 1 else "below": str((bar + 1) / N_BINS)}


def format_candidates(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the held-out accuracy of each candidate model.

    The gain is over the better baseline.
    """
    return [
        {
            "name": CANDIDATE_LABELS[candidate["name"]],
            "is_used": candidate["name"] == figures["winner"],
            "brier": format_decimals(candidate["brier"], 4),
            "auc": format_decimals(candidate["auc"], 3),
            "gain": format_interval(candidate["brier_gain"]) if candidate["brier_gain"] else "–",
        }
        for candidate in figures.get("candidates", [])
    ]


def format_level(score_model: ScoreModel) -> dict[str, Any] | None:
    """Return predicted and actual rates of earlier dates, and the accuracy of each adjustment; None where nothing was compared."""
    level = score_model.figures.get("level")
    if not level or not level["periods"]:
        return None
    return {
        "difference": describe_difference(read_level(score_model)),
        "note": describe_level(read_level(score_model)),
        "adjustment": ADJUSTMENT_LABELS[level["adjustment"]],
        "periods": [
            {
                "at": from_microseconds(period["at"]),
                "customers": period["customers"],
                "predicted": format_whole_percent(period["predicted"]),
                "actual": format_whole_percent(period["rate"]),
            }
            for period in level["periods"]
        ],
        "options": [
            {
                "model": CANDIDATE_LABELS[option["candidate"]],
                "adjustment": ADJUSTMENT_LABELS[option["adjustment"]],
                "briers": " · ".join(format_decimals(value, 4) for value in option["brier"]),
                "is_used": option["serves"],
            }
            for option in level["options"]
        ],
    }


def format_interval(gain: list[float]) -> str:
    value, low, high = (format_decimals(number, 4) for number in gain)
    return f"{value} ({low} – {high})"


def format_quality(quality: dict[str, Any]) -> dict[str, Any]:
    """Return the held-out accuracy and the largest calibration gap that chance explains."""
    curve = to_calibration_curve(quality)
    return {
        "auc": format_decimals(quality["auc"], 3),
        "brier": format_decimals(quality["brier"], 4),
        "customers": number_format(quality["customers"], force_grouping=True),
        "gap": format_decimals(100 * max_calibration_gap(curve), 1),
        "random_gap": format_decimals(100 * compute_random_gap(quality), 1),
        "rows": [
            {
                "predicted": format_whole_percent(predicted),
                "actual": format_whole_percent(actual),
                "interval": f"{format_whole_percent(low)} – {format_whole_percent(high)}",
                "customers": int(customers),
            }
            for predicted, actual, low, high, customers in zip(
                curve.predicted, curve.actual, curve.low, curve.high, curve.customers, strict=True
            )
        ],
    }


def compute_random_gap(quality: dict[str, Any]) -> float:
    """Return the largest difference between predicted and actual, from 0 to 1, that chance explains in 95% of cases."""
    _median, random_gap = simulate_max_gap(to_calibration_curve(quality), seed=SEED)
    return float(random_gap)


def to_calibration_curve(quality: dict[str, Any]) -> CalibrationCurve:
    figures = quality["curve"]
    return CalibrationCurve(**{name: np.array(values) for name, values in figures.items()})


def make_calibration_chart(kind: str, quality: dict[str, Any]) -> dict[str, Any]:
    """Return predicted and actual rates in percent, with the 95% interval of the actual rate."""
    figures = {name: [round(100 * value, 1) for value in values] for name, values in quality["curve"].items()}
    chart = build_calibration_chart(
        predicted=figures["predicted"],
        actual=figures["actual"],
        low=figures["low"],
        high=figures["high"],
        customers=quality["curve"]["customers"],
        x_title=_("Predicted (%)"),
        y_title=_("Actual (%)"),
        diagonal_name=_("perfect calibration"),
    )
    return {"id": f"{kind}-calibration", **chart}


def make_lift_chart(kind: str, quality: dict[str, Any]) -> dict[str, Any]:
    lift = [round(value, 2) for value in quality["lift"]]
    chart = build_bar_chart(
        labels=[str(decile) for decile in range(1, len(lift) + 1)],
        values=lift,
        texts=[format_decimals(value, 2) for value in lift],
        x_title=_("Decile, highest probabilities first"),
        y_title=_("Lift"),
    )
    return {"id": f"{kind}-lift", **chart}


def format_backtest(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "as_of": datetime.fromisoformat(figures["as_of"]),
        "days": figures["days"],
        "customers": figures["customers"],
        "model": CANDIDATE_LABELS.get(figures["algorithm"], "–"),
        "predicted": format_whole_percent(figures["mean_predicted"]),
        "actual": format_whole_percent(figures["rate"]),
        "interval": f"{format_whole_percent(figures['low'])} – {format_whole_percent(figures['high'])}",
        "auc": format_decimals(figures["auc"], 3),
        "brier": format_decimals(figures["brier"], 4),
        "is_off": is_miscalibrated(figures),
    }


def format_drift(drift: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the drift of the scores and of the features that changed most."""
    if drift is None:
        return None
    return {
        "trained_at": datetime.fromisoformat(drift["trained_at"]),
        "score": format_decimals(drift["score"], 3),
        "level": DRIFT_LABELS[drift["score_level"]],
        "is_large": drift["score_level"] == "large",
        "features": [
            {
                "name": get_feature_label(feature["feature"]),
                "index": format_decimals(feature["index"], 3),
                "level": DRIFT_LABELS[feature["level"]],
            }
            for feature in drift["features"][:MAX_FEATURES]
            if feature["level"] != "none"
        ],
    }


def format_next_category(score_model: ScoreModel | None) -> dict[str, Any] | None:
    """Return how often the predicted category was correct; None without a model."""
    if score_model is None:
        return None
    names = {
        "history": _("customer's own history"),
        "last": _("category of the last order"),
        "popularity": _("best-selling category"),
    }
    return {
        "verdict": describe_next_category(score_model),
        "reason": score_model.get_reason_display() if score_model.reason else "",
        "rows": [
            {
                "name": names[name],
                "is_used": name == "history",
                "hit_1": format_whole_percent(figures["hit_1"]),
                "hit_3": format_whole_percent(figures["hit_3"]),
                "customers": figures["customers"],
            }
            for name, figures in score_model.figures.get("judged", {}).items()
        ],
    }
